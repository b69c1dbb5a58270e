package ratelimit

import (
	"math"
	"math/bits"
	"slices"
	"time"
)

// programOrder is the order of a tenant's programs.
//
// Three levels, each strictly before the next:
//
//  1. programs below the cut, the one that attained least first (least attained service, the best order for the mean that needs
//     no knowledge of the future while most programs are small: Nuyens and Wierman, "The Foreground-Background queue", 2008);
//  2. programs beyond the cut that are in debt, by the program's arrival: large ones finish one after another instead of all
//     together at the end;
//  3. the other programs beyond the cut, the one that attained least first.
//
// The cut is what all but lateShare of a tenant's programs cost at most, learnt from what they have attained so far; those that
// still wait are censored, so that a backlog does not pull the cut down (Kaplan and Meier, 1958). A program is in debt once it
// has waited, over all its calls, patience times as long as programs need to reach the cut when nothing makes them wait. Both
// are ratios: nothing here is in seconds or tokens, and there is one set of parameters for every load.
//
// The order has no clock of its own: its time is the arrival of the latest call that it has seen. As long as nothing arrives,
// nobody overtakes.
//
// Starvation is bounded by queue (promoteShare), whatever this order says.
type programOrder struct {
	low, late, rest heap[standing]
	due             heap[standing] // those of rest, by when they are in debt
	of              map[*flow]*standing
	now             time.Time
	costs           survival
	toCut           recent // how long programs took to reach the cut, without their waits
}

const (
	lateShare = 0.13
	patience  = 3
)

// A standing is one flow's place in the order. It outlives the flow's queue, until its program is forgotten.
type standing struct {
	f       *flow
	level   level
	since   time.Time     // when it began to wait
	waited  time.Duration // before that
	dueAt   time.Time
	at, due int
	counted int // the bin of costs in which it waits
}

type level uint8

const (
	first level = iota
	indebted
	remaining
)

func newProgramLevels() *programOrder {
	byArrival := func(x, y *standing) bool { return x.f.prog.seq < y.f.prog.seq }
	least := func(x, y *standing) bool {
		if x.f.prog.attained != y.f.prog.attained {
			return x.f.prog.attained < y.f.prog.attained
		}
		return byArrival(x, y)
	}
	place := func(s *standing) *int { return &s.at }
	return &programOrder{
		low:  heap[standing]{before: least, at: place},
		late: heap[standing]{before: byArrival, at: place},
		rest: heap[standing]{before: least, at: place},
		due: heap[standing]{
			before: func(x, y *standing) bool { return x.dueAt.Before(y.dueAt) },
			at:     func(s *standing) *int { return &s.due },
		},
		of: make(map[*flow]*standing),
	}
}

func (o *programOrder) add(f *flow) {
	s := o.of[f]
	if s == nil {
		s = &standing{f: f}
		o.of[f] = s
	}
	o.at(f.headAt())
	s.since = o.now
	s.counted = costBin(f.prog.attained)
	o.costs.waiting[s.counted]++
	o.put(s)
}

func (o *programOrder) remove(f *flow) {
	s := o.of[f]
	o.take(s)
	o.costs.waiting[s.counted]--
	s.waited += o.now.Sub(s.since)
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

// put finds s's level by what is known now; it keeps it until its ledger changes or its debt is due.
func (o *programOrder) put(s *standing) {
	if s.f.prog.attained < o.costs.cut() {
		s.level = first
		o.low.push(s)
		return
	}
	s.dueAt = s.since.Add(o.patience() - s.waited)
	if !s.dueAt.After(o.now) {
		s.level = indebted
		o.late.push(s)
		return
	}
	s.level = remaining
	o.rest.push(s)
	o.due.push(s)
}

func (o *programOrder) take(s *standing) {
	switch s.level {
	case first:
		o.low.remove(s)
	case indebted:
		o.late.remove(s)
	case remaining:
		o.rest.remove(s)
		o.due.remove(s)
	}
}

// patience is what a program waits before it is in debt.
func (o *programOrder) patience() time.Duration {
	m := o.toCut.median()
	if m > math.MaxInt64/(2*patience) {
		return math.MaxInt64 / 2
	}
	return patience * m
}

// at takes a time that the order was told.
func (o *programOrder) at(t time.Time) {
	if t.After(o.now) {
		o.now = t
	}
}

// settleDebts moves those that are in debt by now.
func (o *programOrder) settleDebts() {
	for s := o.due.min(); s != nil && !s.dueAt.After(o.now); s = o.due.min() {
		o.take(s)
		s.level = indebted
		o.late.push(s)
	}
}

func (o *programOrder) first() *flow {
	o.settleDebts()
	for _, h := range []*heap[standing]{&o.low, &o.late, &o.rest} {
		if s := h.min(); s != nil {
			return s.f
		}
	}
	return nil
}

func (o *programOrder) visit(n int, f func(*flow) bool) {
	o.settleDebts()
	for _, h := range []*heap[standing]{&o.low, &o.late, &o.rest} {
		if !h.visit(n, func(s *standing) bool { return f(s.f) }) {
			return
		}
		if n -= h.len(); n <= 0 {
			return
		}
	}
}

func (o *programOrder) charged(p *program, before int64) {
	o.at(p.arrived)
	cut := o.costs.cut()
	o.costs.move(before, p.attained)
	if before >= cut || p.attained < cut {
		return
	}
	took := o.now.Sub(p.arrived)
	for _, f := range p.flows {
		if s := o.of[f]; s != nil {
			took -= s.waited
		}
	}
	if took > 0 {
		o.toCut.add(took)
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

// recent keeps the last few durations for their median: a session that its user left alone for hours does not move it.
type recent struct {
	last [33]time.Duration
	n    int
	mid  time.Duration
}

func (r *recent) add(d time.Duration) {
	r.last[r.n%len(r.last)] = d
	r.n++
	sorted := r.last
	known := sorted[:min(r.n, len(sorted))]
	slices.Sort(known)
	r.mid = known[len(known)/2]
}

// median is longer than anything while nothing is known.
func (r *recent) median() time.Duration {
	if r.n == 0 {
		return math.MaxInt64
	}
	return r.mid
}
