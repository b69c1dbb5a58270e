package share

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/budget"
	"github.com/trapgate/trapgate/ratelimit/lease"
	"github.com/trapgate/trapgate/ratelimit/lease/leasetest"
)

// A site drives one sidecar's engine with the loads of leasetest: calls that wait as long as they must.
type site struct {
	m     *member
	began time.Time
	mu    sync.Mutex
	log   leasetest.Log
}

// run submits calls of about cost tokens at the loads' rates until d has passed. A call takes take, and a queue is kept short,
// as agents that wait for answers do.
func (s *site) run(loads []leasetest.Load, cost int64, take, d time.Duration, seed uint64) {
	var wg sync.WaitGroup
	for i, l := range loads {
		rnd := rand.New(rand.NewPCG(seed, uint64(i)))
		wg.Go(func() {
			room := make(chan struct{}, 400)
			for n := 0; ; n++ {
				rate := l.Speed(time.Since(s.began))
				time.Sleep(time.Duration(rnd.ExpFloat64() * float64(cost) / rate * float64(time.Second)))
				if time.Since(s.began) >= d {
					return
				}
				tokens := int64(float64(cost) * (.2 + 1.6*rnd.Float64()))
				s.note(&s.log.Arrivals, i, tokens)
				select {
				case room <- struct{}{}:
				default:
					continue // given up: counted as wanted
				}
				t := &ratelimit.Ticket{Call: ratelimit.Call{Exchange: fmt.Sprint(seed, i, n), Tenant: l.Tenant, Program: fmt.Sprint(n), Input: tokens}}
				t.Ready = func(t *ratelimit.Ticket, err error) {
					if err != nil {
						<-room
						return
					}
					s.note(&s.log.Spends, i, tokens)
					time.AfterFunc(take, func() {
						t.Settle(ratelimit.Usage{Input: tokens})
						t.Release()
						<-room
					})
				}
				if ok, _ := s.m.engine.Pool("up").Submit(t); ok {
					t.Ready(t, nil)
				}
			}
		})
	}
	wg.Wait()
}

func (s *site) note(list *[]leasetest.Spend, load int, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*list = append(*list, leasetest.Spend{At: time.Since(s.began), Amount: n, Load: load})
}

// TestRateFigures: four sidecars on one store share tokens a minute, through the engine. The store is away in the middle and
// comes back empty.
func TestRateFigures(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: virtual minutes")
	}
	synctest.Test(t, func(t *testing.T) {
		const limit, settled, half = 60_000, 30 * time.Second, 2 * time.Minute
		lost, back := 2*half, 2*half+time.Minute
		end := back + half
		memory := lease.NewMemory(time.Now)
		store := &flaky{Store: memory}
		began := time.Now()
		time.AfterFunc(lost, func() { store.away.Store(true) })
		time.AfterFunc(back, func() { memory.Forget(); store.away.Store(false) })
		loads := leasetest.Four(limit/60, half)
		cfg := ratelimit.Config{
			Pools:   []ratelimit.PoolConfig{{Name: "up", Limits: ratelimit.Limits{Tokens: limit}}},
			Tenants: []ratelimit.TenantConfig{{Name: "b", Weight: 2}},
		}
		sites := make([]*site, 4)
		var wg sync.WaitGroup
		for i := range sites {
			m := join(t, t.TempDir(), budget.Config{}, cfg, func(o *Options) { o.Store, o.Sidecars = store, 4 })
			sites[i] = &site{m: m, began: began}
			wg.Go(func() { sites[i].run(loads[i], 100, time.Second, end, uint64(i)) })
		}
		wg.Wait()
		time.Sleep(10 * time.Second) // what is under way ends
		var logs []leasetest.Log
		for _, s := range sites {
			s.mu.Lock()
			logs = append(logs, s.log)
			s.mu.Unlock()
			t.Logf("%+v", s.m.State().Leases)
			s.m.close()
		}
		over := float64(leasetest.Worst(logs, time.Minute, 0, end)) / limit
		var sum int64
		for _, l := range logs {
			sum += leasetest.Sum(l.Spends, settled, lost)
		}
		stranded := 1 - float64(sum)/(limit*(lost-settled).Minutes())
		first := leasetest.Distance(loads, logs, limit/60, settled, half)
		second := leasetest.Distance(loads, logs, limit/60, half+settled, lost)
		third := leasetest.Distance(loads, logs, limit/60, back+settled, end)
		t.Logf("worst minute %.3f, stranded %.3f, distance %.3f, %.3f, after the outage %.3f", over, stranded, first, second, third)
		for i, l := range logs {
			alone := float64(leasetest.Sum(l.Spends, lost+6*time.Second, back)) / (limit / 4 * (back - lost - 6*time.Second).Minutes())
			t.Logf("sidecar %d alone: %.3f of its static share", i, alone)
			if alone > 1.05 {
				t.Errorf("sidecar %d spent %.3f of its static share while the store was away", i, alone)
			}
		}
		if over > 1.05 {
			t.Errorf("the worst minute is %.3f of the limit", over)
		}
		if stranded > .05 {
			t.Errorf("stranded %.3f", stranded)
		}
		if worst := max(first, second, third); worst > .10 {
			t.Errorf("distance from weighted max-min %.3f", worst)
		}
	})
}

// TestSlotFigures: four sidecars share eight slots; never more are in use, and hardly less.
func TestSlotFigures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, d = 8, 2 * time.Minute
		memory := lease.NewMemory(time.Now)
		cfg := ratelimit.Config{Pools: []ratelimit.PoolConfig{{Name: "up", Limits: ratelimit.Limits{Concurrency: limit}}}}
		var mu sync.Mutex
		var inUse, most int
		var area time.Duration
		last := time.Now()
		move := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			now := time.Now()
			area += time.Duration(inUse) * now.Sub(last)
			last = now
			inUse += n
			most = max(most, inUse)
		}
		began := time.Now()
		var members []*member
		var served [4]int
		for i := range 4 {
			m := join(t, t.TempDir(), budget.Config{}, cfg, func(o *Options) { o.Store, o.Sidecars, o.Renew = memory, 4, 200*time.Millisecond })
			members = append(members, m)
			for k := range []int{6, 2, 1, 3}[i] { // agents, each with one call at a time
				var next func()
				next = func() {
					if time.Since(began) >= d {
						return
					}
					tk := &ratelimit.Ticket{Call: ratelimit.Call{Exchange: "x", Tenant: fmt.Sprint("tenant", i), Program: fmt.Sprint(k)}}
					tk.Ready = func(tk *ratelimit.Ticket, err error) {
						if err != nil {
							return
						}
						move(1)
						time.AfterFunc(time.Duration((.5+rand.Float64())*float64(time.Second)), func() {
							move(-1)
							mu.Lock()
							served[i]++
							mu.Unlock()
							tk.Settle(ratelimit.Usage{})
							tk.Release()
							next()
						})
					}
					if ok, _ := m.engine.Pool("up").Submit(tk); ok {
						tk.Ready(tk, nil)
					}
				}
				time.AfterFunc(time.Duration(rand.Float64()*float64(time.Second)), next)
			}
		}
		time.Sleep(d + 5*time.Second)
		for _, m := range members {
			t.Logf("%+v", m.State().Leases)
			m.close()
		}
		used := float64(area) / float64(limit*d)
		t.Logf("at most %d of %d slots in use, %.3f of them on average; served %v", most, limit, used, served)
		if most > limit {
			t.Errorf("%d calls in flight, the limit is %d", most, limit)
		}
		if used < .9 {
			t.Errorf("only %.3f of the slots were used", used)
		}
	})
}
