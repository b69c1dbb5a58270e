package ratelimit

// A node is a class, a tenant, or (under Fair) an agent: one child of start-time fair queueing (Goyal, Vin, Cheng: "Start-time
// Fair Queuing", SIGCOMM 1996) with the cost of calls as length.
//
// A node's tag is the virtual time at which its next call starts. A dispatch moves the tag on by cost over weight, at once and
// by an estimate, so what is in flight is visible; a settlement moves it by the difference, as Kubernetes' API priority
// and fairness does with its guessed durations.
//
// A node that comes back is lifted to the parent's virtual time, so idle time is never banked. That time is what the first of
// those that wait has been served and has settled: an estimate that was too high is corrected for who made the calls, but could
// not be for those who were lifted by it, and they would wait for calls that nobody ever made.
//
// Those that come back with no more than one usual call to their account are fresh: they go by arrival, before all whose tag is
// not smaller. By tag, one that came back soon would be passed by all that come later, for as long as the rush lasts. Two nodes
// that both wait differ by at most one call of each, one usual call, divided by their weights, and what is in flight.
type node struct {
	name   string
	parent *node
	depth  int // 0 for the root, 1 for classes
	weight float64
	tag    float64
	open   float64    // part of tag that is not settled
	v      float64    // virtual time of the children
	usual  float64    // what a usual call of the children adds to a tag
	active heap[node] // children that wait, by tag
	fresh  heap[node] // children that wait and are fresh, by arrival
	total  float64    // weight of the children that wait
	pos    int        // in one of the parent's heaps
	isNew  bool       // in fresh
	seq    uint64     // when it began to wait
	lifts  uint32     // how often it was lifted

	children map[string]*node
	queue    *queue // of a leaf

	attained int64 // cost charged, settled or not
	queued   int
	waits    int64 // cost of the queued
	inflight int
	flows    int
	hog      hog
}

const depths = 4 // root, class, tenant, agent

func newNode(parent *node, name string, weight float64) *node {
	n := &node{name: name, parent: parent, weight: weight}
	place := func(n *node) *int { return &n.pos }
	n.active = heap[node]{before: nodeBefore, at: place}
	n.fresh = heap[node]{before: func(a, b *node) bool { return a.seq < b.seq }, at: place}
	if parent != nil {
		n.depth = parent.depth + 1
		if parent.children == nil {
			parent.children = make(map[string]*node)
		}
		parent.children[name] = n
	}
	return n
}

func nodeBefore(a, b *node) bool {
	if a.tag != b.tag {
		return a.tag < b.tag
	}
	return a.seq < b.seq
}

// floor is the virtual time: where a child starts that comes back.
func (n *node) floor() float64 {
	if first := n.active.min(); first != nil {
		return min(n.v, first.tag-first.open)
	}
	return n.v
}

// first is the child to go, nil when none waits.
func (n *node) first() *node {
	a, f := n.active.min(), n.fresh.min()
	if f == nil || (a != nil && a.tag < f.tag) {
		return a
	}
	return f
}

// waiting is the number of children that wait.
func (n *node) waiting() int { return n.active.len() + n.fresh.len() }

// visit calls f with at most k children that wait, in about their order, until it returns false.
func (n *node) visit(k int, f func(*node) bool) bool {
	return n.fresh.visit(k, f) && n.active.visit(k-min(k, n.fresh.len()), f)
}

// group is the heap in which n waits.
func (n *node) group() *heap[node] {
	if n.isNew {
		return &n.parent.fresh
	}
	return &n.parent.active
}

// enter makes n one of those that wait. Background classes are not among their siblings: see tree.top.
func (n *node) enter(seq uint64) {
	floor := n.parent.floor()
	if n.tag < floor {
		n.tag = floor
		n.lifts++
	}
	n.seq, n.isNew = seq, n.tag <= floor+n.parent.usual/n.weight
	n.hog.enter(n)
	n.parent.total += n.weight
	n.group().push(n)
}

func (n *node) leave() {
	n.group().remove(n)
	n.hog.leave(n)
	n.parent.total -= n.weight
	if n.parent.waiting() == 0 {
		n.parent.total = 0 // no rounding is left
	}
}

// A charge is how a call was charged to one node: what corrections go by.
type charge struct {
	scale float64 // tag for each unit of cost
	open  float64 // of the node's open
	lifts uint32  // of the node then
	hog   bool    // counted there
}

