package share

import (
	"sync"
	"time"

	"github.com/trapgate/trapgate/ratelimit"
)

// pools share the limits of the engine's pools. One goroutine moves what leases say into the engine; what the engine spends is
// counted into the leases before each renewal, and soon after each call that was granted or settled.
type pools struct {
	s    *Sharing
	wake chan struct{}

	mu      sync.RWMutex
	engine  *ratelimit.Scheduler
	weights map[string]float64
	conf    map[string]ratelimit.Limits // of pools that have some
	by      map[*ratelimit.Pool]*pool
	byName  map[string]*pool
	begun   bool
}

func newPools(s *Sharing) *pools {
	return &pools{
		s: s, wake: make(chan struct{}, 1), weights: map[string]float64{}, conf: map[string]ratelimit.Limits{},
		by: map[*ratelimit.Pool]*pool{}, byName: map[string]*pool{},
	}
}

func (ps *pools) start(engine *ratelimit.Scheduler) {
	ps.mu.Lock()
	ps.engine = engine
	ps.mu.Unlock()
	ps.attach()
}

func (ps *pools) configure(c ratelimit.Config) {
	ps.mu.Lock()
	clear(ps.conf)
	for _, p := range c.Pools {
		if l := p.Limits; l.Concurrency > 0 || l.Requests > 0 || l.Tokens > 0 || l.Input > 0 || l.Output > 0 {
			ps.conf[p.Name] = l
		}
	}
	clear(ps.weights)
	for _, t := range c.Tenants {
		ps.weights[t.Name] = t.Weight
	}
	ps.mu.Unlock()
	ps.attach()
}

// begin takes leases from now on.
func (ps *pools) begin() {
	ps.mu.Lock()
	ps.begun = true
	ps.mu.Unlock()
	ps.attach()
}

// attach gives every pool its leases, and takes those away that a configuration does not name any more.
func (ps *pools) attach() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.engine == nil || !ps.begun {
		return
	}
	for name, l := range ps.conf {
		p := ps.byName[name]
		if p == nil {
			p = newPool(ps, ps.engine.Pool(name))
			ps.by[p.engine], ps.byName[name] = p, p
		}
		p.limit(l)
	}
	for name, p := range ps.byName {
		if _, ok := ps.conf[name]; !ok {
			p.limit(ratelimit.Limits{})
		}
	}
}

func (ps *pools) weight(tenant string) float64 {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	w, ok := ps.weights[tenant]
	if !ok {
		w = ps.weights["*"]
	}
	if !(w > 0) {
		return 1
	}
	return w
}

func (ps *pools) of(p *ratelimit.Pool) *pool {
	if !ps.s.active.Load() {
		return nil
	}
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	return ps.by[p]
}

func (ps *pools) named(name string) *pool {
	if !ps.s.active.Load() {
		return nil
	}
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	return ps.byName[name]
}

func (ps *pools) all() []*pool {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	list := make([]*pool, 0, len(ps.byName))
	for _, p := range ps.byName {
		list = append(list, p)
	}
	return list
}

func (ps *pools) kickAll() {
	for _, p := range ps.all() {
		p.kick()
	}
}

// run moves loans into the engine when there is something to move.
func (ps *pools) run() {
	for {
		select {
		case <-ps.wake:
		case <-ps.s.ctx.Done():
			for _, p := range ps.all() {
				p.stop()
			}
			return
		}
		for _, p := range ps.all() {
			if p.dirty.Swap(false) {
				p.update(time.Now())
			}
		}
	}
}

// Observe hears what the engine does beside o, which may be nil.
func (s *Sharing) Observe(o *ratelimit.Observer) *ratelimit.Observer {
	all := ratelimit.Observer{}
	if o != nil {
		all = *o
	}
	granted, settled := all.Granted, all.Settled
	all.Granted = func(p *ratelimit.Pool, t *ratelimit.Ticket, wait time.Duration, cause ratelimit.Cause) {
		if shared := s.pools.of(p); shared != nil {
			shared.granted(t.Call.Tenant)
		}
		if granted != nil {
			granted(p, t, wait, cause)
		}
	}
	all.Settled = func(p *ratelimit.Pool, t *ratelimit.Ticket, u ratelimit.Usage, est int64) {
		if shared := s.pools.of(p); shared != nil {
			shared.settled(u)
		}
		if settled != nil {
			settled(p, t, u, est)
		}
	}
	return &all
}
