package config

import (
	"encoding"
	"fmt"
	"log/slog"
	"time"

	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

// A Schedule is what the schedule section says, ready for the engines. It is immutable and safe for concurrent use: the slices
// inside are shared and must not be changed. A change of any of it but Shared may be put in force while calls run.
type Schedule struct {
	Engine  ratelimit.Config // pools go by the names of upstreams; background is always among the classes
	Budgets budget.Config    // prices go by the upstreams' names of models; money budgets meet no model without a price
	Classes []ClassRule      // the first that matches counts
	Queue   QueueSettings
	Shared  *Shared // nil: with processes of the same data directory only
}

// A ClassRule puts the requests of agents and models that match into a class. They are globs; "" matches everything.
type ClassRule struct {
	Class, Agent, Model string
}

// QueueSettings say how an agent is kept waiting.
type QueueSettings struct {
	// KeepAliveAfter is the wait after which a streaming request gets a comment, and again after each such time. 0: half of
	// the agent's read timeout, at least 20 s.
	KeepAliveAfter time.Duration
	// StreamWait is the longest wait of a request that is kept awake by comments.
	StreamWait time.Duration
}

// Shared says with whom limits and budgets are shared, and how.
type Shared struct {
	Redis    RedisURL
	Prefix   string // of all keys
	Sidecars int    // how many share at most: the static share is a limit divided by this
	Renew    time.Duration
}

func (s *Shared) same(o *Shared) bool {
	if s == nil || o == nil {
		return s == o
	}
	return s.Redis.Reveal() == o.Redis.Reveal() && s.Prefix == o.Prefix && s.Sidecars == o.Sidecars && s.Renew == o.Renew
}

// String names the Redis without its password, "off" for nil.
func (s *Shared) String() string {
	if s == nil {
		return "off"
	}
	return fmt.Sprintf("%v, prefix %s, %d sidecars, renewed every %v", s.Redis, s.Prefix, s.Sidecars, Duration(s.Renew))
}

// A RedisURL is the address of a Redis. It may hold a password, so printing shows where it is and nothing else.
type RedisURL struct {
	text  Secret
	shown string
}

var (
	_ fmt.Formatter          = RedisURL{}
	_ encoding.TextMarshaler = RedisURL{}
	_ slog.LogValuer         = RedisURL{}
)

// Reveal returns the whole address. The result must not be logged, nor put into an error.
func (r RedisURL) Reveal() string { return r.text.Reveal() }

// String shows the network address only.
func (r RedisURL) String() string { return r.shown }

// Format implements fmt.Formatter.
func (r RedisURL) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(r.shown)) }

// MarshalText implements encoding.TextMarshaler.
func (r RedisURL) MarshalText() ([]byte, error) { return []byte(r.shown), nil }

// LogValue implements slog.LogValuer.
func (r RedisURL) LogValue() slog.Value { return slog.StringValue(r.shown) }
