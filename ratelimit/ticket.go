package ratelimit

import (
	"sync/atomic"
	"time"

	"github.com/trapgate/trapgate/ratelimit/limit"
)

// A Ticket is one attempt on its way: it waits, is granted, is settled, and gives its slot back. Fill Call and, unless it is
// given to Wait, Ready; hand it to one pool once. A ticket must not be copied or used again. Its methods may be called from
// any goroutine, FirstByte and Streamed from one at a time.
type Ticket struct {
	Call Call
	// Ready is called exactly once for a ticket that Submit has queued, unless Cancel or Done came first: with nil when it is
	// granted, with a *Rejected when it never will be. It runs on the goroutine that made room, and must not block.
	Ready func(t *Ticket, err error)

	pool  *Pool
	flow  *flow
	agent *account
	done  chan error // of Wait

	state state
	sync  bool // Submit is still under way: it tells the outcome itself
	slot  bool // held
	paid  bool // settled, refunded or kept
	kept  bool // reservation waits for the next attempt
	began bool // the first byte came
	seq   uint64
	enq   time.Time // its place: when it, or what it repeats, came
	came  time.Time
	until time.Time // deadline; zero for none
	went  time.Time // dispatched
	cause Cause

	posFlow, posUntil int
	link              link[Ticket] // of Pool.live

	need     limit.Cost // what it will reserve
	cost     int64      // what it will be charged
	est      int64      // output reserved in the buckets
	fair     int64      // output charged as cost
	reserved limit.Cost
	charged  int64
	kv       int64
	seen     atomic.Int64 // streamed output
	mark     limit.Mark
	load     int       // in flight when it was sent, itself included
	first    time.Time // when the answer began
	warm     *warm     // the prefix that it extends or fills
	charges  [depths]charge
}

type state uint8

const (
	fresh state = iota
	waiting
	granted
	over
)

// Waited says how long the call waited and for what. Valid once it is granted.
func (t *Ticket) Waited() (time.Duration, Cause) {
	if t.went.IsZero() {
		return 0, NoWait
	}
	return t.went.Sub(t.came), t.cause
}

// Reserved is the output, in tokens, that is reserved for the call now.
func (t *Ticket) Reserved() int64 { return t.est }

// Pool is where the ticket was submitted; nil before.
func (t *Ticket) Pool() *Pool { return t.pool }

// Cancel takes a waiting call out of the queue and reports whether it did: Ready will not be called any more. Its place is kept
// for a call with RetryOf.
func (t *Ticket) Cancel() bool {
	p := t.pool
	if p == nil {
		return false
	}
	p.mu.Lock()
	if t.state != waiting {
		p.mu.Unlock()
		return false
	}
	now := p.s.clock.Now()
	p.leave(t)
	p.s.places.put(t)
	if p.s.obs.Cancelled != nil {
		p.out = append(p.out, event{kind: evCancelled, t: t, d: now.Sub(t.came)})
	}
	p.drain(now) // the next one may fit where this one did not
	p.unlock()
	return true
}

// FirstByte notes that the answer has begun. From now on a failure is no refund.
func (t *Ticket) FirstByte() {
	p := t.pool
	if p == nil || t.began {
		return
	}
	p.mu.Lock()
	if t.state == granted && !t.began {
		t.began = true
		t.first = p.s.clock.Now()
	}
	p.mu.Unlock()
}

// topUp is how many tokens are reserved at a time once an answer is longer than was expected.
const topUp = 64

// Streamed tells how much output has been seen so far. Beyond the estimate the reservation grows with it.
func (t *Ticket) Streamed(output int64) {
	if output <= t.seen.Load() {
		return
	}
	t.seen.Store(output)
	if !t.began {
		t.FirstByte()
	}
	if output <= min(t.est, t.fair) || t.pool == nil {
		return
	}
	p := t.pool
	p.mu.Lock()
	if t.state == granted && !t.paid {
		if more := beyond(output, &t.fair) * p.tree.cfg.cost.Output; more > 0 {
			p.outstanding += more
			p.tree.charge(t, more, meanwhile)
		}
		if more := float64(beyond(output, &t.est)); more > 0 {
			t.reserved.Output += more
			p.set.Adjust(p.s.clock.Now(), limit.Cost{Output: more})
		}
	}
	p.mu.Unlock()
}

// beyond raises est to output, a few tokens at a time, and returns by how much.
func beyond(output int64, est *int64) int64 {
	if output <= *est {
		return 0
	}
	more := (output - *est + topUp - 1) / topUp * topUp
	*est += more
	return more
}

// Settle ends the accounting with what the call used. Only the first of Settle, Abort, Refund and Keep counts; the others
// return false. The slot is given back by Release.
func (t *Ticket) Settle(u Usage) bool { return t.end(settle, u) }

// Abort settles an answer that was cut: with the input, and what was streamed or what u says, whichever is more.
func (t *Ticket) Abort(u Usage) bool { return t.end(abort, u) }

// Refund ends a call that failed before its first byte: all tokens come back, the request stays counted. When the answer had
// begun it is an Abort.
func (t *Ticket) Refund() bool { return t.end(refund, Usage{}) }

// Keep is Refund for a call whose next attempt follows: the reservation stays until a ticket with Call.Prior = t takes it
// over, or Drop gives it back. When the answer had begun it is an Abort.
func (t *Ticket) Keep() bool { return t.end(keep, Usage{}) }

// Unused ends a granted call that was never sent: everything comes back, the request too.
func (t *Ticket) Unused() bool { return t.end(unused, Usage{}) }

// Drop gives a kept reservation back. It does nothing when there is none.
func (t *Ticket) Drop() {
	p := t.pool
	if p == nil {
		return
	}
	p.mu.Lock()
	if t.kept {
		now := p.s.clock.Now()
		p.dropKept(t, now)
		p.shut(t)
		p.drain(now)
	}
	p.unlock()
}

// Release gives the slot back, once: call it when the upstream's connection is closed or free.
func (t *Ticket) Release() {
	p := t.pool
	if p == nil {
		return
	}
	p.mu.Lock()
	if t.slot {
		now := p.s.clock.Now()
		p.releaseSlot(t)
		p.shut(t)
		p.drain(now)
	}
	p.unlock()
}

// Done ends whatever is open: it cancels a waiting call, aborts or refunds one that was not settled, drops what was kept, and
// releases the slot. For the end of every path; it may be called more than once.
func (t *Ticket) Done() {
	if t.Cancel() {
		return
	}
	t.Refund()
	t.Drop()
	t.Release()
}
