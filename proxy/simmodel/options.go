package simmodel

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

// Options describe one simulated model. The zero value is a model with no waiting, no limits and strict history checks.
// Every field can be set from JSON; durations are strings such as "150ms". See the package comment for the formulae.
type Options struct {
	// Seed decides every draw: text lengths, ids, faults.
	Seed uint64 `json:"seed,omitempty"`

	// Models are listed by GET /models. Other names are answered too unless StrictModels is set.
	Models       []string `json:"models,omitempty"`
	StrictModels bool     `json:"strict_models,omitempty"`
	// Keys, when not empty, are the only credentials accepted (401 otherwise).
	Keys []string `json:"keys,omitempty"`

	// PrefillRate is in prompt tokens per second and slot; 0 costs no time.
	PrefillRate float64 `json:"prefill_rate,omitempty"`
	// DecodeRate is in output tokens per second and slot; 0 costs no time.
	DecodeRate float64 `json:"decode_rate,omitempty"`
	// BatchSlowdown s makes everything 1+s*(busy-1) times slower while busy slots work at once.
	BatchSlowdown float64 `json:"batch_slowdown,omitempty"`
	// Overhead is a fixed time at the start of each generation, in the slot.
	Overhead Duration `json:"overhead,omitempty"`
	// Slots is how many generations run at once; 0 means no bound. The rest waits in arrival order, silently.
	Slots int `json:"slots,omitempty"`
	// MaxQueue refuses (503, messages: 529) when that many wait already; 0 never refuses.
	MaxQueue int `json:"max_queue,omitempty"`
	// EarlyHeaders sends the response header of a stream when its slot is taken instead of with the first token.
	EarlyHeaders bool `json:"early_headers,omitempty"`
	// TimeScale k makes the model k times faster in everything: rates, overhead and per-minute limits. 0 is 1.
	TimeScale float64 `json:"time_scale,omitempty"`

	// ContextWindow is in tokens, prompt and max_tokens together; 0 means no bound.
	ContextWindow int `json:"context_window,omitempty"`
	// LateOverflow refuses a prompt that is too long at its turn in the queue, not at once.
	LateOverflow bool `json:"late_overflow,omitempty"`

	Cache  CacheOptions `json:"cache,omitzero"`
	Limits LimitOptions `json:"limits,omitzero"`

	// LooseHistory switches the history checks off.
	LooseHistory bool `json:"loose_history,omitempty"`

	// OutputTokens is the mean length of an answer that no script decides; 0 is 48.
	OutputTokens int `json:"output_tokens,omitempty"`
	// TokensPerDelta is how many tokens one stream event carries; 0 is 1.
	TokensPerDelta int `json:"tokens_per_delta,omitempty"`
	// ToolRounds is how many tool calls an agent that declares tools gets before its final text when no script decides;
	// 0 is 1, negative is none.
	ToolRounds int `json:"tool_rounds,omitempty"`
	// Stamp puts the wall clock in unix nanoseconds into each token of unscripted text: "@1700000000000000000 ".
	Stamp bool `json:"stamp,omitempty"`

	// Script decides what the model does when the prompt holds no directive. The first rule that matches wins.
	Script []Rule `json:"script,omitempty"`
	// Decide is asked before everything else; nil, or a nil step, leaves the decision to the rest.
	Decide func(Turn) *Step `json:"-"`

	// Faults happen by probability or to the first requests. Header x-sim-fault and directives add others.
	Faults []FaultRule `json:"faults,omitempty"`

	// OnAbandon is told when an agent left: what the request was doing ("queued", "prefill", "decode", "fault") and when the
	// model noticed. It is called from a goroutine of its own.
	OnAbandon func(state string, at time.Time) `json:"-"`

	// Clock is the time the model lives in; nil is the wall clock.
	Clock Clock `json:"-"`
}

// CacheOptions describe the prefix cache.
type CacheOptions struct {
	// Tokens bounds the cache; 0 is 1,000,000, negative switches it off.
	Tokens int `json:"tokens,omitempty"`
	// Block is the grain of matching in tokens; 0 is 16.
	Block int `json:"block,omitempty"`
	// Min is the shortest prefix that counts as a hit, in tokens.
	Min int `json:"min,omitempty"`
	// TTL drops blocks unused for that long; 0 never does.
	TTL Duration `json:"ttl,omitempty"`
	// PerKey keeps the credentials' caches apart.
	PerKey bool `json:"per_key,omitempty"`
}

