package main

import "container/heap"

// A timeline is virtual time: seconds since the start of a run, and what is due.
type timeline struct {
	now  float64
	seq  int
	heap events
}

type event struct {
	at   float64
	seq  int // what was planned first comes first at the same instant
	fire func()
	off  bool
}

type events []*event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(*event)) }
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}

// plan makes fire run at the given time, or now if that is past.
func (t *timeline) plan(at float64, fire func()) *event {
	t.seq++
	e := &event{at: max(at, t.now), seq: t.seq, fire: fire}
	heap.Push(&t.heap, e)
	return e
}

// due is when the next event is; false when nothing is planned.
func (t *timeline) due() (float64, bool) {
	for len(t.heap) > 0 && t.heap[0].off {
		heap.Pop(&t.heap)
	}
	if len(t.heap) == 0 {
		return 0, false
	}
	return t.heap[0].at, true
}

// fire runs the next event at its own time.
func (t *timeline) fire() {
	e := heap.Pop(&t.heap).(*event)
	t.now = max(t.now, e.at)
	if !e.off {
		e.fire()
	}
}
