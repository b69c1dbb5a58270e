package lease

import (
	"math"
	"time"
)

// renewAt is the part of a block below which it is renewed.
const renewAt = 0.3

// longest is how long the store remembers a rate or slots that nobody uses.
const longest = time.Hour

// due is when the next report is.
func (l *Lease) due() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := &l.c.o
	switch {
	case l.leaving:
		return time.Time{}
	case l.signalled.Load() && !l.failing:
		return l.sent.Add(l.gap)
	case l.idle && !l.failing && !l.signalled.Load():
		return l.sent.Add(o.Grace / 2)
	}
	return l.sent.Add(max(o.Delta, l.gap))
}

// A pending report is one that waits for its answer.
type pending struct {
	l      *Lease
	excess int64 // of the balance, and not to be held once the store answers
	old    Share
}

// report states the lease for the store, after taking out of use what it gives back.
func (l *Lease) report(now time.Time) (Report, pending) {
	l.demands = l.demands[:0]
	if l.r.Demands != nil { // with no lock held: it may take the scheduler's, under which others call us
		l.demands = tidy(l.r.Demands(l.demands))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p := pending{l: l, old: l.shown()}
	l.settle(now)
	l.signalled.Store(false)
	l.want(now)
	o := &l.c.o
	l.seq++
	r := Report{
		Key: l.key, Kind: l.r.Kind, Limit: l.r.Limit, Per: l.r.Per, Sidecars: l.r.Sidecars,
		Delta: o.Delta, TTL: o.TTL, Grace: o.Grace, Life: max(longest, o.TTL+o.Grace),
		Holder: o.Holder, Sidecar: o.Sidecar, Seq: l.seq, Gen: l.gen, Demands: l.demands, Failed: l.failing, Leave: l.leaving,
	}
	if l.r.Kind == Budget {
		r.Life = max(l.ends.Sub(now), 0) + o.TTL + o.Grace
	}
	back := l.restore()
	l.plan()
	b := l.balance.Load()
	switch l.r.Kind {
	case Slots:
		r.Held, r.Used = max(l.given, 0), l.given-b
	case Rate:
		r.Held, r.Back = max(b, 0), back
		l.wish(&r, b)
	case Budget:
		r.Prior, r.Used, r.Known, r.Was = l.prior, l.given-b, l.known, max(l.was, 0)
		r.Held = max(b, 0)
		if l.failing && l.lapsed {
			r.Held = max(min(r.Held, l.was-r.Used), 0)
		}
		p.excess = max(b, 0) - r.Held
		if l.failing && !l.leaving {
			r.Alone = max(l.allowance(r.Used)-r.Held, 0)
		}
		l.wish(&r, b)
	}
	l.sent = now
	return r, p
}

// restore takes out of use what the report gives back: all when there was nothing to do for a while, else what refunds have
// piled up.
func (l *Lease) restore() (back int64) {
	b := l.balance.Load()
	switch {
	case l.r.Kind == Slots && (l.leaving || l.idle):
		return l.release(b)
	case l.r.Kind == Slots:
		return 0
	case l.leaving || l.idle:
		back = l.release(b)
	case !l.failing && l.block > 0 && b > 2*l.block:
		back = l.release(b - l.block)
	}
	if !l.failing || l.r.Kind == Budget && !l.lapsed { // else it was not granted
		l.wasted += back
	}
	return back
}

// want finds out whether there is anything to do, and guesses the demand if nobody told it.
func (l *Lease) want(now time.Time) {
	taken, denied, used := l.taken.Load(), l.denied.Load(), l.given-l.balance.Load()
	spent, refused := taken-l.counted, denied > l.refused
	if l.r.Demands == nil {
		l.guess(now, spent, used, refused)
	}
	l.counted, l.refused = taken, denied
	busy := spent > 0 || refused || l.wanted.Load() > 0 || l.balance.Load() < 0 ||
		l.r.Demands != nil && len(l.demands) > 0 || l.r.Kind == Slots && used > 0
	if busy {
		l.active = now
	}
	rest := l.c.o.Delta
	if l.r.Kind == Budget {
		rest = l.c.o.TTL // a block of a budget that rests keeps nobody waiting
	}
	l.idle = !busy && now.Sub(l.active) >= rest
	if l.idle {
		l.demands, l.estimate = l.demands[:0], 0
	}
}

// tidy makes demands such as a store takes them.
func tidy(all []Demand) []Demand {
	kept := all[:0]
	for _, d := range all {
		if d.Amount <= 0 {
			continue
		}
		if !(d.Weight > 0) {
			d.Weight = 1
		}
		d.Weight, d.Amount = min(d.Weight, 1e9), min(d.Amount, maxUnits)
		d.Tenant = d.Tenant[:min(len(d.Tenant), maxName)]
		if len(kept) == maxDemands {
			last := &kept[maxDemands-1]
			*last = Demand{Weight: 1, Amount: min(last.Amount+d.Amount, maxUnits)}
			continue
		}
		kept = append(kept, d)
	}
	return kept
}

// guess is the demand of a lease that nobody speaks for: what was lately taken, and twice that as long as calls are refused.
func (l *Lease) guess(now time.Time, spent, used int64, refused bool) {
	n := float64(used)
	if l.r.Kind != Slots {
		delta := l.c.o.Delta
		lately := float64(spent) * float64(delta) / float64(max(now.Sub(l.sent), delta/4))
		l.estimate = max(lately, (l.estimate+lately)/2)
		n = l.estimate
	}
	if refused || l.wanted.Load() > 0 {
		n = max(2*n, n+float64(l.wanted.Load()))
		l.estimate = min(n, float64(l.r.Limit))
	}
	if n = min(n, float64(l.r.Limit)); n >= 1 {
		l.demands = append(l.demands, Demand{Weight: 1, Amount: int64(math.Ceil(n))})
	}
}

// plan sizes the block: max(2 x p95 cost, the share of the next Delta as far as it is wanted).
func (l *Lease) plan() {
	want := 0.0
	for _, d := range l.demands {
		want += float64(d.Amount)
	}
	next := l.share
	if l.gen == "" {
		next = float64(l.r.static())
	}
	if l.r.Kind == Rate {
		next *= float64(l.c.o.Delta) / float64(l.r.Per)
	}
	l.block = max(2*l.costs.p95(), int64(math.Ceil(min(want, next))))
}

// wish fills in what the report asks for. An idle lease asks for nothing.
func (l *Lease) wish(r *Report, b int64) {
	wanted := l.wanted.Load()
	r.Depth = max(l.depth(), wanted-b)
	if l.idle || l.leaving {
		return
	}
	r.Need = max(wanted-b, 0) // a debt is paid first
	r.Ask = min(max(l.block-b, r.Need), maxUnits)
}

// granted takes the answer to a report. It returns the share if the scheduler has to know.
func (p *pending) granted(r *Report, g Grant) (Share, bool) {
	l := p.l
	l.mu.Lock()
	defer l.mu.Unlock()
	l.renewals++
	if l.closed || l.key != r.Key {
		return Share{}, false // of a window that is over
	}
	l.failing, l.lapsed, l.heard = false, false, true
	l.alone.Store(false)
	l.floor.Store(math.MaxInt64)
	l.grow(-p.excess)
	if l.r.Kind == Slots {
		l.gap = l.c.o.Delta / 4
		if n := g.Amount - l.given; n > 0 {
			l.granted += n
			l.gap = l.c.o.Delta / 50
		}
		l.grow(g.Amount - l.given)
	} else {
		l.gap = l.c.o.Delta / 50
		l.granted += g.Amount
		l.grow(g.Amount)
		l.low.Store(int64(renewAt * float64(l.block)))
	}
	if g.Retry > 0 {
		l.gap = g.Retry
	}
	if w := l.wanted.Load(); w > 0 && l.balance.Load() >= w {
		l.wanted.CompareAndSwap(w, 0)
	}
	l.gen, l.share, l.known, l.was = g.Gen, g.Share, g.Total, r.Used+r.Held+g.Amount
	l.lapse = l.sent.Add(l.c.o.TTL)
	l.name(r, g)
	l.until.Store(l.horizon())
	s := l.shown()
	return s, g.Amount > 0 && l.r.Kind != Slots || differ(p.old, s)
}

// name keeps the tenants' parts.
func (l *Lease) name(r *Report, g Grant) {
	l.parts = nil
	if len(g.Tenants) == len(r.Demands) && len(r.Demands) > 0 {
		l.parts = make(map[string]float64, len(r.Demands))
		for i, d := range r.Demands {
			l.parts[d.Tenant] += g.Tenants[i]
		}
	}
}

// failed notes that a report was not answered.
func (p *pending) failed(now time.Time) (Share, bool) {
	l := p.l
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures++
	if l.closed {
		return Share{}, false
	}
	l.gap = 0
	if !l.failing {
		l.failing, l.filled = true, now
		l.alone.Store(true)
	}
	l.settle(now)
	s := l.shown()
	return s, differ(p.old, s)
}

func differ(a, b Share) bool {
	if a.Amount != b.Amount || a.Fallback != b.Fallback || len(a.Tenants) != len(b.Tenants) {
		return true
	}
	for t, n := range b.Tenants {
		if a.Tenants[t] != n {
			return true
		}
	}
	return false
}

// close ends the lease: nothing more may be taken.
func (l *Lease) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.release(l.balance.Load())
	l.floor.Store(math.MaxInt64)
	l.until.Store(math.MaxInt64)
}
