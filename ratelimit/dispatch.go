package ratelimit

import (
	"time"

	"github.com/trapgate/trapgate/ratelimit/limit"
)

// drain dispatches until something blocks, notes what, and sets the timer. It is called after every change.
func (p *Pool) drain(now time.Time) {
	p.expire(now)
	timed := p.s.obs.Dispatch != nil
	for p.queued > 0 {
		if cause, at := p.full(now); cause != NoWait {
			p.block(cause, at, now)
			return
		}
		began := now
		if timed {
			began = p.s.clock.Now()
		}
		t, promoted, cause, at := p.choose(now)
		if t == nil {
			p.block(cause, at, now)
			return
		}
		p.dispatch(t, now, promoted)
		if timed {
			p.out = append(p.out, event{kind: evDispatch, d: p.s.clock.Now().Sub(began)})
		}
	}
	if p.cache != nil {
		p.cache.unhold(now, false)
	}
	if p.saving {
		p.set.Await(now, limit.Cost{}) // nobody is saved for any more
		p.saving = false
	}
	p.block(NoWait, time.Time{}, now)
}

// full says whether nobody can go, why, and until when (zero: until something happens).
func (p *Pool) full(now time.Time) (Cause, time.Time) {
	switch {
	case p.limits.Concurrency > 0 && p.inflight >= p.limits.Concurrency:
		return ForSlot, time.Time{}
	case p.limits.KV > 0 && p.kv >= p.limits.KV:
		return ForKV, time.Time{}
	case now.Before(p.pause):
		return ForPause, p.pause
	}
	return NoWait, time.Time{}
}

// free says whether a call that nobody waits in front of can go at once.
func (p *Pool) free(t *Ticket, now time.Time) bool {
	if cause, _ := p.full(now); cause != NoWait {
		return false
	}
	if p.cache != nil && !p.cache.harmless(t) {
		return false // whether it should wait for a program about to return is choose's business
	}
	return p.set.Fits(now, t.ask())
}

// choose says who goes now, or nil, why not, and when to look again.
func (p *Pool) choose(now time.Time) (t *Ticket, promoted bool, cause Cause, at time.Time) {
	t, promoted = p.tree.first()
	if p.cache != nil && !promoted {
		first := t
		if t, at = p.cache.choose(first, now); t == nil {
			return nil, false, ForCache, at
		}
	}
	if p.set.Fits(now, t.ask()) {
		return t, promoted, NoWait, at
	}
	at, p.saving = p.set.Await(now, t.ask()), true
	if b := p.backfill(t, now); b != nil {
		return b, false, NoWait, at
	}
	cause = ForTokens
	if !p.set.Requests.Fits(now, 1, 0) {
		cause = ForRequests
	}
	if !at.After(now) {
		at = time.Time{} // only the end of a running call makes room
	}
	return nil, false, cause, at
}

// backfillWidth bounds the tenants, and the flows of each, that are looked at behind a blocked head.
const backfillWidth = 4

// backfill finds a call that may pass the head, which fits at a known time: one that fits now, leaves a slot, and leaves that
// time what it is. (EASY backfilling, Lifka, "The ANL/IBM SP scheduling system", 1995, with buckets for nodes.)
func (p *Pool) backfill(head *Ticket, now time.Time) (found *Ticket) {
	if p.limits.Concurrency > 0 && p.limits.Concurrency-p.inflight < 2 {
		return nil
	}
	p.tree.visit(backfillWidth, func(t *Ticket) bool {
		if t == head || !p.set.Fits(now, t.ask()) || (p.limits.KV > 0 && p.kv+t.kv >= p.limits.KV) {
			return true
		}
		if p.set.Delays(now, t.ask(), head.ask()) {
			return true
		}
		found = t
		return false
	})
	return found
}

