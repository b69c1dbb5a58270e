package lease

import (
	"math"
	"time"
)

// state is what a Lease knows besides its balance. Guarded by Lease.mu.
type state struct {
	// given is what may be used in all: granted, or allowed by the static share, and not given back. What is used of it (of
	// a Budget, in this window; of Slots, now) is given - balance.
	given int64
	share float64 // of the last grant, see Grant.Share
	parts map[string]float64
	block int64 // what a lease should hold: Rate, Budget
	known int64 // Budget: Total of the last grant
	was   int64 // Budget: used and held after the last grant
	heard bool  // Budget: there was a grant in this window
	prior int64 // Budget: used in this window before the start

	key    string // in the store
	ends   time.Time
	gen    string
	seq    uint64
	lapse  time.Time // of the last grant
	lapsed bool
	filled time.Time // Rate on its own: up to when the bucket is filled

	sent    time.Time     // the last report
	gap     time.Duration // before this a report is not worth it
	idle    bool          // all was given back
	failing bool          // the last exchange failed
	leaving bool
	closed  bool
	active  time.Time // when there was something to do

	counted  int64 // taken, at the last report
	refused  int64 // denied, at the last report
	estimate float64
	demands  []Demand // of the last report; only the client's goroutine touches it

	granted, wasted, renewals, failures int64
}

// look brings the lease to now when its time has come: the hot path's slow side.
func (l *Lease) look(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(now)
}

// settle applies what the passing of time does to a lease: the window that ends, the TTL, and the refill of one that is on
// its own.
func (l *Lease) settle(now time.Time) {
	if l.closed {
		return
	}
	if l.r.Kind == Budget && !now.Before(l.ends) {
		l.roll(now)
	}
	if !l.lapsed && !now.Before(l.lapse) {
		l.lapsed = true
		switch {
		case l.r.Kind == Rate && l.failing:
			l.drop(l.balance.Load() - l.burst())
		case l.r.Kind == Rate:
			l.drop(l.balance.Load())
		case l.r.Kind == Slots && !l.failing:
			l.grow(-l.given)
		}
	}
	if l.failing {
		l.fend(now)
	}
	l.until.Store(l.horizon())
}

// horizon is the time at which TryTake has to look again, in Unix nanoseconds.
func (l *Lease) horizon() int64 {
	switch {
	case l.r.Kind == Budget && l.lapsed:
		return l.ends.UnixNano()
	case l.r.Kind == Slots && l.lapsed && l.failing:
		return math.MaxInt64
	case l.lapsed || l.r.Kind == Rate && l.failing:
		return 0
	case l.r.Kind == Budget && l.ends.Before(l.lapse):
		return l.ends.UnixNano()
	}
	return l.lapse.UnixNano()
}

// grow changes what may be used by n, which may be negative.
func (l *Lease) grow(n int64) {
	l.given += n
	l.balance.Add(n)
}

// drop loses n units of what was granted.
func (l *Lease) drop(n int64) {
	if n > 0 {
		l.grow(-n)
		l.wasted += n
	}
}

// release takes up to n units of the balance out of use, and returns how many.
func (l *Lease) release(n int64) int64 {
	for n > 0 {
		b := l.balance.Load()
		if b <= 0 {
			return 0
		}
		back := min(b, n)
		if l.balance.CompareAndSwap(b, b-back) {
			l.given -= back
			return back
		}
	}
	return 0
}

// burst is how deep the bucket of a Rate on its own is: its static part of the depth.
func (l *Lease) burst() int64 { return max(l.depth()/int64(l.r.Sidecars), 1) }

func (l *Lease) depth() int64 {
	d := l.r.Depth
	if d == 0 {
		d = l.r.Limit / 25
	}
	return max(d, l.costs.p95(), 1)
}

// fend gives a lease whose store is away what is its own.
func (l *Lease) fend(now time.Time) {
	switch {
	case l.r.Kind == Rate:
		speed := l.speed() / float64(l.r.Per)
		n := int64(speed * float64(now.Sub(l.filled)))
		if room := l.burst() - l.balance.Load(); n >= room {
			n, l.filled = max(room, 0), now
		} else if n > 0 {
			l.filled = l.filled.Add(time.Duration(float64(n) / speed))
		}
		l.grow(n)
		l.floor.Store(l.burst())
	case l.lapsed && l.r.Kind == Budget:
		used := l.given - l.balance.Load()
		l.grow(l.allowance(used) - max(l.given-used, 0))
	case l.lapsed:
		l.grow(l.r.static() - l.given)
	}
}

// allowance is what of a budget may be spent without the store: up to the static share of the window, and to the same part of
// what was left at the last contact.
func (l *Lease) allowance(used int64) int64 {
	may := l.r.static() - l.prior - used
	if l.heard {
		may = min(may, l.was+max(l.r.Limit-l.known, 0)/int64(l.r.Sidecars)-used)
	}
	return max(may, 0)
}

// speed is how fast a Rate on its own is refilled, in units for each Per.
func (l *Lease) speed() float64 {
	s := float64(l.r.Limit) / float64(l.r.Sidecars)
	if !l.lapsed {
		s = min(s, l.share)
	}
	return s
}

// roll begins the window that now lies in. A block of the last one is gone with it.
func (l *Lease) roll(now time.Time) {
	id, end := l.r.Window(now)
	if !end.After(now) {
		end = now.Add(l.c.o.Delta)
	}
	if b := l.balance.Swap(0); b > 0 && l.key != "" {
		l.wasted += b
	}
	if l.key == "" {
		l.prior = l.r.Used
	} else {
		l.prior = 0
	}
	l.key, l.ends = l.r.Key+"@"+id, end
	l.given, l.known, l.was, l.gen, l.heard = 0, 0, 0, "", false
	l.lapsed = true
}

// shown is the share as the scheduler sees it.
func (l *Lease) shown() Share {
	s := Share{Amount: l.share, Tenants: l.parts}
	if l.failing {
		s.Fallback, s.Tenants = true, nil
	}
	switch {
	case l.r.Kind == Rate && l.failing:
		s.Amount = l.speed()
	case l.r.Kind == Budget:
		s.Amount = float64(max(l.balance.Load(), 0))
	case l.r.Kind == Slots:
		s.Amount = float64(max(l.given, 0))
	}
	return s
}
