package ratelimit

import (
	"context"
	"sync"
	"time"

	"github.com/trapgate/trapgate/ratelimit/limit"
)

// A Pool is one upstream's capacity and the calls that wait for it. It is safe for concurrent use.
type Pool struct {
	s    *Scheduler
	name string

	mu      sync.Mutex
	closed  bool
	tree    *tree
	sources map[string]Limits
	limits  Limits // in force
	set     limit.Set
	saving  bool // for a head that does not fit
	est     *limit.Estimator
	learned int // calls that taught est
	ttft    *limit.TTFT
	prefill map[string]prefill
	aimd    rates
	grad    *limit.Gradient // nil when concurrency is not learnt
	cache   *cache          // nil when off

	inflight    int
	kv          int64
	outstanding int64 // cost charged and not settled yet
	queued      int
	bytes       int64
	live        list[Ticket] // in flight, the last dispatched one last
	untils      heap[Ticket]
	seq         uint64
	pause       time.Time
	rate        rate

	blocked Cause
	retry   time.Time // when to look again; zero: when something happens
	timer   Timer
	timerAt time.Time

	out, spare []event
	delivering bool
}

// Name is the pool's name.
func (p *Pool) Name() string { return p.name }

// Submit asks for a place. (true, nil): go now. (false, nil): queued, t.Ready will tell. (false, *Rejected): no place.
func (p *Pool) Submit(t *Ticket) (granted bool, err error) {
	r := p.submit(t, false)
	if r != nil {
		return false, r
	}
	return t.sync, nil
}

// Wait is Submit for a goroutine that has nothing else to do. It returns nil when the call is granted, a *Rejected when it
// never will be, and ctx's error when that ends first: the place is free by then, and nothing is left to be done.
func (p *Pool) Wait(ctx context.Context, t *Ticket) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r := p.submit(t, true); r != nil {
		return r
	}
	if t.sync {
		return nil
	}
	select {
	case err := <-t.done:
		return err
	case <-ctx.Done():
		if !t.Cancel() {
			t.Unused()
			t.Release()
		}
		return ctx.Err()
	}
}

// submit leaves t.sync set when t was granted at once.
func (p *Pool) submit(t *Ticket, blocking bool) *Rejected {
	if t.pool != nil || t.state != fresh {
		panic("ratelimit: ticket used twice")
	}
	prior := t.Call.Prior
	t.Call.Prior = nil
	if prior != nil && prior.pool != p {
		prior.Drop()
	}
	p.mu.Lock()
	now := p.s.clock.Now()
	if p.closed {
		p.mu.Unlock()
		return p.refused(t, &Rejected{Pool: p.name, Reason: Closed})
	}
	p.arrive(t, prior, now)
	if p.queued == 0 && p.free(t, now) {
		t.sync = true
		p.dispatch(t, now, false)
		p.unlock()
		return nil
	}
	if r := p.refuse(t, now); r != nil {
		p.giveUp(t, now)
		p.drain(now) // what it gave back may let others go
		r.RetryAfter = max(r.RetryAfter, p.refill(t, now))
		p.unlock()
		return p.refused(t, r)
	}
	if blocking {
		t.done = make(chan error, 1)
	}
	t.sync = true
	p.enqueue(t)
	p.drain(now)
	t.sync = t.state == granted
	p.unlock()
	return nil
}

// refused tells the observer; called without the lock.
func (p *Pool) refused(t *Ticket, r *Rejected) *Rejected {
	t.state = over
	if f := p.s.obs.Rejected; f != nil {
		f(p, &t.Call, r)
	}
	return r
}

// arrive finds t's flow and place, and what it will cost.
func (p *Pool) arrive(t *Ticket, prior *Ticket, now time.Time) {
	p.seq++
	t.pool, t.seq, t.came, t.enq = p, p.seq, now, now
	c := &t.Call
	t.flow = p.tree.flow(c, now)
	t.agent = t.flow.agentOf(c.Agent)
	p.tree.open(t)
	if c.Timeout > 0 {
		t.until = now.Add(c.Timeout)
	}
	if prior != nil {
		if prior.enq.Before(t.enq) && prior.Call.Tenant == c.Tenant {
			t.enq = prior.enq
		}
		p.takeOver(t, prior, now)
	} else if c.RetryOf != "" {
		if at, ok := p.s.places.take(c.Tenant, c.RetryOf); ok && at.Before(t.enq) {
			t.enq = at
		}
	}
	if p.cache != nil {
		p.cache.arrive(t, now)
	}
	p.price(t)
}

// price estimates what t will use.
func (p *Pool) price(t *Ticket) {
	c := &t.Call
	cached := min(c.Cached, c.Input)
	if p.cache != nil {
		cached = p.cache.cached(t)
	}
	t.est, t.fair = p.output(t.flow, c)
	t.cost = p.tree.cfg.cost.of(c.Input-cached, cached, t.fair)
	t.need = limit.Cost{
		Requests: 1, Input: float64(c.Input), Cached: float64(cached),
		Output: float64(t.est), MaxOutput: float64(c.MaxOutput),
	}
	if t.kv = c.KV; t.kv == 0 {
		t.kv = c.Input + t.est
	}
}

func (p *Pool) enqueue(t *Ticket) {
	t.state = waiting
	if p.queued == 0 {
		p.rate.wait(p.s.clock.Now())
	}
	p.queued++
	p.bytes += t.Call.Bytes
	p.tree.push(t)
	if !t.until.IsZero() {
		p.untils.push(t)
	}
	if p.cache != nil {
		p.cache.enqueue(t)
	}
}

// dequeue takes a waiting t out of everything that knows it.
func (p *Pool) dequeue(t *Ticket) {
	p.queued--
	p.bytes -= t.Call.Bytes
	p.tree.pull(t)
	if t.posUntil != 0 {
		p.untils.remove(t)
	}
	if p.cache != nil {
		p.cache.dequeue(t)
	}
}

// leave ends a waiting t that will not be granted.
func (p *Pool) leave(t *Ticket) {
	p.dequeue(t)
	p.giveUp(t, p.s.clock.Now())
}

// giveUp ends a t that is neither waiting nor granted.
func (p *Pool) giveUp(t *Ticket, now time.Time) {
	t.state = over
	p.dropKept(t, now)
	if p.cache != nil {
		p.cache.giveUp(t)
	}
	p.tree.shut(t)
}
