package ratelimit

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/trapgate/trapgate/ratelimit/limit"
)

var wide = PoolConfig{Limits: Limits{Concurrency: 1000, Tokens: 6_000_000, Requests: 600_000}}

func unshared() Loan {
	return Loan{Requests: Unbounded, Tokens: Unbounded, Input: Unbounded, Output: Unbounded, Slots: -1}
}

// TestLoan: a pool spends what is lent and what comes in by the minute, and nothing else.
func TestLoan(t *testing.T) {
	b := newBed(t, Config{}, wide)
	l := unshared()
	l.Tokens = Allowance{Left: 250, PerMinute: 600, Depth: 100}
	b.p.Lend(l)
	for i := range 30 {
		finish(b.call(Call{Exchange: fmt.Sprint(i), Tenant: "a", Input: 100}))
	}
	if len(b.went) != 2 {
		t.Fatalf("at once %d calls went, want 2", len(b.went))
	}
	b.clock.advance(time.Minute)
	if n := len(b.went); n != 8 {
		t.Errorf("after a minute %d calls of 100 have gone, want 8: 250 at once, and 600 tokens a minute", n)
	}
	l.Tokens.Left = -300
	b.p.Lend(l)
	was := len(b.went)
	b.clock.advance(39 * time.Second)
	if len(b.went) != was {
		t.Errorf("a debt of 300 and 100 more were there after %v", 39*time.Second)
	}
	b.clock.advance(2 * time.Second)
	if len(b.went) != was+1 {
		t.Errorf("%d calls went, want the one that 41 s pay for", len(b.went)-was)
	}
	b.p.Lend(unshared())
	if len(b.went) != 30 {
		t.Errorf("%d calls went once nothing was shared any more", len(b.went))
	}
}

// TestLoanLargeCall: one that is larger than the depth goes when the depth is there, and is paid for afterwards.
func TestLoanLargeCall(t *testing.T) {
	b := newBed(t, Config{}, wide)
	l := unshared()
	l.Tokens = Allowance{Left: 50, PerMinute: 600, Depth: 100}
	b.p.Lend(l)
	finish(b.call(Call{Exchange: "large", Tenant: "a", Input: 1000}))
	b.clock.advance(6 * time.Second)
	if len(b.went) != 1 {
		t.Fatal("the large call did not go when the depth was there")
	}
	finish(b.call(Call{Exchange: "next", Tenant: "a", Input: 10}))
	b.clock.advance(85 * time.Second)
	if len(b.went) != 1 {
		t.Error("the next went before the large one was paid for")
	}
	b.clock.advance(10 * time.Second)
	if len(b.went) != 2 {
		t.Error("the next did not go")
	}
}

// TestLoanAgainstHeaders: what a response tells counts until the next loan, and a loan is never taken for a limit that was
// told, nor for a fixed window.
func TestLoanAgainstHeaders(t *testing.T) {
	b := newBed(t, Config{}, wide)
	fixed := func(left float64, reset time.Duration) limit.Observation {
		q := limit.Quota{HasLimit: true, HasRemaining: true, HasReset: true, Limit: 1000, Remaining: left, Reset: reset}
		return limit.Observation{Known: true, Tokens: q}
	}
	x := b.call(Call{Exchange: "x", Tenant: "a", Input: 1})
	x.Sync(fixed(900, 50*time.Second))
	b.clock.advance(10 * time.Second)
	x.Sync(fixed(500, 40*time.Second)) // the reset stays where it is: a fixed window
	finish(x)
	l := unshared()
	l.Tokens = Allowance{Left: 0, PerMinute: 600, Depth: 100}
	b.p.Lend(l)
	finish(b.call(Call{Exchange: "y", Tenant: "a", Input: 100}))
	if len(b.went) != 1 {
		t.Fatal("went without a loan")
	}
	b.clock.advance(11 * time.Second)
	if len(b.went) != 2 {
		t.Error("a loan was taken for a fixed window: it did not grow")
	}
	z := b.call(Call{Exchange: "z", Tenant: "a", Input: 1})
	b.p.Lend(l)
	z.Sync(fixed(800, 40*time.Second)) // older than the loan
	if got := b.p.State().Sources[fromHeaders]; got.Tokens != 0 {
		t.Errorf("the loan was taken for a limit: %+v", got)
	}
	z.Done()
	for i := range 200 { // loans that fall quickly, one after the other
		l.Tokens.Left = -float64(i * 100)
		b.p.Lend(l)
		b.clock.advance(100 * time.Millisecond)
	}
	l.Tokens.Left = 0
	b.p.Lend(l)
	finish(b.call(Call{Exchange: "w", Tenant: "a", Input: 100}))
	b.clock.advance(11 * time.Second)
	if b.went[len(b.went)-1] != "w" {
		t.Error("w did not go")
	}
}

