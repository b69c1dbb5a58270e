package rewrite

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/trapgate/trapgate/ctxrewrite"
	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/ctxrewrite/hygiene"
	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
)

// Name is the filter's name in Server-Timing, spans, metrics and /debug/state.
const Name = "rewrite"

// Settings are what a configuration says besides the engine's own.
type Settings struct {
	Engine  ctxrewrite.Config
	Hygiene hygiene.Settings
	Pins    []Pin
	// Profiles tells an upstream's base URL, by which its provider is known.
	BaseURL func(upstream string) string
}

// A Pin is an operator's rule for the exchanges that match.
type Pin struct {
	Text  string
	Match func(agent, model, path string) bool // nil: all; model by the upstream's name, path without query
}

// A Filter is safe for concurrent use and lives as long as the process.
type Filter struct {
	engine   *ctxrewrite.Engine
	hygiene  *hygiene.Hygiene
	settings atomic.Pointer[settings]
	streams  sync.Pool
	failures atomic.Int64
	observed atomic.Int64 // requests that would have been rewritten
	saving   atomic.Int64 // tokens that they would have been shorter by
}

// settings are Settings with what is looked up for every upstream and model.
type settings struct {
	Settings
	profiles *lru.Cache[profileKey, *history.Profile]
}

type profileKey struct {
	upstream, model string
	dialect         wire.Dialect
}

var _ filters.Filter = (*Filter)(nil)

// New makes a filter over an engine. Configure is due before the first exchange.
func New(engine *ctxrewrite.Engine) *Filter {
	f := &Filter{engine: engine, hygiene: hygiene.New(hygiene.Options{Notes: engine})}
	f.streams.New = func() any { return new(stream) }
	return f
}

// Configure puts settings in force; epochs and what was learnt stay. On an error nothing has changed.
func (f *Filter) Configure(s Settings) error {
	if err := f.engine.Configure(s.Engine); err != nil {
		return fmt.Errorf("context: %w", err)
	}
	profiles, err := lru.New[profileKey, *history.Profile](maxProfiles)
	if err != nil {
		return fmt.Errorf("context: %w", err)
	}
	f.settings.Store(&settings{s, profiles})
	return nil
}

// maxProfiles bounds what is looked up: agents make up names of models.
const maxProfiles = 512

// Name returns "rewrite".
func (f *Filter) Name() string { return Name }

// Failures is how many requests went out as they came because something failed inside.
func (f *Filter) Failures() int64 { return f.failures.Load() }

// Observed is how many requests would have been rewritten, and by how many tokens they would have been shorter.
func (f *Filter) Observed() (requests, tokens int64) { return f.observed.Load(), f.saving.Load() }

// Open fits the request. It refuses nothing.
func (f *Filter) Open(_ context.Context, x *filters.Exchange) (filters.Stream, error) {
	if x.View == nil || x.Route.Op != wire.Generate || isOff(x.Fields.Get(header)) {
		return nil, nil
	}
	if err := x.RunLater(); err != nil { // whose conversation it is
		x.Trail.Append(Name, "identity_failed", filters.Attr{Key: "error", Value: err.Error()})
	}
	s := f.streams.Get().(*stream)
	s.begin(f, x)
	return s, nil
}

// isOff reports whether the agent wants this request to pass as it is.
func isOff(value []byte) bool { return bytes.EqualFold(value, []byte("off")) }

// fit asks the engine. A panic inside is the engine's defect and not the agent's.
func (s *stream) fit() (failed bool) {
	defer func() {
		if v := recover(); v != nil {
			failed = true
			s.f.failures.Add(1)
			slog.Error("context: a request goes out as it came", "id", s.x.ID, "panic", v, "stack", string(debug.Stack()))
		}
	}()
	s.edits.Reset()
	s.plan = s.f.engine.Fit(&s.request)
	if s.plan.Action != ctxrewrite.Rewrite {
		return false
	}
	s.edits.All(func(at wire.Span, with []byte) { s.x.CallEdits.Replace(at, with) })
	return false
}

// profile is what an upstream's provider demands.
func (c *settings) profile(x *filters.Exchange) *history.Profile {
	key := profileKey{x.Attempt.Upstream, x.Attempt.Model, x.View.Dialect}
	p, ok := c.profiles.Get(key)
	if !ok {
		p = history.ProfileOf(c.BaseURL(key.upstream), key.model, key.dialect)
		c.profiles.Add(key, p)
	}
	return p
}

// windowName is the model as windows know it: with Anthropic's header for it, it is one with another window.
func windowName(x *filters.Exchange) string {
	if m := x.Attempt.Model; bytes.Contains(x.Fields.Get("anthropic-beta"), []byte("context-1m")) && !strings.HasSuffix(m, "[1m]") {
		return m + "[1m]"
	}
	return x.Attempt.Model
}

// pins are the operator's rules for this exchange.
func (c *settings) pins(x *filters.Exchange) (all []string) {
	path, _, _ := strings.Cut(x.Target, "?")
	for i := range c.Pins {
		if p := &c.Pins[i]; p.Match == nil || p.Match(x.Identity.Agent, x.Attempt.Model, path) {
			all = append(all, p.Text)
		}
	}
	return all
}

const (
	header    = "x-trapgate-context"
	pinHeader = "x-trapgate-pin"
)
