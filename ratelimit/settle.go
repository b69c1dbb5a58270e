package ratelimit

import (
	"time"

	"github.com/trapgate/trapgate/ratelimit/limit"
)

// How a granted call's accounting ends.
type ending uint8

const (
	settle ending = iota
	abort
	refund
	keep
	unused
)

func (t *Ticket) end(how ending, u Usage) bool {
	p := t.pool
	if p == nil {
		return false
	}
	p.mu.Lock()
	if t.state != granted || t.paid {
		p.mu.Unlock()
		return false
	}
	now := p.s.clock.Now()
	if t.began && how >= refund { // the provider bills what it began
		how = abort
	}
	t.paid = true
	est := t.est
	switch how {
	case settle:
		p.settle(t, u, now)
		p.learn(t, u, now)
	case abort:
		u = t.cut(u)
		p.settle(t, u, now)
		p.used(t, limit.Cost{Input: float64(u.Input), Cached: float64(min(max(u.Cached, 0), max(u.Input, 0))), Output: float64(u.Output)}, now)
	case refund:
		p.giveBack(t, t.reserved.Requests, now)
		p.used(t, limit.Cost{}, now)
	case unused:
		p.giveBack(t, t.reserved.Requests-1, now)
		p.used(t, limit.Cost{}, now)
	case keep:
		p.used(t, limit.Cost{}, now)
		t.kept = true
	}
	if !t.began && how != settle {
		p.s.places.put(t)
	}
	if how < refund && p.s.obs.Settled != nil {
		p.out = append(p.out, event{kind: evSettled, t: t, u: u, n: est})
	}
	p.shut(t)
	p.drain(now)
	p.unlock()
	return true
}

// settle makes both ledgers say what the call used.
func (p *Pool) settle(t *Ticket, u Usage, now time.Time) {
	p.outstanding -= t.charged
	u.Cached = min(max(u.Cached, 0), max(u.Input, 0))
	p.tree.charge(t, p.tree.cfg.cost.of(u.Input-u.Cached, u.Cached, u.Output)-t.charged, atEnd)
	p.set.Settle(now, t.reserved, limit.Cost{
		Requests: t.reserved.Requests, Input: float64(u.Input), Cached: float64(u.Cached), Output: float64(u.Output),
		MaxOutput: t.reserved.MaxOutput,
	})
	if p.cache != nil {
		p.cache.settle(t, u)
	}
}

// cut is what an answer cost that was not finished.
func (t *Ticket) cut(u Usage) Usage {
	if u.Input == 0 {
		u.Input, u.Cached, u.Estimated = t.Call.Input, int64(t.reserved.Cached), true
	}
	if seen := t.seen.Load(); seen > u.Output {
		u.Output, u.Estimated = seen, true
	}
	return u
}

// giveBack returns the whole reservation but for the requests that were sent.
func (p *Pool) giveBack(t *Ticket, sent float64, now time.Time) {
	p.outstanding -= t.charged
	p.tree.charge(t, -t.charged, atEnd)
	p.set.Settle(now, t.reserved, limit.Cost{Requests: sent})
	t.reserved = limit.Cost{}
}

// takeOver moves the reservation of a failed attempt to the one that follows.
func (p *Pool) takeOver(t, prior *Ticket, now time.Time) {
	if !prior.kept {
		return
	}
	if prior.flow == t.flow && prior.agent == t.agent {
		t.charged, t.reserved, t.charges = prior.charged, prior.reserved, prior.charges
		prior.charged, prior.reserved, prior.kept = 0, limit.Cost{}, false
	} else {
		p.dropKept(prior, now)
	}
	p.shut(prior)
}

// dropKept gives back what t kept, or what it took over and never used.
func (p *Pool) dropKept(t *Ticket, now time.Time) {
	if t.reserved != (limit.Cost{}) || t.charged != 0 {
		p.giveBack(t, t.reserved.Requests, now)
	}
	t.kept = false
}

func (p *Pool) releaseSlot(t *Ticket) {
	t.slot = false
	p.inflight--
	p.kv -= t.kv
	p.run(t, -1)
	p.live.remove(&t.link)
	if p.cache != nil {
		p.cache.finish(t, p.s.clock.Now())
	}
}

// shut forgets a granted ticket when nothing of it is open any more.
func (p *Pool) shut(t *Ticket) {
	if t.state == granted && t.paid && !t.slot && !t.kept {
		t.state = over
		p.tree.shut(t)
	}
}
