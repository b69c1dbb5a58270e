package ratelimit

import (
	"sync"
	"time"
)

// An event is something to be told once the lock is free.
type event struct {
	kind  kind
	quiet bool // Submit tells the ticket itself
	hit   bool
	t     *Ticket
	err   *Rejected
	d     time.Duration
	cause Cause
	u     Usage
	n     int64
}

type kind uint8

const (
	evGranted kind = iota
	evRejected
	evPromoted
	evCancelled
	evSettled
	evDispatch
	evHeld
)

// unlock releases the lock and tells what happened, in order. Whoever is telling already goes on with what others add, so a
// callback that calls back into the pool does not nest.
func (p *Pool) unlock() {
	if len(p.out) == 0 || p.delivering {
		p.mu.Unlock()
		return
	}
	p.delivering = true
	for len(p.out) > 0 {
		batch := p.out
		p.out, p.spare = p.spare[:0], nil
		p.mu.Unlock()
		p.tell(batch)
		p.mu.Lock()
		clear(batch)
		p.spare = batch[:0]
	}
	p.delivering = false
	p.mu.Unlock()
}

// tell survives a callback that panics: the pool goes on, the panic too.
func (p *Pool) tell(batch []event) {
	done := false
	defer func() {
		if !done {
			p.mu.Lock()
			p.delivering = false
			p.mu.Unlock()
		}
	}()
	for i := range batch {
		batch[i].tell(p)
	}
	done = true
}

func (e *event) tell(p *Pool) {
	o := &p.s.obs
	switch e.kind {
	case evGranted:
		if o.Granted != nil {
			o.Granted(p, e.t, e.d, e.cause)
		}
		if !e.quiet {
			e.t.answer(nil)
		}
	case evRejected:
		if o.Rejected != nil {
			o.Rejected(p, &e.t.Call, e.err)
		}
		e.t.answer(e.err)
	case evPromoted:
		o.Promoted(p, e.t)
	case evCancelled:
		o.Cancelled(p, e.t, e.d)
	case evSettled:
		o.Settled(p, e.t, e.u, e.n)
	case evDispatch:
		o.Dispatch(p, e.d)
	case evHeld:
		o.Held(p, e.d, e.hit)
	}
}

func (t *Ticket) answer(err error) {
	switch {
	case t.done != nil:
		t.done <- err
	case t.Ready != nil:
		t.Ready(t, err)
	}
}

// places remembers where calls stood that ended without an answer, for the exchanges that repeat them.
type places struct {
	mu   sync.Mutex
	at   map[placeKey]time.Time
	ring []placeKey
	next int
}

type placeKey struct{ tenant, exchange string }

// maxPlaces bounds them; the oldest goes.
const maxPlaces = 4096

func (l *places) put(t *Ticket) {
	k := placeKey{t.Call.Tenant, t.Call.Exchange}
	if k.exchange == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at == nil {
		l.at, l.ring = make(map[placeKey]time.Time), make([]placeKey, maxPlaces)
	}
	if old, ok := l.at[k]; ok {
		if t.enq.Before(old) {
			l.at[k] = t.enq
		}
		return
	}
	delete(l.at, l.ring[l.next])
	l.ring[l.next] = k
	l.next = (l.next + 1) % maxPlaces
	l.at[k] = t.enq
}

// take gives a place away, once: of two repeats only one stands where the first stood.
func (l *places) take(tenant, exchange string) (time.Time, bool) {
	k := placeKey{tenant, exchange}
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.at[k]
	delete(l.at, k)
	return at, ok
}
