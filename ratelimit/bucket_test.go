package ratelimit

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Invariant 8: what is admitted in any window, as it was really used, stays under the burst, the rate times the window, and what
// the estimates in flight were too low by. A call larger than the burst goes when the bucket is full, which may have saved for
// one such call before, and leaves a debt for another.
func TestBucketWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tpm := int64(rapid.SampledFrom([]int{6000, 60000}).Draw(t, "tpm"))
		bed := newBed(nil, Config{}, PoolConfig{Limits: Limits{Tokens: tpm}})
		burst, rate := float64(tpm)/10, float64(tpm)/60
		type use struct {
			at     time.Time
			amount float64 // really used
			under  float64 // by which the estimate was too low
			over   float64 // by which the call was larger than the burst
		}
		var uses []use
		run := func(x *Ticket, err error) {
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			real := float64(x.Call.Input) + float64(x.Call.KV)
			est := float64(x.Call.Input + x.est)
			uses = append(uses, use{bed.clock.now, real, max(0, real-est), max(0, est-burst)})
			bed.clock.after(time.Duration(x.Call.KV)*time.Millisecond, func() {
				x.Settle(Usage{Input: x.Call.Input, Output: x.Call.KV})
				x.Release()
			})
		}
		for range rapid.IntRange(5, 60).Draw(t, "calls") {
			x := &Ticket{Call: Call{
				Tenant: "t", Input: int64(rapid.IntRange(1, 900).Draw(t, "in")), MaxOutput: int64(rapid.IntRange(1, 600).Draw(t, "est")),
				KV: int64(rapid.IntRange(1, 600).Draw(t, "real")), // what it will really put out
			}}
			x.Ready = run
			if ok, err := bed.p.Submit(x); ok || err != nil {
				run(x, err)
			}
			bed.clock.advance(time.Duration(rapid.IntRange(0, 3000).Draw(t, "gap")) * time.Millisecond)
		}
		bed.clock.advance(time.Hour)
		for i := range uses {
			sum, under, over := 0.0, 0.0, 0.0
			for _, u := range uses[i:] {
				sum, under, over = sum+u.amount, under+u.under, max(over, u.over)
				window := u.at.Sub(uses[i].at).Seconds()
				if bound := burst + rate*window + under + 2*over; sum > bound+1e-3 {
					t.Fatalf("%.0f in %.3f s, bound %.0f", sum, window, bound)
				}
			}
		}
		if len(uses) == 0 {
			t.Fatalf("nobody went")
		}
		bed.wantNothing(t)
	})
}

func (b *bed) wantNothing(t *rapid.T) {
	if st := b.p.State(); st.Queued != 0 || st.Inflight != 0 || st.Reserved != 0 {
		t.Fatalf("left: %+v", st)
	}
}

// Work that uses nothing of what the head waits for may pass it; work that would delay it may not.
func TestBackfill(t *testing.T) {
	for _, c := range []struct {
		name string
		next Call
		slot int // concurrency
		pass bool
	}{
		{"needs the same tokens", Call{Input: 10, MaxOutput: 10}, 0, false},
		{"needs none of them", Call{Input: 10}, 0, true},
		{"needs none of them, but the last slot", Call{Input: 10}, 2, false},
		{"needs more of the other than will be back", Call{Input: 900}, 0, false},
	} {
		bed := newBed(t, Config{}, PoolConfig{Limits: Limits{Input: 6000, Output: 6000, Concurrency: c.slot}})
		bed.call(Call{Exchange: "first", Input: 100, MaxOutput: 600})
		head := bed.call(Call{Exchange: "head", Input: 500, MaxOutput: 60, Program: "head"})
		c.next.Exchange, c.next.Program = "next", "next"
		next := bed.call(c.next)
		if got := next.state == granted; got != c.pass {
			t.Errorf("%s: passed: %v", c.name, got)
		}
		due := bed.clock.now.Add(600 * time.Millisecond) // 60 of 6,000 a minute
		bed.clock.advance(time.Minute)
		if d := head.went.Sub(due); math.Abs(d.Seconds()) > 1e-6 {
			t.Errorf("%s: the head went %s late", c.name, d)
		}
	}
}