// dispatch lets t go: from here it is charged.
func (p *Pool) dispatch(t *Ticket, now time.Time, promoted bool) {
	q := t.flow.leaf.queue
	if t.state == waiting {
		oldest := q.aged != nil && q.aged.min() == t.flow
		if q.ord.first() == t.flow && t.flow.head() == t {
			q.ahead = 0
		} else if !promoted {
			q.ahead += t.cost
		}
		p.rate.served(now, t.cost)
		p.dequeue(t)
		q.dispatched(t.cost, oldest, promoted)
		if t.cause == NoWait {
			t.cause = p.blocked
		}
	}
	if p.cache != nil {
		p.price(t) // what is warm may have changed
		p.cache.start(t, now)
	}
	t.state, t.slot, t.went = granted, true, now
	p.inflight++
	t.load = p.inflight
	p.kv += t.kv
	p.outstanding += t.cost - t.charged
	p.tree.charge(t, t.cost-t.charged, atDispatch)
	p.reserve(t, now)
	p.run(t, 1)
	p.sent(t, now)
	prog := t.flow.prog
	prog.calls++
	prog.waited += now.Sub(t.came)
	p.live.push(t, &t.link)
	if !t.sync || p.s.obs.Granted != nil {
		p.out = append(p.out, event{kind: evGranted, t: t, d: now.Sub(t.came), cause: t.cause, quiet: t.sync})
	}
	if promoted && p.s.obs.Promoted != nil {
		p.out = append(p.out, event{kind: evPromoted, t: t})
	}
}

// run counts t in or out of what is in flight.
func (p *Pool) run(t *Ticket, d int) {
	f := t.flow
	f.running += d
	f.acct.inflight += d
	t.agent.inflight += d
	for n := f.leaf; n != nil; n = n.parent {
		n.inflight += d
	}
}

// ask is what t still has to take from the buckets: everything, less what it has taken over.
func (t *Ticket) ask() limit.Cost {
	if t.charged == 0 && t.reserved == (limit.Cost{}) {
		return t.need
	}
	n, r := t.need, t.reserved
	return limit.Cost{
		Requests: n.Requests, Input: max(0, n.Input-r.Input), Cached: max(0, min(n.Cached, n.Input-r.Input)),
		Output: max(0, n.Output-r.Output), MaxOutput: max(0, n.MaxOutput-r.MaxOutput),
	}
}

// reserve takes t's need from the buckets.
func (p *Pool) reserve(t *Ticket, now time.Time) {
	if r := t.reserved; r != (limit.Cost{}) {
		p.set.Reserve(now, limit.Cost{Requests: 1})
		p.set.Adjust(now, limit.Cost{
			Input: t.need.Input - r.Input, Cached: t.need.Cached - r.Cached, Output: t.need.Output - r.Output,
			MaxOutput: t.need.MaxOutput - r.MaxOutput,
		})
		t.need.Requests += r.Requests
	} else {
		p.set.Reserve(now, t.need)
	}
	t.reserved = t.need
	t.mark = p.set.Mark()
}

// block notes what the queue waits for, and sets the timer.
func (p *Pool) block(cause Cause, at, now time.Time) {
	p.blocked, p.retry = cause, at
	if t := p.untils.min(); t != nil && (at.IsZero() || t.until.Before(at)) {
		at = t.until
	}
	if at.IsZero() || (p.timer != nil && !at.Before(p.timerAt)) {
		return // an early call of the timer sets it again
	}
	if p.timer != nil {
		p.timer.Stop()
	}
	// Never in the past: a time that rounding has put a moment too early must not come round at the same instant for ever.
	if soon := now.Add(time.Microsecond); at.Before(soon) {
		at = soon
	}
	p.timerAt = at
	p.timer = p.s.clock.AfterFunc(at.Sub(now), p.fire)
}

// fire is the timer's function.
func (p *Pool) fire() {
	p.mu.Lock()
	now := p.s.clock.Now()
	if !now.Before(p.timerAt) {
		p.timer, p.timerAt = nil, time.Time{}
	}
	p.drain(now)
	p.unlock()
}

// expire ends the calls whose agents have waited too long.
func (p *Pool) expire(now time.Time) {
	for t := p.untils.min(); t != nil && !now.Before(t.until); t = p.untils.min() {
		r := &Rejected{Pool: p.name, Reason: Expired, RetryAfter: p.retryAfter(t, now)}
		p.leave(t)
		p.s.places.put(t)
		p.out = append(p.out, event{kind: evRejected, t: t, err: r})
	}
}
