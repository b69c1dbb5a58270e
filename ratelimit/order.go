package ratelimit

import "time"

// An order says which of a leaf's flows goes next. All of its methods are O(log n) in the number of flows that wait. It is
// called with the pool's lock held.
//
// What it may look at: f.head (cost, enq), f.headAt, f.prog.attained, .arrived, .waited, .calls, and the rank of f.
// f.posMain and f.level are its own.
type order interface {
	add(f *flow)    // f has a call that waits
	remove(f *flow) // f has none any more
	fix(f *flow)    // f's head or its program's ledger has changed
	first() *flow   // nil when there is none
	// visit calls f with at most n flows, in about the order in which they would go, until it returns false.
	visit(n int, f func(*flow) bool)
	// charged tells that p's attained service was before until now, whether p waits or not.
	charged(p *program, before int64)
	// ends tells that p has been idle the longest and is forgotten.
	ends(p *program)
}

// promoteShare bounds starvation inside a tenant: one part in promoteShare of its service goes to the oldest waiting call,
// whatever the order says. So a call before which calls of a total cost A are older (its own cost included) is dispatched
// before its tenant has been given promoteShare x A of service and one more call, whatever arrives later.
const promoteShare = 20

// A queue is a leaf: its flows in their order, and the oldest heads beside it.
type queue struct {
	ord    order
	aged   *heap[flow] // by the head's arrival; nil when the order is that already
	credit int64       // service that others had meanwhile, not used up by promotions
	ahead  int64       // cost that cache affinity has let pass since the order last chose
}

func (q *queue) add(f *flow) {
	q.ord.add(f)
	if q.aged != nil {
		q.aged.push(f)
	}
}

func (q *queue) remove(f *flow) {
	q.ord.remove(f)
	if q.aged != nil {
		q.aged.remove(f)
		if q.aged.len() == 0 {
			q.credit = 0 // nobody waits, nobody saves
		}
	}
}

func (q *queue) fix(f *flow) {
	q.ord.fix(f)
	if q.aged != nil {
		q.aged.fix(f)
	}
}

// first is the flow to go; promoted says that the starvation bound chose it.
func (q *queue) first() (f *flow, promoted bool) {
	f = q.ord.first()
	if q.aged == nil {
		return f, false
	}
	if old := q.aged.min(); old != f && old != nil && q.credit >= promoteShare*old.head().cost {
		return old, true
	}
	return f, false
}

// dispatched notes that a call of f, not the queue's any more, was let go.
func (q *queue) dispatched(cost int64, oldest, promoted bool) {
	switch {
	case q.aged == nil:
	case promoted:
		q.credit = max(0, q.credit-promoteShare*cost)
	case !oldest:
		q.credit += max(cost, 1)
	}
}

// arrivals orders flows by the arrival of their heads, each rank counting as a later arrival by step.
type arrivals struct {
	heap heap[flow]
	step time.Duration
}

func newArrivals(step time.Duration) *arrivals {
	a := &arrivals{step: step}
	a.heap = heap[flow]{before: a.before, at: func(f *flow) *int { return &f.posMain }}
	return a
}

func (a *arrivals) before(x, y *flow) bool {
	if a.step == 0 || x.rank == y.rank {
		return ticketBefore(x.head(), y.head())
	}
	return x.headAt().Add(time.Duration(x.rank) * a.step).Before(y.headAt().Add(time.Duration(y.rank) * a.step))
}

func (a *arrivals) add(f *flow)                     { a.heap.push(f) }
func (a *arrivals) remove(f *flow)                  { a.heap.remove(f) }
func (a *arrivals) fix(f *flow)                     { a.heap.fix(f) }
func (a *arrivals) first() *flow                    { return a.heap.min() }
func (a *arrivals) visit(n int, f func(*flow) bool) { a.heap.visit(n, f) }
func (a *arrivals) charged(*program, int64)         {}
func (a *arrivals) ends(*program)                   {}

// newProgramOrder is the order inside a tenant under Program.
func newProgramOrder() order { return newProgramLevels() }
