package ratelimit

import (
	"fmt"
	"testing"
	"time"
)

// calls lets n calls go, one after another, that each use so many tokens.
func (b *bed) calls(n int, every time.Duration, used int64) {
	for i := range n {
		t := b.call(Call{Exchange: fmt.Sprint(i), Tenant: "a", Input: 100, MaxOutput: 900})
		t.Settle(Usage{Input: 100, Output: used - 100})
		t.Release()
		b.clock.advance(every)
	}
}

// refuse lets a call go that is refused.
func (b *bed) refuse(r Refusal) {
	t := b.call(Call{Exchange: "refused", Tenant: "a", Input: 100, MaxOutput: 900})
	t.Throttled(r)
	t.Refund()
	t.Release()
}

// A refusal before anything has passed makes a pause, of which each further one is longer, and no limit.
func TestRefusedAtOnce(t *testing.T) {
	b := newBed(t, Config{}, PoolConfig{})
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		b.refuse(Refusal{})
		if got := b.p.pause.Sub(b.clock.now); got != want*time.Second || b.p.limits != (Limits{}) {
			t.Fatalf("a pause of %v, limits %+v; want %d s and none", got, b.p.limits, want)
		}
		b.clock.advance(time.Minute)
	}
	b.refuse(Refusal{RetryAfter: 7 * time.Second})
	if got := b.p.pause.Sub(b.clock.now); got != 7*time.Second {
		t.Errorf("a pause of %v, told 7 s", got)
	}
	b.clock.advance(time.Minute)
	b.calls(1, time.Hour, 1000)
	b.refuse(Refusal{})
	if got := b.p.pause.Sub(b.clock.now); got != time.Second {
		t.Errorf("a pause of %v after a call that went well", got)
	}
}

// What is still unanswered when the first refusal comes has not passed.
func TestRefusedBurst(t *testing.T) {
	b := newBed(t, Config{}, PoolConfig{})
	var all []*Ticket
	for i := range 50 {
		all = append(all, b.call(Call{Exchange: fmt.Sprint(i), Tenant: "a"}))
	}
	for _, x := range all {
		x.Throttled(Refusal{})
		x.Refund()
		x.Release()
	}
	if b.p.limits != (Limits{}) {
		t.Errorf("learnt %+v", b.p.limits)
	}
}

// A learnt token rate is of what was used, as the buckets count, and not of what was reserved.
func TestLearntTokensAreUsedOnes(t *testing.T) {
	b := newBed(t, Config{}, PoolConfig{})
	b.calls(60, time.Second, 200)
	b.refuse(Refusal{Tokens: true})
	if got := b.p.limits.Tokens; got < 0.6*12_000 || got > 0.75*12_000 {
		t.Errorf("learnt %d tokens a minute of 12,000 used", got)
	}
}

// Of the two learners that an overload may mean, one learns: that of concurrency where there is one.
func TestOneLearns(t *testing.T) {
	for _, on := range []bool{true, false} {
		b := newBed(t, Config{}, PoolConfig{Learn: on})
		b.calls(60, time.Second, 200)
		before := b.p.limits.Concurrency
		b.refuse(Refusal{Overload: true})
		after := b.p.limits
		if slots, rate := after.Concurrency < before, after.Requests > 0 || after.Tokens > 0; slots != on || rate == on {
			t.Errorf("learn %t: %+v, concurrency was %d", on, after, before)
		}
	}
}

// However a call ends, the learner of tokens knows what it came to.
func TestTokensOfEveryEnding(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(x *Ticket)
		want int64
	}{
		{"settled", func(x *Ticket) { x.Settle(Usage{Input: 100, Output: 100}) }, 200},
		{"aborted", func(x *Ticket) { x.FirstByte(); x.Abort(Usage{Input: 100, Output: 100}) }, 200},
		{"refunded", func(x *Ticket) { x.Refund() }, 0},
		{"kept", func(x *Ticket) { x.Keep(); x.Drop() }, 0},
		{"unused", func(x *Ticket) { x.Unused() }, 0},
	} {
		b := newBed(t, Config{}, PoolConfig{})
		b.calls(60, time.Second, 200)
		for range 60 {
			x := b.call(Call{Exchange: "x", Tenant: "a", Input: 100, MaxOutput: 900})
			tt.end(x)
			x.Release()
		}
		b.refuse(Refusal{Tokens: true})
		want := 0.7 * float64(60*(200+tt.want))
		if got := float64(b.p.limits.Tokens); got < 0.85*want || got > 1.15*want {
			t.Errorf("%s: learnt %v tokens a minute, want %v", tt.name, got, want)
		}
	}
}

// Refusals for a moment, of one call in ten, make pauses and no rate; of most calls they do make one.
func TestHastyRefusals(t *testing.T) {
	const each = 3 * time.Millisecond
	for _, tokens := range []bool{false, true} {
		for _, passes := range []int{9, 0} {
			b := newBed(t, Config{}, PoolConfig{})
			b.calls(60, time.Second, 200)
			for range 100 {
				b.calls(passes, time.Millisecond, 200)
				b.refuse(Refusal{RetryAfter: each, Tokens: tokens})
				if got := b.p.pause.Sub(b.clock.now); got != each {
					t.Fatalf("a pause of %v, told %v", got, each)
				}
				b.clock.advance(each)
				if passes == 0 && b.p.limits != (Limits{}) {
					break
				}
			}
			if learnt := b.p.limits != (Limits{}); learnt != (passes == 0) {
				t.Errorf("tokens %t, %d pass before each refusal: learnt %+v", tokens, passes, b.p.limits)
			}
		}
	}
}
