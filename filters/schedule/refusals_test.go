package schedule

import (
	"fmt"
	"testing"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/filters/filtertest"
	"github.com/trapgate/trapgate/internal/wire"
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
		{"Rate limit reached on requests per min. Visit https://platform.openai.com/account/billing to add a payment method", true, false, false},
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

// Without money no rate would help: type and code say so.
func TestNoMoney(t *testing.T) {
	for _, field := range []string{"type", "code"} {
		for _, word := range []string{"insufficient_quota", "billing_error", "billing_hard_limit_reached", "billing_not_active"} {
			for _, shown := range []bool{true, false} {
				in(t, func(t *testing.T) {
					b := newBench(t, oneSlot())
					for range 20 {
						b.run(call{unary: true, answers: []filtertest.Answer{document(40, 7)}})
						time.Sleep(time.Second)
					}
					refused := failure(429, "requests per min")
					refused.Body = fmt.Appendf(nil, `{"error":{"message":"requests per min",%q:%q}}`, field, word)
					if shown {
						b.run(call{unary: true, answers: []filtertest.Answer{refused}})
					} else {
						b.close(answered{refused})
					}
					if got := b.source("memory", "learnt"); got != (ratelimit.Limits{}) {
						t.Errorf("%s %s, shown %t: learnt %+v", field, word, shown, got)
					}
					b.idle()
				})
			}
		}
	}
}

// answered is the cause of an attempt whose answer no filter was shown.
type answered struct{ filtertest.Answer }

func (answered) Error() string { return "again" }

func (a answered) Answered() (status int, fields filters.Fields, body []byte) {
	for _, f := range a.Fields {
		fields = append(fields, filters.Field{Name: []byte(f[0]), Value: []byte(f[1])})
	}
	return a.Status, fields, a.Body
}

// close runs an attempt that ends so.
func (b *bench) close(cause error) {
	b.Helper()
	x := b.exchange(`{"model":"m","messages":[]}`)
	s, err := b.f.Open(b.Context(), x)
	if err != nil {
		b.Fatal(err)
	}
	s.Close(cause)
}

// exchange is one of the tenant "team", for tests that are their own host.
func (b *bench) exchange(body string) *filters.Exchange {
	b.Helper()
	return &filters.Exchange{
		ID: fmt.Sprintf("x%d", b.n.Add(1)), Route: wire.Route{Dialect: wire.Chat, Op: wire.Generate}, View: view(b, wire.Chat, body),
		Answer: &wire.Answer{}, Identity: filters.Identity{Tenant: "team"}, Attempt: filters.Attempt{Upstream: "memory", Model: "m"},
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

// Who is refused for a credential of its own does not keep all tenants of a configured pool away for long.
func TestRefusalOfAnAgentsCredential(t *testing.T) {
	for _, tt := range []struct {
		name       string
		upstream   string
		status     int
		credential filters.Credential
		told       string
		want       time.Duration
	}{
		{"an agent's", "memory", 429, filters.AgentsCredential, "3600", 5 * time.Second},
		{"an agent's, for a moment", "memory", 429, filters.AgentsCredential, "2", 2 * time.Second},
		{"ours", "memory", 429, filters.OurCredential, "3600", time.Hour},
		{"an agent's, in the tenant's own pool", "other", 429, filters.AgentsCredential, "3600", time.Hour},
		{"an agent's, of an upstream that is overloaded", "memory", 529, filters.AgentsCredential, "60", time.Minute},
	} {
		in(t, func(t *testing.T) {
			b := newBench(t, oneSlot())
			m := filtertest.Memory{Credential: tt.credential, Upstreams: []string{tt.upstream}}
			b.run(call{unary: true, memory: m, answers: []filtertest.Answer{failure(tt.status, "slow down", [2]string{"Retry-After", tt.told})}})
			pool := tt.upstream
			if pool == "other" {
				pool = "other/team/m"
			}
			if got := b.engine.Pool(pool).Paused(); got != tt.want {
				t.Errorf("%s: paused for %v, want %v", tt.name, got, tt.want)
			}
			b.idle()
		})
	}
}

// The call that was refused stays away for as long as it was told, at that upstream, while others go.
func TestTheRefusedStaysAway(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t, oneSlot())
		refused := func() *filters.Exchange {
			x := b.exchange(`{"model":"m","messages":[]}`)
			s, err := b.f.Open(t.Context(), x)
			if err != nil {
				t.Fatal(err)
			}
			s.Close(answered{failure(429, "slow down", [2]string{"retry-after", "60"})})
			return x
		}
		first, hasty, other := refused(), refused(), refused() // each waits for the pause that the one before has made
		hasty.Fields = filters.Fields{{Name: []byte("x-stainless-read-timeout"), Value: []byte("20")}}
		hasty.Start = time.Now()
		if reply := filters.AsReply(second(b.f.Open(t.Context(), hasty))); reply == nil || reply.Code != "wait_too_long" || !reply.Local || reply.RetryAfter < 55*time.Second { // 5 s were over
			t.Errorf("%+v", reply)
		}
		if r := b.run(call{unary: true, answers: []filtertest.Answer{document(1, 1)}}); r.waited != 5*time.Second {
			t.Errorf("another call waited %v", r.waited)
		}
		first.Waited, other.Waited = 0, 0
		other.Attempt.Upstream = "elsewhere"
		s, err := b.f.Open(t.Context(), other)
		if err != nil || other.Waited != 0 {
			t.Fatalf("waited %v at another upstream: %v", other.Waited, err)
		}
		s.Close(nil)
		s, err = b.f.Open(t.Context(), first)
		if err != nil || first.Waited != 45*time.Second { // 15 s were over
			t.Fatalf("waited %v: %v", first.Waited, err)
		}
		s.Close(nil)
		b.idle()
	})
}

func second(_ filters.Stream, err error) error { return err }

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
