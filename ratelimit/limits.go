package ratelimit

import (
	"time"

	"github.com/trapgate/trapgate/ratelimit/limit"
)

// configured is the name of the configuration among the sources of limits.
const configured = "config"

// SetLimits states what a source knows of the pool's limits: response headers, a learner, a lease. The smallest of all
// sources is in force. Zero limits take the source away. Ledgers stay as they are.
func (p *Pool) SetLimits(source string, l Limits) {
	p.mu.Lock()
	now := p.s.clock.Now()
	p.setLimits(source, l, now)
	p.drain(now)
	p.unlock()
}

func (p *Pool) setLimits(source string, l Limits, now time.Time) {
	if l == (Limits{}) {
		delete(p.sources, source)
	} else {
		p.sources[source] = l
	}
	was := p.limits
	p.limits = Limits{}
	for _, l := range p.sources {
		p.limits = p.limits.and(l)
	}
	if p.limits.rates() != was.rates() {
		p.set.SetRates(now, p.limits.rates())
	}
}

// and is what both allow.
func (l Limits) and(m Limits) Limits {
	least(&l.Concurrency, m.Concurrency)
	least(&l.Requests, m.Requests)
	least(&l.Tokens, m.Tokens)
	least(&l.Input, m.Input)
	least(&l.Output, m.Output)
	least(&l.KV, m.KV)
	return l
}

func least[T int | int64](p *T, v T) {
	if v > 0 && (*p == 0 || v < *p) {
		*p = v
	}
}

func (l Limits) rates() limit.Rates {
	return limit.Rates{
		Requests: limit.Rate{PerMinute: float64(l.Requests)}, Tokens: limit.Rate{PerMinute: float64(l.Tokens)},
		Input: limit.Rate{PerMinute: float64(l.Input)}, Output: limit.Rate{PerMinute: float64(l.Output)},
	}
}

// Limits returns what is in force.
func (p *Pool) Limits() Limits {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limits
}

// Pause lets nobody go for d, because the upstream asked for it. A longer pause that is under way stays.
func (p *Pool) Pause(d time.Duration) {
	p.mu.Lock()
	now := p.s.clock.Now()
	if until := now.Add(d); until.After(p.pause) {
		p.pause = until
	}
	p.drain(now)
	p.unlock()
}

// Paused is how long nobody will go yet, because the upstream asked for it; 0: there is no pause.
func (p *Pool) Paused() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(0, p.pause.Sub(p.s.clock.Now()))
}

// Sync takes over what the headers of t's response said about the provider's own count.
func (t *Ticket) Sync(o limit.Observation) {
	p := t.pool
	if p == nil || !o.Known {
		return
	}
	p.mu.Lock()
	if t.state == granted {
		now := p.s.clock.Now()
		p.set.Sync(now, o, t.mark)
		p.told(now)
		p.drain(now)
	}
	p.unlock()
}

// configure puts a configuration in force, with p's queue and ledgers as they are.
func (p *Pool) configure(s *settings, c PoolConfig) {
	p.mu.Lock()
	now := p.s.clock.Now()
	policy := p.policyOf(s, c)
	old := p.tree.cfg
	p.tree.cfg = s
	p.set.Rules = c.Rules
	p.setLimits(configured, c.Limits, now)
	p.configureCache(c.Cache)
	p.configureLearner(c.Learn, now)
	if policy != p.tree.policy || !sameClasses(old, s) || (policy == Priority && old.queue.Ageing != s.queue.Ageing) {
		p.rebuild(policy)
	} else {
		p.tree.reweigh()
	}
	p.drain(now)
	p.unlock()
}

func sameClasses(a, b *settings) bool {
	if len(a.classes) != len(b.classes) {
		return false
	}
	for name, rank := range a.classes {
		if r, ok := b.classes[name]; !ok || r != rank {
			return false
		}
	}
	return true
}

// reweigh takes over the weights of a new configuration. What was charged stays where it is.
func (t *tree) reweigh() {
	if t.policy == FIFO || t.policy == Priority {
		return
	}
	for _, class := range t.root.children {
		if class != t.back {
			class.reweigh(t.cfg.classWeight(class.name))
		}
		for _, tenant := range class.children {
			tenant.reweigh(t.cfg.tenantWeight(tenant.name))
		}
	}
}

func (n *node) reweigh(w float64) {
	if n.weight == w {
		return
	}
	if n.pos != 0 {
		n.hog.look(n)
		n.parent.total += w - n.weight
	}
	n.weight = w
}

// rebuild makes the tree anew for a policy or for other classes: what waits keeps its place, what runs its charges, programs,
// tenants and agents their ledgers. Virtual time begins again, equal for all.
func (p *Pool) rebuild(policy Policy) {
	t := p.tree
	var queue []*Ticket
	for x, _ := t.first(); x != nil; x, _ = t.first() {
		t.pull(x)
		queue = append(queue, x)
	}
	old := t.root
	t.policy = policy
	t.clear()
	for _, prog := range t.programs {
		prog.flows = nil
	}
	for _, a := range t.tenants {
		a.flows = 0
	}
	move := func(x *Ticket) {
		x.flow = t.flow(&x.Call, x.came)
		x.charges = [depths]charge{}
	}
	for x := range p.live.all() {
		move(x)
		x.flow.running++
		for n := x.flow.leaf; n != nil; n = n.parent {
			n.inflight++
		}
	}
	for _, x := range queue {
		move(x)
		t.push(x)
	}
	t.root.inherit(old)
}

// inherit takes over the ledgers of the nodes that an older tree had at the same places.
func (n *node) inherit(old *node) {
	n.attained = old.attained
	for name, c := range n.children {
		if o := old.children[name]; o != nil {
			c.inherit(o)
		}
	}
}
