package ratelimit

import (
	"math"
	"math/bits"
	"time"
)

// programOrder is the order of a tenant's programs: two levels, the first strictly before the second.
//
//  1. Programs below the cut, the one that attained least first (least attained service, the best order for the mean that needs
//     no knowledge of the future while most programs are small: Nuyens and Wierman, "The Foreground-Background queue", 2008).
//  2. Programs beyond the cut, the one that is furthest behind its fair share first: fair is what the tenant is served while
//     calls wait, divided by the programs that wait, and a program stands where keenness times that share would have brought it
//     to what it has attained, counted from its arrival. A young large program so has something of least attained service, an
//     old one is not passed for ever, and large ones finish one after another instead of all together at the end.
//
// The cut is what all but lateShare of a tenant's programs cost at most, learnt from what they have attained so far; those that
// still wait are censored, so that a backlog does not pull the cut down (Kaplan and Meier, 1958). Nothing here is in seconds or
// tokens, and there is one set of parameters for every load.
//
// The order has no clock of its own: its time is the arrival of the latest call that it has seen.
//
// Starvation is bounded by queue (promoteShare), whatever this order says.
type programOrder struct {
	low, large heap[standing]
	of         map[*flow]*standing
	now        time.Time
	costs      survival
	rate       rate // of this tenant's service
}

const (
	lateShare = 0.13
	keenness  = 2
)

// A standing is one flow's place in the order. It outlives the flow's queue, until its program is forgotten.
type standing struct {
	f       *flow
	beyond  bool      // the cut
	fair    time.Time // when fair service would have brought it this far
	at      int
	counted int // the bin of costs in which it waits
}

func newProgramLevels() *programOrder {
	place := func(s *standing) *int { return &s.at }
	least := func(x, y *standing) bool {
		if x.f.prog.attained != y.f.prog.attained {
			return x.f.prog.attained < y.f.prog.attained
		}
		return x.f.prog.seq < y.f.prog.seq
	}
	behind := func(x, y *standing) bool {
		if !x.fair.Equal(y.fair) {
			return x.fair.Before(y.fair)
		}
		return least(x, y)
	}
	return &programOrder{
		low: heap[standing]{before: least, at: place}, large: heap[standing]{before: behind, at: place},
		of: make(map[*flow]*standing),
	}
}

func (o *programOrder) len() int { return o.low.len() + o.large.len() }

func (o *programOrder) add(f *flow) {
	s := o.of[f]
	if s == nil {
		s = &standing{f: f}
		o.of[f] = s
	}
	o.at(f.headAt())
	if o.len() == 0 {
		o.rate.wait(o.now)
	}
	s.counted = costBin(f.prog.attained)
	o.costs.waiting[s.counted]++
	o.put(s)
}

func (o *programOrder) remove(f *flow) {
	s := o.of[f]
	o.take(s)
	o.costs.waiting[s.counted]--
}

func (o *programOrder) fix(f *flow) {
	s := o.of[f]
	o.take(s)
	if b := costBin(f.prog.attained); b != s.counted {
		o.costs.waiting[s.counted]--
		o.costs.waiting[b]++
		s.counted = b
	}
	o.put(s)
}

// put finds s's place by what is known now; it keeps it until its ledger changes.
func (o *programOrder) put(s *standing) {
	p := s.f.prog
	s.beyond, s.f.level = p.attained >= o.costs.cut(), 0
	if !s.beyond {
		o.low.push(s)
		return
	}
	s.f.level = 1
	s.fair = p.arrived
	if r := o.rate.perSecond(); r > 0 {
		s.fair = p.arrived.Add(seconds(float64(p.attained) * float64(o.len()+1) / (keenness * r)))
	}
	o.large.push(s)
}

func (o *programOrder) take(s *standing) {
	if s.beyond {
		o.large.remove(s)
	} else {
		o.low.remove(s)
	}
}

// at takes a time that the order was told.
func (o *programOrder) at(t time.Time) {
	if t.After(o.now) {
		o.now = t
	}
}

func (o *programOrder) first() *flow {
	s := o.low.min()
	if s == nil {
		s = o.large.min()
	}
	if s == nil {
		return nil
	}
	return s.f
}

func (o *programOrder) visit(n int, f func(*flow) bool) {
	each := func(s *standing) bool { return f(s.f) }
	if o.low.visit(n, each) && n > o.low.len() {
		o.large.visit(n-o.low.len(), each)
	}
}

func (o *programOrder) charged(p *program, before int64) {
	o.at(p.arrived)
	o.costs.move(before, p.attained)
	if o.len() > 0 {
		o.rate.served(o.now, p.attained-before)
	}
}

func (o *programOrder) ends(p *program) {
	for _, f := range p.flows {
		delete(o.of, f)
	}
}

// survival knows which part of a tenant's programs goes on beyond each cost. A program that waits may yet go on, so it says
// nothing about the bin in which it waits.
type survival struct {
	reached [costBins]float64 // programs whose cost has come to this bin; older ones count less
	waiting [costBins]float64 // those whose cost is in this bin, and which wait
	known   int64
	stale   int // changes since known was computed
}

const (
	costBins     = 256
	survivalKeep = 4096 // programs, after which older ones count half
	survivalMin  = 32   // programs that must be known
	survivalLook = 32   // changes after which the cut is computed again
)

// costBin counts quarter octaves from 1; bin 0 is for what has cost nothing yet.
func costBin(cost int64) int {
	if cost <= 0 {
		return 0
	}
	top := bits.Len64(uint64(cost)) - 1
	return 1 + 4*top + int((uint64(cost)<<2>>top)&3)
}

// costEdge is the smallest cost of a bin.
func costEdge(b int) float64 {
	if b <= 0 {
		return 0
	}
	return math.Ldexp(float64(4+(b-1)%4), (b-1)/4-2)
}

// move notes that a program's cost has changed, by a charge or by a correction.
func (s *survival) move(before, now int64) {
	was, is := costBin(before), costBin(now)
	for b := was + 1; b <= is; b++ {
		s.reached[b]++
	}
	for b := is + 1; b <= was; b++ {
		s.reached[b] = max(0, s.reached[b]-1)
	}
	if s.reached[1] > survivalKeep {
		for b := range s.reached {
			s.reached[b] /= 2
		}
	}
	s.stale++
}

// cut is the cost beyond which lateShare of the programs go; without enough of them, none does.
func (s *survival) cut() int64 {
	if s.known == 0 || s.stale >= survivalLook {
		s.known, s.stale = s.look(), 0
	}
	return s.known
}

func (s *survival) look() int64 {
	if s.reached[1]-s.waiting[1] < survivalMin {
		return math.MaxInt64
	}
	alive := 1.0
	for b := 1; b < costBins-1; b++ {
		on := s.reached[b+1]
		of := max(on, s.reached[b]-s.waiting[b])
		if on <= 0 {
			return int64(costEdge(b + 1))
		}
		left := alive * on / of
		if left <= lateShare {
			part := math.Log(alive/lateShare) / math.Log(alive/left)
			return int64(costEdge(b) + part*(costEdge(b+1)-costEdge(b)))
		}
		alive = left
	}
	return math.MaxInt64
}
