package ratelimit

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestOrders(t *testing.T) {
	calls := []Call{
		{Exchange: "a1", Tenant: "a", Agent: "x", Program: "1", Input: 100},
		{Exchange: "a2", Tenant: "a", Agent: "x", Program: "1", Input: 100},
		{Exchange: "a3", Tenant: "a", Agent: "x", Program: "2", Input: 100},
		{Exchange: "b1", Tenant: "b", Agent: "y", Program: "3", Input: 100},
		{Exchange: "h1", Tenant: "a", Agent: "z", Program: "4", Input: 100, Class: "high"},
	}
	for policy, want := range map[Policy]string{
		FIFO:     "a1 a2 a3 b1 h1",
		Priority: "h1 a1 a2 a3 b1",
		Fair:     "a1 h1 b1 a2 a3", // classes share, then tenants
		Program:  "a1 h1 b1 a3 a2", // program 2 has attained less than program 1 by then
	} {
		bed := newBed(t, Config{Classes: []ClassConfig{{Name: "high"}}}, PoolConfig{Policy: policy, Limits: Limits{Concurrency: 1}})
		first := bed.call(Call{Exchange: "0", Tenant: "z", Program: "0"})
		var all []*Ticket
		for _, c := range calls {
			bed.clock.advance(time.Millisecond)
			all = append(all, bed.call(c))
		}
		finish(first)
		for range all {
			for _, x := range all {
				if x.state == granted {
					finish(x)
					break
				}
			}
		}
		if got := strings.Join(bed.went[1:], " "); got != want {
			t.Errorf("%s: %s, want %s", policy, got, want)
		}
		bed.wantEmpty()
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name  string
		queue QueueConfig
		last  Call
		want  Reason
	}{
		{"pool, calls", QueueConfig{Calls: 2}, Call{Tenant: "n", Program: "n"}, QueueFull},
		{"pool, bytes", QueueConfig{Bytes: 250}, Call{Tenant: "n", Program: "n", Bytes: 100}, QueueFull},
		{"tenant, calls", QueueConfig{TenantCalls: 2}, Call{Tenant: "a", Program: "n"}, TenantFull},
		{"tenant, bytes", QueueConfig{TenantBytes: 250}, Call{Tenant: "a", Program: "n", Bytes: 100}, TenantFull},
		{"another tenant", QueueConfig{TenantCalls: 2}, Call{Tenant: "n", Program: "n"}, ""},
		{"flow", QueueConfig{FlowCalls: 2}, Call{Tenant: "a", Program: "p"}, FlowFull},
		{"another flow", QueueConfig{FlowCalls: 2}, Call{Tenant: "a", Program: "n"}, ""},
		{"refill later than its patience", QueueConfig{}, Call{Tenant: "n", Input: 60_000, Timeout: time.Second}, WaitTooLong},
		{"refill sooner", QueueConfig{}, Call{Tenant: "n", Input: 100, Timeout: time.Minute}, ""},
	} {
		bed := newBed(t, Config{Queue: c.queue}, PoolConfig{Limits: Limits{Concurrency: 1, Tokens: 60_000}})
		bed.call(Call{Tenant: "a", Program: "p", Input: 12_000}) // empties the bucket
		for range 2 {
			bed.call(Call{Tenant: "a", Program: "p", Bytes: 100})
		}
		bed.call(c.last)
		got := Reason("")
		if len(bed.seen) > 0 {
			got = bed.seen[0].Reason
			if need := bed.p.set.RefillAt(bed.clock.now, (&Ticket{Call: c.last}).need).Sub(bed.clock.now); bed.seen[0].RetryAfter < need {
				t.Errorf("%s: retry after %s, refilled in %s", c.name, bed.seen[0].RetryAfter, need)
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestPredictedWait(t *testing.T) {
	bed := newBed(t, Config{Policy: FIFO}, PoolConfig{Limits: Limits{Concurrency: 1}})
	var last *Ticket
	for i := range 60 {
		x := bed.call(Call{Exchange: fmt.Sprint(i), Input: 100})
		if i == 0 {
			last = x
		}
	}
	for range 20 { // 100 a second
		bed.clock.advance(time.Second)
		x := last
		finish(x)
		last = bed.p.live.first()
	}
	bed.call(Call{Exchange: "patient", Input: 100, Timeout: time.Minute})
	bed.call(Call{Exchange: "impatient", Input: 100, Timeout: 10 * time.Second})
	if len(bed.seen) != 1 || bed.seen[0].Reason != WaitTooLong {
		t.Fatalf("refused %v", bed.seen)
	}
	if d := bed.seen[0].RetryAfter; d < 35*time.Second || d > 45*time.Second {
		t.Errorf("retry after %s, want about 40 s", d)
	}
}

func TestDeadline(t *testing.T) {
	bed := newBed(t, Config{}, PoolConfig{Limits: Limits{Concurrency: 1}})
	first := bed.call(Call{Exchange: "first"})
	short := bed.call(Call{Exchange: "short", Timeout: time.Second})
	long := bed.call(Call{Exchange: "long", Timeout: time.Minute})
	bed.clock.advance(time.Second)
	if len(bed.seen) != 1 || bed.seen[0].Reason != Expired || short.Cancel() {
		t.Fatalf("refused %v", bed.seen)
	}
	finish(first)
	if long.state != granted || len(bed.seen) != 1 {
		t.Fatalf("the other one: %d, %v", long.state, bed.seen)
	}
	finish(long)
	bed.wantEmpty()
}

// A repeat takes the place of what it repeats, once, and only within its tenant.
func TestPlaceOfRetry(t *testing.T) {
	bed := newBed(t, Config{Policy: FIFO}, PoolConfig{Limits: Limits{Concurrency: 1}})
	first := bed.call(Call{Exchange: "0", Tenant: "a"})
	was := bed.call(Call{Exchange: "1", Tenant: "a"})
	bed.clock.advance(time.Second)
	all := []*Ticket{bed.call(Call{Exchange: "2", Tenant: "b"})}
	was.Cancel()
	bed.clock.advance(time.Second)
	all = append(all,
		bed.call(Call{Exchange: "thief", Tenant: "b", RetryOf: "1"}),
		bed.call(Call{Exchange: "retry", Tenant: "a", RetryOf: "1"}),
		bed.call(Call{Exchange: "twin", Tenant: "a", RetryOf: "1"}))
	finish(first)
	for range all {
		finish(bed.p.live.first())
	}
	if got, want := fmt.Sprint(bed.went), "[0 retry 2 thief twin]"; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
}

// The next attempt of a call keeps place and reservation: nobody takes the tokens that it had.
func TestKeptReservation(t *testing.T) {
	limits := Limits{Tokens: 6000, Concurrency: 4}
	for _, how := range []string{"keep", "refund", "drop", "elsewhere"} {
		bed := newBed(t, Config{}, PoolConfig{Limits: limits})
		a := bed.call(Call{Exchange: "a", Tenant: "t", Program: "p", Input: 600})
		rival := bed.call(Call{Exchange: "rival", Tenant: "t", Program: "q", Input: 300})
		if how == "refund" {
			a.Refund()
		} else {
			a.Keep()
		}
		a.Release()
		next := Call{Exchange: "a", Tenant: "t", Program: "p", Input: 600, Prior: a}
		switch how {
		case "drop":
			a.Drop()
		case "elsewhere":
			x := &Ticket{Call: next}
			if ok, err := bed.s.Pool("other").Submit(x); !ok {
				t.Fatal(err)
			}
			finish(x)
		}
		if got, want := rival.state == granted, how != "keep"; got != want {
			t.Errorf("%s: the rival went: %v", how, got)
		}
		if how == "elsewhere" {
			rival.Done()
			bed.wantEmpty()
			continue
		}
		b := bed.call(next)
		if got, want := b.state == granted, how == "keep"; got != want {
			t.Errorf("%s: the next attempt went at once: %v", how, got)
		}
		b.Done()
		rival.Done()
		bed.wantEmpty()
		if got := bed.p.State().Attained; got != 0 {
			t.Errorf("%s: charged %d for nothing", how, got)
		}
	}
}

func TestSettleOnce(t *testing.T) {
	bed := newBed(t, Config{}, PoolConfig{Limits: Limits{Tokens: 600_000}})
	x := bed.call(Call{Input: 1000, MaxOutput: 100})
	if got := bed.p.State().Reserved; got != 1200 {
		t.Errorf("reserved %d", got)
	}
	x.Streamed(50)
	x.Streamed(101)
	if got := bed.p.State().Reserved; got != 1000+2*164 {
		t.Errorf("reserved %d after a top-up", got)
	}
	u := Usage{Input: 1000, Cached: 900, Output: 150}
	if !x.Settle(u) || x.Settle(u) || x.Abort(u) || x.Refund() {
		t.Error("settled not once")
	}
	x.Release()
	x.Release()
	bed.wantEmpty()
	st := bed.p.State()
	if st.Attained != 100+300 {
		t.Errorf("charged %d", st.Attained)
	}
	if got, want := st.Buckets[0].Level, 60_000.0-1150; got != want {
		t.Errorf("the bucket holds %v, want %v", got, want)
	}
}

func TestAbort(t *testing.T) {
	for _, c := range []struct {
		name   string
		do     func(x *Ticket)
		charge int64
	}{
		{"error before the first byte", func(x *Ticket) { x.Refund() }, 0},
		{"error after it", func(x *Ticket) { x.FirstByte(); x.Refund() }, 1000},
		{"stream cut", func(x *Ticket) { x.Streamed(30); x.Abort(Usage{}) }, 1060},
		{"stream cut, with usage", func(x *Ticket) { x.Streamed(30); x.Abort(Usage{Input: 900, Cached: 800, Output: 40}) }, 180},
		{"agent gone while it waited for the first byte", func(x *Ticket) { x.Abort(Usage{}) }, 1000},
		{"nobody said anything", func(x *Ticket) { x.Streamed(5) }, 1010},
		{"nobody said or saw anything", func(*Ticket) {}, 0},
	} {
		bed := newBed(t, Config{}, PoolConfig{Limits: Limits{Requests: 600, Tokens: 600_000}})
		x := bed.call(Call{Input: 1000, MaxOutput: 100})
		c.do(x)
		x.Done()
		x.Done()
		bed.wantEmpty()
		st := bed.p.State()
		if st.Attained != c.charge {
			t.Errorf("%s: charged %d, want %d", c.name, st.Attained, c.charge)
		}
		if st.Buckets[0].Level != 59 {
			t.Errorf("%s: %v requests left, want 59", c.name, st.Buckets[0].Level)
		}
	}
}

func TestPauseAndLimits(t *testing.T) {
	bed := newBed(t, Config{}, PoolConfig{})
	bed.p.Pause(3 * time.Second)
	bed.p.Pause(time.Second)
	x := bed.call(Call{Exchange: "x"})
	if st := bed.p.State(); st.Blocked != ForPause || st.Until != 3*time.Second {
		t.Errorf("blocked by %q for %s", st.Blocked, st.Until)
	}
	bed.clock.advance(3 * time.Second)
	if d, cause := x.Waited(); d != 3*time.Second || cause != ForPause {
		t.Errorf("waited %s for %q", d, cause)
	}
	bed.p.SetLimits("learnt", Limits{Concurrency: 1, Tokens: 100})
	bed.p.SetLimits("headers", Limits{Concurrency: 5, Tokens: 50})
	if got, want := bed.p.Limits(), (Limits{Concurrency: 1, Tokens: 50}); got != want {
		t.Errorf("limits %+v", got)
	}
	y := bed.call(Call{Exchange: "y"})
	bed.p.SetLimits("learnt", Limits{})
	if y.state != granted {
		t.Error("a higher limit lets nobody go")
	}
}

// A new configuration, another policy even, loses nobody and no ledger.
func TestReconfigure(t *testing.T) {
	bed := newBed(t, Config{}, PoolConfig{Policy: Program, Limits: Limits{Concurrency: 1}})
	first := bed.call(Call{Exchange: "0", Tenant: "a", Input: 100})
	var all []*Ticket
	for i := range 6 {
		bed.clock.advance(time.Millisecond)
		all = append(all, bed.call(Call{Exchange: fmt.Sprint(i + 1), Tenant: string(rune('a' + i%2)), Program: fmt.Sprint(i)}))
	}
	for _, policy := range []Policy{Fair, Priority, Program, FIFO} {
		bed.s.Reconfigure(Config{Pools: []PoolConfig{{Name: "up", Policy: policy, Limits: Limits{Concurrency: 1}}}, Tenants: []TenantConfig{{"a", 9}}})
		checkPool(t, bed.p)
		if st := bed.p.State(); st.Queued != 6 || st.Inflight != 1 || st.Reserved != 100 || st.Attained != 100 {
			t.Fatalf("%s: queued %d, in flight %d, reserved %d, charged %d", policy, st.Queued, st.Inflight, st.Reserved, st.Attained)
		}
	}
	finish(first)
	for range all {
		finish(bed.p.live.first())
	}
	if want := []string{"0", "1", "2", "3", "4", "5", "6"}; !slices.Equal(bed.went, want) {
		t.Errorf("order %v", bed.went)
	}
	bed.wantEmpty()
}
