package lease_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trapgate/trapgate/ratelimit/lease"
	"github.com/trapgate/trapgate/ratelimit/lease/leasetest"
)

// flaky is a store that can be away.
type flaky struct {
	lease.Store
	away atomic.Bool
}

var errAway = errors.New("away")

func (f *flaky) Exchange(ctx context.Context, r []lease.Report) ([]lease.Grant, error) {
	if f.away.Load() {
		return nil, errAway
	}
	return f.Store.Exchange(ctx, r)
}

// four runs four sidecars for d and returns what they spent. Call in a bubble.
func four(
	t *testing.T, store lease.Store, r lease.Resource, loads [][]leasetest.Load, cost int64, d time.Duration,
) ([]leasetest.Log, []lease.Counters) {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	var wg sync.WaitGroup
	sidecars := make([]*leasetest.Sidecar, len(loads))
	for i := range loads {
		c := lease.New(store, lease.Options{Holder: fmt.Sprint("sidecar", i)})
		s, err := leasetest.NewSidecar(c, r, time.Second, began, uint64(i), loads[i])
		if err != nil {
			t.Fatal(err)
		}
		sidecars[i] = s
		wg.Go(func() { _ = c.Run(ctx) })
		wg.Go(func() { s.Run(ctx, cost) })
	}
	wg.Wait()
	var logs []leasetest.Log
	var counters []lease.Counters
	for _, s := range sidecars {
		logs = append(logs, leasetest.Log{Spends: s.Spends(), Arrivals: s.Arrivals()})
		counters = append(counters, s.Lease.Counters())
	}
	return logs, counters
}

func TestRateFigures(t *testing.T) {
	for _, c := range []struct {
		cost int64 // mean; the limit is 1,000 a second
		half time.Duration
	}{{20, time.Minute}, {100, 3 * time.Minute}, {1000, 12 * time.Minute}} {
		t.Run(fmt.Sprint(c.cost), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { rateFigures(t, c.cost, c.half) })
		})
	}
}

// rateFigures measures two phases of length half with different demands, then a minute without the store, which comes back
// empty, then a third phase with a store that is away for two seconds at its end.
func rateFigures(t *testing.T, cost int64, half time.Duration) {
	const limit, settled = 60_000, 30 * time.Second
	lost, back := 2*half, 2*half+time.Minute
	end := back + half
	m := lease.NewMemory(time.Now)
	f := &flaky{Store: m}
	loads := leasetest.Four(limit/60, half)
	time.AfterFunc(lost, func() { f.away.Store(true) })
	time.AfterFunc(back, func() { m.Forget(); f.away.Store(false) })
	time.AfterFunc(end, func() { f.away.Store(true) })
	time.AfterFunc(end+2*time.Second, func() { f.away.Store(false) })
	logs, counters := four(t, f, lease.Resource{Key: "tokens", Kind: lease.Rate, Limit: limit, Sidecars: 4}, loads, cost, end+settled)

	over := float64(leasetest.Worst(logs, time.Minute, 0, end+settled)) / limit
	depth := max(limit/25, 1.8*float64(cost))
	var sum int64
	for _, s := range logs {
		sum += leasetest.Sum(s.Spends, settled, lost)
	}
	stranded := 1 - float64(sum)/(limit*(lost-settled).Minutes())
	first := leasetest.Distance(loads, logs, limit/60, settled, half)
	second := leasetest.Distance(loads, logs, limit/60, half+settled, lost)
	third := leasetest.Distance(loads, logs, limit/60, back+settled, end)
	t.Logf("mean cost %d: over %.3f, stranded %.3f, distance %.3f, %.3f, after the outage %.3f",
		cost, over, stranded, first, second, third)
	t.Logf("counters %+v", counters)
	if over > 1.05 {
		t.Errorf("the worst minute is %.3f of the limit, want at most 1.05", over)
	}
	if stranded > .05 {
		t.Errorf("stranded: %.3f, want at most 0.05", stranded)
	}
	if worst := max(first, second, third); worst > .10 {
		t.Errorf("distance from weighted max-min: %.3f, want at most 0.10", worst)
	}
	for i, s := range logs { // from the TTL on everybody is on its own
		alone, static := leasetest.Sum(s.Spends, lost+6*time.Second, back), limit/4*(back-lost-6*time.Second).Minutes()
		if most := static + depth/4 + 1.8*float64(cost); float64(alone) > most {
			t.Errorf("sidecar %d spent %d while the store was away, at most %.0f are its own", i, alone, most)
		}
		if float64(alone) < .95*static {
			t.Errorf("sidecar %d spent only %d while the store was away, %.0f are its own", i, alone, static)
		}
	}
}

func TestBudgetFigures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 1_000_000
		window := func(at time.Time) (string, time.Time) {
			start := at.Truncate(time.Hour)
			return start.Format(time.RFC3339), start.Add(time.Hour)
		}
		time.Sleep(time.Until(time.Now().Truncate(time.Hour).Add(time.Hour)))
		m := lease.NewMemory(time.Now)
		f := &flaky{Store: m}
		loads := leasetest.Four(500, time.Minute) // 1,000 a second and more: used up in less than 20 minutes
		for at, do := range map[time.Duration]func(){
			2 * time.Minute:                func() { f.away.Store(true) },
			2*time.Minute + 20*time.Second: func() { m.Forget(); f.away.Store(false) },
			5 * time.Minute:                func() { m.Forget() },
			6 * time.Minute:                func() { f.away.Store(true) },
			6*time.Minute + 3*time.Second:  func() { m.Forget(); f.away.Store(false) },
		} {
			time.AfterFunc(at, do)
		}
		r := lease.Resource{Key: "budget", Kind: lease.Budget, Limit: limit, Sidecars: 4, Window: window}
		logs, counters := four(t, f, r, loads, 200, 40*time.Minute)
		var sum int64
		for _, s := range logs {
			sum += leasetest.Sum(s.Spends, 0, time.Hour)
		}
		t.Logf("spent %.4f of the budget; counters %+v", float64(sum)/limit, counters)
		if sum > limit*105/100 || sum < limit*95/100 {
			t.Errorf("spent %d of %d", sum, limit)
		}
	})
}
