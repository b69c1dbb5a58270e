package lease

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Lease is this sidecar's part of one resource. It is safe for concurrent use; while the store answers, taking and
// putting back touch nothing but atomics.
type Lease struct {
	c *Client
	r Resource

	balance   atomic.Int64 // what may be taken; below 0 a debt
	until     atomic.Int64 // Unix nanoseconds: from here on TryTake looks closer
	floor     atomic.Int64 // a call that needs more than this passes with this: Rate on its own, where the bucket is no deeper
	low       atomic.Int64 // below this a renewal is due
	alone     atomic.Bool  // the store is away
	signalled atomic.Bool  // a renewal is wanted
	wanted    atomic.Int64 // the largest call that was refused and has not been granted since
	used      atomic.Int64 // taken less put back, ever
	taken     atomic.Int64 // taken, ever
	denied    atomic.Int64
	fallback  atomic.Int64
	costs     costs

	mu sync.Mutex
	state
}

// TryTake takes n units if they are there: of a Rate and a Budget for good, of Slots until Put. now is the client's clock.
func (l *Lease) TryTake(now time.Time, n int64) bool {
	if now.UnixNano() >= l.until.Load() {
		l.look(now)
	}
	for {
		b := l.balance.Load()
		if b < n && b < l.floor.Load() {
			l.refuse(n)
			return false
		}
		if l.balance.CompareAndSwap(b, b-n) {
			l.costs.add(n)
			l.took(n, b-n)
			return true
		}
	}
}

// Take takes n units without asking, for what turns out to cost more than was taken; it may leave a debt that later grants
// pay first.
func (l *Lease) Take(n int64) {
	l.took(n, l.balance.Add(-n))
}

// Put puts n units back: a refund of what was not used, or slots that are free again.
func (l *Lease) Put(n int64) {
	l.balance.Add(n)
	l.used.Add(-n)
}

func (l *Lease) took(n, rest int64) {
	l.used.Add(n)
	l.taken.Add(n)
	if l.alone.Load() {
		l.fallback.Add(n)
	}
	if rest < l.low.Load() {
		l.signal()
	}
}

func (l *Lease) refuse(n int64) {
	l.denied.Add(1)
	for {
		w := l.wanted.Load()
		if n <= w || l.wanted.CompareAndSwap(w, n) {
			break
		}
	}
	l.signal()
}

// Waive withdraws the wish for a call of n units or more that was refused: as long as it is wanted, less than it needs is not
// granted. It reports whether there was one. What is held and what was used stay.
func (l *Lease) Waive(n int64) bool {
	w := l.wanted.Load()
	return w > 0 && w >= n && l.wanted.CompareAndSwap(w, 0)
}

// Resize changes the limit. What is held and what was used stay; the store hears of it with the next report.
func (l *Lease) Resize(limit int64) error {
	if limit < 0 || limit > maxUnits {
		return fmt.Errorf("%w %q: limit %d is out of range", errResource, l.r.Key, limit)
	}
	l.mu.Lock()
	l.r.Limit = limit
	l.mu.Unlock()
	l.signal()
	return nil
}

func (l *Lease) signal() {
	if !l.signalled.Load() && l.signalled.CompareAndSwap(false, true) {
		l.c.poke()
	}
}

// When estimates how long it is until n units may be taken; 0 when they are there. Of a budget that is used up it is the end
// of the window.
func (l *Lease) When(now time.Time, n int64) time.Duration {
	missing := min(n, l.floor.Load()) - l.balance.Load()
	if missing <= 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.r.Kind {
	case Rate:
		speed := l.share
		if l.failing {
			speed = l.speed()
		}
		if speed <= 0 {
			return l.c.o.Delta
		}
		d := float64(missing)/speed*float64(l.r.Per) + 1
		return time.Duration(min(d, float64(math.MaxInt64/2)))
	case Budget:
		if l.known+missing > l.r.Limit || l.alone.Load() {
			return max(l.ends.Sub(now), 0)
		}
	}
	return l.c.o.Delta
}

// Share is what Changed was last told.
func (l *Lease) Share() Share {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shown()
}

// Counters are the lease's figures by now.
func (l *Lease) Counters() Counters {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Counters{
		Held: l.balance.Load(), Used: l.used.Load(), Granted: l.granted, Wasted: l.wasted, Denied: l.denied.Load(),
		Fallback: l.fallback.Load(), Renewals: l.renewals, Failures: l.failures,
	}
}

// costs remembers what the last calls cost.
type costs struct {
	next atomic.Uint32
	ring [64]atomic.Int64
}

func (c *costs) add(n int64) {
	c.ring[c.next.Add(1)%uint32(len(c.ring))].Store(n)
}

// p95 is the 95th percentile of the calls remembered, 0 before the first.
func (c *costs) p95() int64 {
	var seen [len(c.ring)]int64
	all := seen[:0]
	for i := range c.ring {
		if n := c.ring[i].Load(); n > 0 {
			all = append(all, n)
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[(len(all)-1)*95/100]
}
