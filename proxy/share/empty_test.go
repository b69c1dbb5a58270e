package share

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/lease"
)

// An outage is a store that goes away and comes back empty, as a Redis without persistence does.
type outage struct {
	flaky
	memory *lease.Memory
}

func newOutage() *outage {
	m := lease.NewMemory(time.Now)
	return &outage{flaky: flaky{Store: m}, memory: m}
}

func (o *outage) begin() { o.away.Store(true) }
func (o *outage) end()   { o.memory.Forget(); o.away.Store(false) }

func sharing(store lease.Store, sidecars int) func(*Options) {
	return func(o *Options) { o.Store, o.Sidecars = store, sidecars }
}

// TestEmptyStore: two sidecars use a budget up while the store is away, so that calls are refused, and go on when it is back and
// has forgotten all. What they have used by themselves is known to it then.
func TestEmptyStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, each = 4000, 161
		store := newOutage()
		var ms []*member
		for range 2 {
			ms = append(ms, join(t, t.TempDir(), daily(limit), ratelimit.Config{}, sharing(store, 2)))
		}
		var spent atomic.Int64
		round := func(n int) {
			for range n {
				for _, m := range ms {
					if m.spend("a", each) == nil {
						spent.Add(each)
					}
				}
				time.Sleep(250 * time.Millisecond)
			}
		}
		round(6)
		store.begin()
		time.Sleep(7 * time.Second)
		round(12)
		alone := spent.Load()
		store.end()
		time.Sleep(time.Second)
		round(12)
		time.Sleep(time.Minute)
		round(12)
		if n := spent.Load(); n > limit || n < limit*95/100 || alone < limit*9/10 {
			t.Errorf("spent %d of %d, %d of it before the store was back", n, limit, alone)
		}
		for _, m := range ms {
			t.Logf("%+v", m.State().Leases)
			m.close()
		}
	})
}

// TestLimitChanges: a budget's lease lives on when its limit is changed, and what was used of it counts.
func TestLimitChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := join(t, t.TempDir(), daily(1000), ratelimit.Config{}, sharing(lease.NewMemory(time.Now), 1))
		spend := func(n int) (ok int) {
			for range n {
				if m.spend("a", 100) == nil {
					ok++
				}
			}
			return ok
		}
		if n := spend(12); n != 10 {
			t.Errorf("%d of 1000", n)
		}
		if err := m.budgets.Swap(daily(1500)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if n := spend(12); n != 5 {
			t.Errorf("%d of 500 more", n)
		}
		if err := m.budgets.Swap(daily(1200)); err != nil {
			t.Fatal(err)
		}
		if n := spend(3); n != 0 {
			t.Errorf("%d of less than nothing", n)
		}
		m.close()
	})
}

// TestRestartWithStore: sidecars and their store end together. What was used is written down by each sidecar alone.
func TestRestartWithStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, each = 4000, 100
		store := lease.NewMemory(time.Now)
		dirs := []string{t.TempDir(), t.TempDir()}
		spent := 0
		for _, rounds := range []int{10, 3, 30} {
			var ms []*member
			for _, dir := range dirs {
				ms = append(ms, join(t, dir, daily(limit), ratelimit.Config{}, sharing(store, 2)))
			}
			for range rounds {
				for _, m := range ms {
					if m.spend("a", each) == nil {
						spent += each
					}
				}
				time.Sleep(250 * time.Millisecond)
			}
			for _, m := range ms {
				m.close()
			}
			if rounds != 10 { // the second start finds the store as it was
				store.Forget()
			}
		}
		if spent > limit || spent < limit*95/100 {
			t.Errorf("spent %d of %d", spent, limit)
		}
	})
}