// charge charges n with the first estimate of a call that is being dispatched, or what it comes to beyond one taken over.
func (n *node) charge(cost int64, c *charge) {
	n.attained += cost
	factor, counts := n.hog.dispatched(n, cost)
	*c = charge{scale: 1 / (n.weight * factor), open: c.open, lifts: n.lifts, hog: counts}
	if n.pos != 0 && n.isNew { // more of its calls wait: it has had its turn
		n.parent.fresh.remove(n)
		n.isNew = false
		n.parent.active.push(n)
	}
	n.raise(cost, c)
}

// usualKeep is how much the last call tells of a usual one.
const usualKeep = 1.0 / 32

// raise moves n's tag by an estimate.
func (n *node) raise(cost int64, c *charge) {
	by := float64(cost) * c.scale
	n.tag += by
	n.open += by
	c.open += by
	n.moved()
}

// adjust corrects what n was charged for a call: by a longer estimate, or at last by what it came to.
func (n *node) adjust(delta int64, c *charge, last bool) {
	n.attained += delta
	if c.hog {
		n.hog.correct(n, float64(delta))
	}
	if !last {
		n.raise(delta, c)
		return
	}
	used := (c.open + float64(delta)*c.scale) * n.weight
	n.open -= c.open
	c.open = 0
	if delta > 0 || c.lifts == n.lifts { // else a lift has forgiven it already
		n.tag += float64(delta) * c.scale
	}
	n.moved()
	n.parent.settled(n, used)
}

// settled moves the virtual time on when a call of a child has ended.
func (n *node) settled(child *node, cost float64) {
	if cost > 0 { // else it never ran
		n.usual += usualKeep * (cost - n.usual)
	}
	at := child.tag - child.open
	if first := n.active.min(); first != nil {
		at = min(at, first.tag-first.open)
	}
	n.v = max(n.v, at)
}

// moved restores the order after n's tag has changed.
func (n *node) moved() {
	if n.pos != 0 && !n.isNew {
		n.parent.active.fix(n)
	}
}

// A hog lowers the weight of a node that got more than its share while others waited. Use of idle capacity does not count:
// only dispatches made while a sibling waited are measured, against the service that the weights would have given in the same
// time. Start-time fair queueing evens out what is charged, so the factor stays at 1 unless a node gets ahead by some other
// way: cache affinity, or many calls at a time that run far beyond their estimates.
type hog struct {
	got, due float64 // cost, while others waited; halved together. The parent's due is for each unit of weight.
	since    float64 // the parent's due at the last look
	unit     float64 // a large call of the node
}

const (
	hogSlack = 1.25 // how much more than its share is nobody's business
	hogLeast = 0.25 // the smallest factor
	hogCalls = 32   // large calls after which old use counts half
	hogUnit  = 0.98 // what a large call is worth one call later
)

func (h *hog) enter(n *node) { h.since = n.parent.hog.due }
func (h *hog) leave(n *node) { h.look(n) }

// look adds what n's weight was due since the last look.
func (h *hog) look(n *node) {
	h.due = max(0, h.due+n.weight*(n.parent.hog.due-h.since))
	h.since = n.parent.hog.due
}

// dispatched is told of a dispatch of n at its first estimate; it returns the factor, and whether the dispatch counts.
func (h *hog) dispatched(n *node, cost int64) (factor float64, counts bool) {
	p := n.parent
	if n.pos == 0 || p.waiting() < 2 || cost <= 0 {
		return 1, false
	}
	c := float64(cost)
	p.hog.due += c / p.total
	h.look(n)
	h.got += c
	if h.unit = max(c, hogUnit*h.unit); h.got > hogCalls*h.unit {
		h.got, h.due = h.got/2, h.due/2
	}
	return h.factor(), true
}

// correct is told what a dispatch that counted cost more or less than was thought.
func (h *hog) correct(n *node, delta float64) {
	if p := n.parent; p.total > 0 {
		p.hog.due += delta / p.total
	}
	h.got = max(0, h.got+delta)
}

func (h *hog) factor() float64 {
	over := h.got - hogSlack*h.due - 2*h.unit
	if over <= 0 {
		return 1
	}
	return max(hogLeast, 1-over/h.got)
}
