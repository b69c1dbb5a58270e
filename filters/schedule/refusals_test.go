package schedule

import (
	"fmt"
	"testing"
	"time"

	"github.com/trapgate/trapgate/filters/filtertest"
	"github.com/trapgate/trapgate/ratelimit"
)

// source is what a source says of a pool's limits.
func (b *bench) source(pool, source string) ratelimit.Limits {
	for _, p := range b.engine.State().Pools {
		if p.Name == pool {
			return p.Sources[source]
		}
	}
	b.Fatalf("no pool %s", pool)
	return ratelimit.Limits{}
}

// Limits that response headers state are in force from then on, also those of an answer that is tried again.
func TestHeaders(t *testing.T) {
	headers := [][2]string{{"x-ratelimit-limit-requests", "60"}, {"x-ratelimit-remaining-requests", "59"}, {"x-ratelimit-reset-requests", "1s"}, {"x-ratelimit-limit-tokens", "9000"}, {"x-ratelimit-remaining-tokens", "8900"}, {"x-ratelimit-reset-tokens", "700ms"}}
	for _, status := range []int{200, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			in(t, func(t *testing.T) {
				b := newBench(t, Settings{})
				first := document(1, 1)
				if status != 200 {
					first = failure(status, "no")
				}
				first.Fields = headers
				b.run(call{unary: true, answers: []filtertest.Answer{first, document(1, 1)}})
				if got := b.source("memory/team/m", "headers"); got.Requests != 60 || got.Tokens != 9000 {
					t.Errorf("%+v", got)
				}
				b.idle()
			})
		})
	}
}

// A refusal that is tried again is learnt from too: the pool pauses for as long as it was told.
func TestRetriedRefusal(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t, oneSlot())
		r := b.run(call{unary: true, answers: []filtertest.Answer{failure(503, "no", [2]string{"Retry-After", "7"}), document(1, 1)}})
		if r.Status != 200 || r.waited != 7*time.Second {
			t.Errorf("status %d after %v", r.Status, r.waited)
		}
		b.idle()
	})
}

// What a 429 is about decides what is learnt; without money nothing is.
func TestLearnt(t *testing.T) {
	for _, tt := range []struct {
		message                       string
		requests, tokens, concurrency bool
	}{
		{"Rate limit reached for m on requests per min (RPM): Limit 3", true, false, false},
		{"Rate limit reached for m on tokens per min (TPM): Limit 30000", false, true, false},
		{"would exceed your rate limit of 40,000 input tokens per minute", false, true, false},
		{"too many concurrent requests", false, false, true},
		{"slow down", true, false, false},
		{"insufficient_quota: check your plan and billing details", false, false, false},
	} {
		t.Run(tt.message, func(t *testing.T) {
			in(t, func(t *testing.T) {
				s := oneSlot()
				s.Engine.Pools[0].Limits.Concurrency, s.Engine.Pools[0].Learn = 100, true
				b := newBench(t, s)
				before := b.source("memory", "latency").Concurrency
				for range 20 {
					b.run(call{unary: true, answers: []filtertest.Answer{document(40, 7)}})
					time.Sleep(time.Second)
				}
				b.run(call{unary: true, answers: []filtertest.Answer{failure(429, tt.message)}})
				learnt, after := b.source("memory", "learnt"), b.source("memory", "latency").Concurrency
				if (learnt.Requests > 0) != tt.requests || (learnt.Tokens > 0) != tt.tokens || (after < before) != tt.concurrency {
					t.Errorf("learnt %+v, concurrency %d from %d", learnt, after, before)
				}
				b.idle()
			})
		})
	}
}

// A refusal before anything has passed says nothing of a rate.
func TestFirstRefusal(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t, Settings{})
		b.run(call{unary: true, answers: []filtertest.Answer{failure(429, "slow down", [2]string{"Retry-After", "2"})}})
		if got := b.source("memory/team/m", "learnt"); got != (ratelimit.Limits{}) {
			t.Errorf("learnt %+v", got)
		}
		if r := b.run(call{unary: true, answers: []filtertest.Answer{document(1, 1)}}); r.waited != 2*time.Second {
			t.Errorf("waited %v for a Retry-After of 2 s", r.waited)
		}
	})
}

// An error event in a stream that began well is a refusal too.
func TestErrorEvent(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t, Settings{})
		for range 10 {
			b.run(call{unary: true, answers: []filtertest.Answer{document(40, 7)}})
			time.Sleep(time.Second)
		}
		b.run(call{answers: []filtertest.Answer{{Stream: true, Body: []byte(chunk(opening) + chunk(`{"error":{"message":"too fast","type":"rate_limit_error","code":"rate_limit_exceeded"}}`))}}})
		if got := b.source("memory/team/m", "learnt"); got.Requests == 0 {
			t.Errorf("learnt %+v", got)
		}
		b.idle()
	})
}
