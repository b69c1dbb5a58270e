package ratelimit

import (
	"math"
	"time"
)

// A rate learns how much cost a second a pool serves while calls wait: the capacity that shares are shares of.
type rate struct {
	cost, seconds float64
	n             float64
	since         time.Time // of the queue's last change while it was not empty
}

// rateKeep is the number of dispatches after which older ones count half.
const rateKeep = 256

// wait marks that the queue is not empty from now on.
func (r *rate) wait(now time.Time) { r.since = now }

// served notes a dispatch from the queue.
func (r *rate) served(now time.Time, cost int64) {
	r.seconds += max(0, now.Sub(r.since).Seconds())
	r.since = now
	r.cost += float64(cost)
	if r.n++; r.n > rateKeep {
		r.n, r.cost, r.seconds = r.n/2, r.cost/2, r.seconds/2
	}
}

// perSecond is 0 while it is not known.
func (r *rate) perSecond() float64 {
	if r.n < 8 || r.seconds <= 0 {
		return 0
	}
	return r.cost / r.seconds
}

// share is the part of the pool that the leaf of f is due, f's call included.
func (f *flow) share() float64 {
	s := 1.0
	for n := f.leaf; n.parent != nil; n = n.parent {
		total := n.parent.total
		if n.pos == 0 {
			total += n.weight
		}
		if total > n.weight {
			s *= n.weight / total
		}
	}
	return s
}

// waitFor is how long the pool takes to serve cost at f's share; 0 when that is not known.
func (p *Pool) waitFor(f *flow, cost int64) time.Duration {
	c := p.rate.perSecond() * f.share()
	if c <= 0 || cost <= 0 {
		return 0
	}
	return seconds(float64(cost) / c)
}

func seconds(s float64) time.Duration {
	if ns := s * 1e9; ns < math.MaxInt64/2 {
		return time.Duration(ns)
	}
	return math.MaxInt64 / 2
}

// refill is when the buckets hold what t asks for, if nobody else took any: never less than zero.
func (p *Pool) refill(t *Ticket, now time.Time) time.Duration {
	d := max(0, p.set.RefillAt(now, t.ask()).Sub(now))
	return max(d, p.pause.Sub(now))
}

// retryAfter is when the same call would find room again.
func (p *Pool) retryAfter(t *Ticket, now time.Time) time.Duration {
	return max(p.refill(t, now), p.waitFor(t.flow, t.flow.leaf.waits))
}

// soonest is a wait that t will hardly stay under: what is certainly before it, at its full share.
func (p *Pool) soonest(t *Ticket, now time.Time) time.Duration {
	before := t.flow.cost // of its own program, whatever the order says about others
	if p.tree.policy != Program {
		before = t.flow.leaf.waits
	}
	return max(p.refill(t, now), p.waitFor(t.flow, before))
}

// refuse says whether t finds no place.
func (p *Pool) refuse(t *Ticket, now time.Time) *Rejected {
	q, f := &p.tree.cfg.queue, t.flow
	reason := Reason("")
	switch {
	case over1(p.queued, q.Calls) || overBytes(p.bytes+t.Call.Bytes, q.Bytes):
		reason = QueueFull
	case over1(f.acct.queued, q.TenantCalls) || overBytes(f.acct.bytes+t.Call.Bytes, q.TenantBytes):
		reason = TenantFull
	case over1(f.tickets.len(), q.FlowCalls):
		reason = FlowFull
	case t.Call.Timeout > 0 && p.soonest(t, now) > t.Call.Timeout:
		reason = WaitTooLong
	default:
		return nil
	}
	return &Rejected{Pool: p.name, Reason: reason, RetryAfter: p.retryAfter(t, now)}
}

// over1 says whether one more is over a cap; a negative cap is none.
func over1(n, limit int) bool       { return limit >= 0 && n+1 > limit }
func overBytes(n, limit int64) bool { return limit >= 0 && n > limit }