// LimitOptions are per-minute budgets, refilled continuously; 0 means no limit.
type LimitOptions struct {
	RPM int `json:"rpm,omitempty"`
	// TPM counts prompt and output tokens, ITPM the prompt tokens that were not cached, OTPM output tokens.
	TPM  int `json:"tpm,omitempty"`
	ITPM int `json:"itpm,omitempty"`
	OTPM int `json:"otpm,omitempty"`
	// Burst is the bucket's size as a share of a minute; 0 is 1.
	Burst float64 `json:"burst,omitempty"`
	// Reserve keeps the charge for max_tokens instead of settling it to what was generated.
	Reserve bool `json:"reserve,omitempty"`
	// CountRefused charges requests that were refused with 429 to RPM too.
	CountRefused bool `json:"count_refused,omitempty"`
	// PerKey gives each credential its own budgets.
	PerKey bool `json:"per_key,omitempty"`
}

// A Duration is a time.Duration that JSON writes as a string.
type Duration time.Duration

// MarshalJSON writes the Go form, "1.5s".
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads the Go form, or a number of seconds.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		v, err := time.ParseDuration(s)
		*d = Duration(v)
		return err
	}
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return errors.New(`want a duration such as "150ms"`)
	}
	*d = Duration(f * float64(time.Second))
	return nil
}

// LoadOptions reads Options from a JSON file; unknown keys are errors.
func LoadOptions(file string) (Options, error) {
	var o Options
	f, err := os.Open(file)
	if err != nil {
		return o, fmt.Errorf("simmodel: %w", err)
	}
	defer f.Close()
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		return o, fmt.Errorf("simmodel: %s: %w", file, err)
	}
	return o, o.Validate()
}

// Validate reports every value that makes no sense, at once.
func (o *Options) Validate() error {
	var errs []error
	bad := func(cond bool, field, why string) {
		if cond {
			errs = append(errs, fmt.Errorf("simmodel: %s: %s", field, why))
		}
	}
	bad(o.PrefillRate < 0, "prefill_rate", "must not be negative")
	bad(o.DecodeRate < 0, "decode_rate", "must not be negative")
	bad(o.BatchSlowdown < 0, "batch_slowdown", "must not be negative")
	bad(o.Overhead < 0, "overhead", "must not be negative")
	bad(o.Slots < 0, "slots", "must not be negative")
	bad(o.MaxQueue < 0, "max_queue", "must not be negative")
	bad(o.TimeScale < 0, "time_scale", "must not be negative")
	bad(o.ContextWindow < 0, "context_window", "must not be negative")
	bad(o.OutputTokens < 0, "output_tokens", "must not be negative")
	bad(o.TokensPerDelta < 0, "tokens_per_delta", "must not be negative")
	bad(o.Cache.Block < 0 || o.Cache.Min < 0 || o.Cache.TTL < 0, "cache", "block, min and ttl must not be negative")
	l := o.Limits
	bad(l.RPM < 0 || l.TPM < 0 || l.ITPM < 0 || l.OTPM < 0 || l.Burst < 0, "limits", "must not be negative")
	for i, f := range o.Faults {
		_, err := parseFaults(f.Fault)
		bad(err != nil, fmt.Sprintf("faults[%d].fault", i), fmt.Sprint(err))
		bad(f.P < 0 || f.P > 1, fmt.Sprintf("faults[%d].p", i), "must be between 0 and 1")
	}
	for i, r := range o.Script {
		for j, s := range r.Steps {
			_, err := parseFaults(s.Fault)
			bad(err != nil, fmt.Sprintf("script[%d].steps[%d].fault", i, j), fmt.Sprint(err))
		}
	}
	return errors.Join(errs...)
}

// withDefaults fills what was left out and applies TimeScale.
func (o Options) withDefaults() Options {
	if len(o.Models) == 0 {
		o.Models = []string{"sim"}
	}
	if o.Clock == nil {
		o.Clock = wallClock{}
	}
	if o.OutputTokens == 0 {
		o.OutputTokens = 48
	}
	if o.TokensPerDelta == 0 {
		o.TokensPerDelta = 1
	}
	if o.ToolRounds == 0 {
		o.ToolRounds = 1
	}
	if o.Cache.Tokens == 0 {
		o.Cache.Tokens = 1_000_000
	}
	if o.Cache.Block == 0 {
		o.Cache.Block = 16
	}
	if o.Limits.Burst == 0 {
		o.Limits.Burst = 1
	}
	if k := o.TimeScale; k > 0 && k != 1 {
		o.PrefillRate *= k
		o.DecodeRate *= k
		o.Overhead = Duration(float64(o.Overhead) / k)
		o.Cache.TTL = Duration(float64(o.Cache.TTL) / k)
		for _, p := range []*int{&o.Limits.RPM, &o.Limits.TPM, &o.Limits.ITPM, &o.Limits.OTPM} {
			*p = int(float64(*p) * k)
		}
		o.Limits.Burst /= k
	}
	return o
}
