package limit

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trapgate/trapgate/internal/head"
)

func fields(t testing.TB, block string) head.Fields {
	t.Helper()
	f, err := head.Parse(nil, []byte(block))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// full is a quota of which everything was said.
func full(limit, remaining float64, reset time.Duration) Quota {
	return Quota{HasLimit: true, HasRemaining: true, HasReset: true, Limit: limit, Remaining: remaining, Reset: reset}
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, block string
		want        Observation
	}{
		{"nothing", "Content-Type: application/json\r\nx-request-id: 1\r\n", Observation{}},
		{
			"OpenAI", "X-RateLimit-Limit-Requests: 60\r\nx-ratelimit-limit-tokens: 150000\r\nx-ratelimit-remaining-requests: 59\r\n" +
				"x-ratelimit-remaining-tokens: 149984\r\nx-ratelimit-reset-requests: 1s\r\nx-ratelimit-reset-tokens: 6m0s\r\n",
			Observation{Known: true, Requests: full(60, 59, time.Second), Tokens: full(150000, 149984, 6*time.Minute)},
		},
		{"milliseconds", "x-ratelimit-limit-tokens: 9\r\nx-ratelimit-remaining-tokens: 8\r\nx-ratelimit-reset-tokens: 20ms\r\n", Observation{Known: true, Tokens: full(9, 8, 20*time.Millisecond)}},
		{
			"Azure in whole seconds", "x-ratelimit-limit-requests: 10\r\nx-ratelimit-remaining-requests: 9\r\nx-ratelimit-reset-requests: 6\r\n",
			Observation{Known: true, Requests: full(10, 9, 6*time.Second)},
		},
		{
			"Azure that does not know", "x-ratelimit-limit-tokens: -1\r\nx-ratelimit-remaining-tokens: -1\r\nx-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 0\r\n",
			Observation{},
		},
		{
			"nothing left", "x-ratelimit-limit-requests: 10\r\nx-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 2.5\r\n",
			Observation{Known: true, Requests: full(10, 0, 2500*time.Millisecond)},
		},
		{
			"Anthropic", "anthropic-ratelimit-requests-limit: 1000\r\nanthropic-ratelimit-requests-remaining: 999\r\nanthropic-ratelimit-requests-reset: 2026-01-02T03:04:06Z\r\n" +
				"anthropic-ratelimit-input-tokens-limit: 80000\r\nanthropic-ratelimit-input-tokens-remaining: 60000\r\nanthropic-ratelimit-input-tokens-reset: 2026-01-02T03:04:20Z\r\n" +
				"anthropic-ratelimit-output-tokens-limit: 16000\r\nanthropic-ratelimit-output-tokens-remaining: 16000\r\nanthropic-ratelimit-output-tokens-reset: 2026-01-02T03:04:04Z\r\n" +
				"anthropic-ratelimit-tokens-limit: 96000\r\nanthropic-ratelimit-unified-5h-reset: 1765944000\r\nretry-after: 7\r\n",
			Observation{
				Known: true, Requests: full(1000, 999, time.Second), Input: full(80000, 60000, 15*time.Second),
				Output: full(16000, 16000, 0), Tokens: Quota{HasLimit: true, Limit: 96000}, RetryAfter: 7 * time.Second,
			},
		},
		{
			"Mistral", "x-ratelimit-limit-tokens-minute: 5000000\r\nx-ratelimit-remaining-tokens-minute: 4999911\r\nx-ratelimit-tokens-query-cost: 52\r\n" +
				"x-ratelimit-limit-tokens-month: 1000\r\nx-ratelimit-limit-req-minute: 720\r\nx-ratelimit-remaining-req-minute: 717\r\n",
			Observation{
				Known:    true,
				Tokens:   Quota{HasLimit: true, HasRemaining: true, Limit: 5000000, Remaining: 4999911, Period: time.Minute},
				Requests: Quota{HasLimit: true, HasRemaining: true, Limit: 720, Remaining: 717, Period: time.Minute},
			},
		},
		{
			"Cerebras by the day", "x-ratelimit-limit-requests-day: 1000\r\nx-ratelimit-remaining-requests-day: 10\r\nx-ratelimit-reset-requests-day: 3600.5\r\n",
			Observation{Known: true, Requests: Quota{
				HasLimit: true, HasRemaining: true, HasReset: true, Limit: 1000, Remaining: 10,
				Reset: 3600*time.Second + 500*time.Millisecond, Period: 24 * time.Hour,
			}},
		},
		{"Fireworks", "X-Ratelimit-Limit-Tokens-Prompt: 3\r\nX-Ratelimit-Limit-Tokens-Generated: 2\r\nx-ratelimit-limit-tokens-cached-prompt: 1\r\n", Observation{Known: true, Input: Quota{HasLimit: true, Limit: 3}, Output: Quota{HasLimit: true, Limit: 2}}},
		{"Together", "x-ratelimit-limit: 10\r\nx-ratelimit-remaining: 9\r\nx-ratelimit-reset: 1\r\nx-tokenlimit-limit: 300\r\n", Observation{Known: true, Requests: full(10, 9, time.Second), Tokens: Quota{HasLimit: true, Limit: 300}}},
		{"OpenRouter in Unix milliseconds", "X-RateLimit-Limit: 20\r\nX-RateLimit-Remaining: 1\r\nX-RateLimit-Reset: 1767323055000\r\n", Observation{Known: true, Requests: full(20, 1, 10*time.Second)}},
		{"IETF draft", "RateLimit-Limit: 100, 100;w=60\r\nRateLimit-Remaining: 50\r\nRateLimit-Reset: 30\r\n", Observation{Known: true, Requests: full(100, 50, 30*time.Second)}},
		{"more left than there is", "ratelimit-limit: 5\r\nratelimit-remaining: 7\r\nratelimit-reset: 1\r\n", Observation{Known: true, Requests: full(5, 5, time.Second)}},
		{"absurd", "x-ratelimit-limit-tokens: 1e9\r\nx-ratelimit-remaining-tokens: Inf\r\nx-ratelimit-reset-tokens: 100000h\r\nx-ratelimit-limit-requests: 99999999999999999\r\n", Observation{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Parse(t0, fields(t, tt.block))); diff != "" {
				t.Errorf("wrong (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		block string
		want  time.Duration
		ok    bool
	}{
		{"retry-after: 3\r\n", 3 * time.Second, true},
		{"Retry-After: 0\r\n", 0, true},
		{"retry-after: 0.5\r\n", 500 * time.Millisecond, true},
		{"retry-after: 3\r\nretry-after-ms: 2500\r\n", 2500 * time.Millisecond, true},
		{"x-ms-retry-after-ms: 10\r\n", 10 * time.Millisecond, true},
		{"retry-after: Fri, 02 Jan 2026 03:04:35 GMT\r\n", 30 * time.Second, true},
		{"retry-after: Friday, 02-Jan-26 03:04:35 GMT\r\n", 30 * time.Second, true},
		{"retry-after: Fri Jan  2 03:04:35 2026\r\n", 30 * time.Second, true},
		{"retry-after: Fri, 02 Jan 2026 03:00:00 GMT\r\n", 0, true},
		{"retry-after: -1\r\n", 0, false},
		{"retry-after: soon\r\n", 0, false},
		{"retry-after: 2592000\r\n", 30 * 24 * time.Hour, true}, // a month's quota is spent
		{"retry-after-ms: 2592000000\r\n", 30 * 24 * time.Hour, true},
		{"retry-after: Sat, 02 Jan 2027 03:04:05 GMT\r\n", 365 * 24 * time.Hour, true},
		{"retry-after: 31622400\r\n", maxRetry, true},
		{"retry-after: 31622401\r\n", 0, false},
		{"retry-after: 99999999999\r\n", 0, false},
		{"retry-after: Fri, 02 Jan 2099 03:00:00 GMT\r\n", 0, false},
		{"a: b\r\n", 0, false},
	} {
		if got, ok := RetryAfter(t0, fields(t, tt.block)); got != tt.want || ok != tt.ok {
			t.Errorf("%q: %v %v, want %v %v", tt.block, got, ok, tt.want, tt.ok)
		}
	}
}

func TestGroup(t *testing.T) {
	for _, tt := range []struct{ model, want string }{
		{"gpt-4o-2024-08-06", "gpt-4o"},
		{"gpt-4o", "gpt-4o"},
		{"Claude-Sonnet-4-20250514", "claude-sonnet-4"},
		{"claude-3-5-haiku-latest", "claude-3-5-haiku"},
		{"claude-sonnet-4@20250514", "claude-sonnet-4"},
		{"llama-3.1-70b", "llama-3.1-70b"},
		{"model-12345678", "model-12345678"},
		{"20250514", "20250514"},
		{"", ""},
	} {
		if got := Family(tt.model); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.model, got, tt.want)
		}
	}
	if Group("a", "m-latest") != Group("a", "m") || Group("a", "m") == Group("b", "m") {
		t.Error("groups are not by credential and family")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("x-ratelimit-limit-requests: 60\r\nx-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 6m0s\r\nretry-after: 1\r\n"))
	f.Add([]byte("anthropic-ratelimit-input-tokens-limit: 1\r\nanthropic-ratelimit-input-tokens-reset: 2026-01-02T03:04:06Z\r\nretry-after-ms: 1e400\r\n"))
	f.Add([]byte("x-ratelimitbysize-remaining-minute: 0.5;w=60\r\nx-tokenlimit-reset: 1767323055000\r\n"))
	f.Fuzz(func(t *testing.T, block []byte) {
		h, err := head.Parse(nil, block)
		if err != nil {
			return
		}
		o := Parse(t0, h)
		if o.RetryAfter < 0 || o.RetryAfter > maxRetry {
			t.Fatalf("retry after %v", o.RetryAfter)
		}
		known := o.RetryAfter > 0
		for _, q := range []Quota{o.Requests, o.Tokens, o.Input, o.Output} {
			known = known || q.known()
			if q.HasLimit && !(q.Limit > 0 && q.Limit <= maxAmount) || math.IsNaN(q.Remaining) || q.Remaining < 0 || q.Remaining > maxAmount {
				t.Fatalf("believed %+v", q)
			}
			if q.HasReset && (q.Reset < 0 || q.Reset > maxPeriod) || q.HasLimit && q.Remaining > q.Limit {
				t.Fatalf("believed %+v", q)
			}
		}
		if known && !o.Known {
			t.Fatalf("something is known and it is not said: %+v", o)
		}
		// Whatever was said, buckets stay usable.
		s := NewSet(t0, Rates{Requests: Rate{PerMinute: 60}, Tokens: Rate{PerMinute: 1e5}}, Rules{GateOnMax: true})
		c := Cost{Requests: 1, Input: 100, Output: 10, MaxOutput: 100}
		s.Reserve(t0, c)
		s.Sync(t0, o, s.Mark())
		when := s.RefillAt(t0, c)
		if when.Before(t0) || when.After(t0.Add(2*maxPeriod)) {
			t.Fatalf("a small call fits at %v", when.Sub(t0))
		}
		s.Settle(when, c, c)
		s.SetRates(when, s.Told())
	})
}
