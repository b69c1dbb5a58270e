package simmodel

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// An engine hands out batch slots in arrival order and tells how long work takes in them.
type engine struct {
	clock    Clock
	slots    int // 0: no bound
	maxQueue int
	prefill  float64
	decode   float64
	slowdown float64

	mu      sync.Mutex
	busy    int
	waiting list.List // of *waiter
	stats   *counters
	since   time.Time // of the last change of busy
}

type waiter struct {
	ready chan struct{}
	held  bool // under mu: the slot has been handed over
}

// prefillStep is how many prompt tokens are processed between two looks at the batch and the context.
const prefillStep = 512

var errQueueFull = &apiError{status: 503, typ: "server_error", code: "overloaded", kind: "queue", msg: "The server is currently overloaded with other requests. Please retry your request later."}

// acquire waits for a slot. The caller must call release exactly once when err is nil.
func (e *engine) acquire(ctx context.Context) error {
	e.mu.Lock()
	if err := ctx.Err(); err != nil {
		e.mu.Unlock()
		return err
	}
	if e.slots == 0 || e.busy < e.slots && e.waiting.Len() == 0 {
		e.count(+1)
		e.mu.Unlock()
		return nil
	}
	if e.maxQueue > 0 && e.waiting.Len() >= e.maxQueue {
		e.mu.Unlock()
		return errQueueFull
	}
	w := &waiter{ready: make(chan struct{})}
	el := e.waiting.PushBack(w)
	e.stats.queued(int64(e.waiting.Len()))
	e.mu.Unlock()

	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if w.held { // the slot came at the same moment: give it back
		e.count(-1)
		e.next()
		return ctx.Err()
	}
	e.waiting.Remove(el)
	return ctx.Err()
}

func (e *engine) release() {
	e.mu.Lock()
	e.count(-1)
	e.next()
	e.mu.Unlock()
}

func (e *engine) next() {
	for e.waiting.Len() > 0 && (e.slots == 0 || e.busy < e.slots) {
		w := e.waiting.Remove(e.waiting.Front()).(*waiter)
		w.held = true
		e.count(+1)
		close(w.ready)
	}
}

// count changes the number of busy slots and accounts slot time; mu is held.
func (e *engine) count(d int) {
	now := e.clock.Now()
	if e.busy > 0 {
		e.stats.slotTime += time.Duration(e.busy) * now.Sub(e.since)
	}
	e.since = now
	e.busy += d
}

func (e *engine) load() (busy, queued int, slotTime time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count(0)
	return e.busy, e.waiting.Len(), e.stats.slotTime
}

// factor is how much slower everything is with the present batch.
func (e *engine) factor() float64 {
	if e.slowdown == 0 {
		return 1
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return 1 + e.slowdown*float64(max(0, e.busy-1))
}

// cost is the time n tokens take at rate tokens per second with the present batch.
func (e *engine) cost(n int, rate float64) time.Duration {
	if rate <= 0 || n <= 0 {
		return 0
	}
	return time.Duration(float64(n) / rate * e.factor() * float64(time.Second))
}