// TestLoanOfSlots: no slot is less than one, and what runs goes on.
func TestLoanOfSlots(t *testing.T) {
	b := newBed(t, Config{}, wide)
	l := unshared()
	l.Slots = 2
	b.p.Lend(l)
	var live []*Ticket
	for i := range 5 {
		live = append(live, b.call(Call{Exchange: fmt.Sprint(i), Tenant: "a"}))
	}
	if len(b.went) != 2 {
		t.Fatalf("%d went with two slots", len(b.went))
	}
	l.Slots = 0
	b.p.Lend(l)
	b.p.Lend(l)
	if got := b.p.Load(nil, 10); got.Inflight != 2 || got.Queued != 3 {
		t.Errorf("%+v", got)
	}
	finish(live[0])
	finish(live[1])
	if len(b.went) != 2 {
		t.Fatalf("%d went without a slot", len(b.went))
	}
	l.Slots = 1
	b.p.Lend(l)
	if len(b.went) != 3 {
		t.Fatalf("%d went with one slot", len(b.went))
	}
	b.p.Lend(unshared())
	if len(b.went) != 5 {
		t.Fatalf("%d went when nothing is shared", len(b.went))
	}
	for _, x := range live[2:] {
		finish(x)
	}
	b.wantEmpty()
}

// TestLoad: what is spent, and what is wanted.
func TestLoad(t *testing.T) {
	b := newBed(t, Config{Tenants: []TenantConfig{{Name: "a", Weight: 3}}}, PoolConfig{
		Limits: Limits{Concurrency: 1, Tokens: 6_000_000}, Rules: limit.Rules{CachedFree: true},
	})
	x := b.call(Call{Exchange: "x", Tenant: "a", Input: 100, Cached: 40, MaxOutput: 10})
	b.call(Call{Exchange: "y", Tenant: "b", Input: 7, MaxOutput: 5})
	got := b.p.Load(nil, 10)
	if got.Requests != 1 || got.Tokens != 70 || got.Input != 60 || got.Output != 10 || got.Inflight != 1 || got.Queued != 1 || got.Head != (Needs{12, 7, 5}) {
		t.Errorf("%+v", got)
	}
	if len(got.Tenants) != 2 || len(b.p.Load(nil, 1).Tenants) != 1 {
		t.Errorf("%+v", got.Tenants)
	}
	for _, tenant := range got.Tenants {
		want := map[string]TenantLoad{"a": {"a", 3, 0, 1, 80}, "b": {"b", 1, 1, 0, 0}}[tenant.Name]
		if tenant != want {
			t.Errorf("%+v, want %+v", tenant, want)
		}
	}
	if n := b.p.Counted(Usage{Input: 50, Cached: 20, Output: 8}); n != (Needs{38, 30, 8}) {
		t.Errorf("counted %+v", n)
	}
	x.Refund()
	if got := b.p.Load(nil, 0); got.Tokens != 0 {
		t.Errorf("a refund leaves %v", got.Tokens)
	}
	x.Release()
}

// TestLoanWeights: the parts of a loan are the weights, in the scale of the configured ones.
func TestLoanWeights(t *testing.T) {
	b := newBed(t, Config{}, PoolConfig{Limits: Limits{Concurrency: 1}})
	l := unshared()
	for i := range 400 {
		for _, tenant := range []string{"a", "b", "c"} {
			c := Call{Exchange: tenant, Tenant: tenant, Input: 100, Program: fmt.Sprint(tenant, i)}
			x := &Ticket{Call: c, Ready: func(x *Ticket, _ error) {
				b.went = append(b.went, x.Call.Exchange)
				b.clock.after(0, func() { finish(x) })
			}}
			if ok, _ := b.p.Submit(x); ok {
				x.Ready(x, nil)
			}
		}
	}
	l.Weights = map[string]float64{"a": 300, "b": 100}
	b.p.Lend(l)
	for len(b.went) < 300 && b.clock.step(b.clock.now.Add(time.Second)) {
	}
	n := map[string]float64{}
	for _, name := range b.went[:300] {
		n[name]++
	}
	if math.Abs(n["a"]/n["b"]-3) > .1 || math.Abs(n["c"]-100) > 3 {
		t.Errorf("went %v, want a 3 : b 1, and c, which the loan does not name, its third", n)
	}
}
