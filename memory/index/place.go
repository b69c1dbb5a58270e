package index

import (
	"slices"

	"github.com/trapgate/trapgate/memory/record"
)

// A session is the records of a conversation. What tools said has neighbours among its own kind only, so that it neither stands between
// what was said nor lends its words to it.
type session struct {
	name   string
	order  [2][]uint32 // slots by Seq: talk, tools
	count  int         // records, with facts
	length int64       // terms of its episodes
	number uint32      // its place in a search's scratch
}

type sessions struct {
	named  map[string]*session
	unused []uint32
	top    uint32
	all    []*session // by number
}

func (s *sessions) of(name string) *session {
	t := s.named[name]
	if t == nil {
		t = &session{name: name, number: s.top}
		if n := len(s.unused); n > 0 {
			t.number = s.unused[n-1]
			s.unused = s.unused[:n-1]
		} else {
			s.top++
		}
		s.named[name] = t
	}
	t.count++
	for uint32(len(s.all)) <= t.number {
		s.all = append(s.all, nil)
	}
	s.all[t.number] = t
	return t
}

func (s *sessions) release(t *session) {
	if t.count--; t.count == 0 {
		delete(s.named, t.name)
		s.all[t.number] = nil
		s.unused = append(s.unused, t.number)
	}
}

func class(r *record.Record) int {
	if r.Role == record.Tool {
		return 1
	}
	return 0
}

// place gives an episode its neighbours, and a fact the episode that it was found in.
func (x *Index) place(slot uint32) {
	d, its := &x.docs[slot], &x.places[slot]
	r := d.rec
	if r.Kind == record.Fact {
		if len(r.Sources) > 0 {
			x.facts[r.Sources[0]] = append(x.facts[r.Sources[0]], slot)
			if at, ok := x.byID[r.Sources[0]]; ok {
				its.anchor = at
			}
		}
		return
	}
	for _, f := range x.facts[r.ID] {
		x.places[f].anchor = slot
	}
	d.session.length += int64(its.length)
	order := &d.session.order[class(r)]
	at := len(*order)
	if at > 0 && x.docs[(*order)[at-1]].rec.Seq > r.Seq { // most come in order
		at, _ = slices.BinarySearchFunc(*order, r.Seq, func(s uint32, seq int64) int {
			if x.docs[s].rec.Seq <= seq {
				return -1
			}
			return 1
		})
	}
	if at > 0 {
		its.prev = (*order)[at-1]
		x.places[its.prev].next = slot
	}
	if at < len(*order) {
		its.next = (*order)[at]
		x.places[its.next].prev = slot
	}
	*order = slices.Insert(*order, at, slot)
	x.measure(slot)
}

func (x *Index) displace(slot uint32) {
	d := &x.docs[slot]
	r := d.rec
	if r.Kind == record.Fact {
		if len(r.Sources) > 0 {
			src := r.Sources[0]
			if x.facts[src] = without(x.facts[src], slot); len(x.facts[src]) == 0 {
				delete(x.facts, src)
			}
		}
		return
	}
	for _, f := range x.facts[r.ID] {
		x.places[f].anchor = none
	}
	d.session.length -= int64(x.places[slot].length)
	order := &d.session.order[class(r)]
	*order = without(*order, slot)
	prev, next := x.places[slot].prev, x.places[slot].next
	if prev != none {
		x.places[prev].next = next
	}
	if next != none {
		x.places[next].prev = prev
	}
	for _, s := range [...]uint32{prev, next} {
		if s != none {
			x.measure(s)
		}
	}
}

// around are the slots before and after an episode, from the nearest; none where there is none.
func (x *Index) around(slot uint32) (prev, next, prev2, next2 uint32) {
	at := &x.places[slot]
	prev, next, prev2, next2 = at.prev, at.next, none, none
	if prev != none {
		prev2 = x.places[prev].prev
	}
	if next != none {
		next2 = x.places[next].next
	}
	return prev, next, prev2, next2
}

// measure finds the lengths of the windows that an episode is in.
func (x *Index) measure(slot uint32) {
	w := &x.weights.Shape
	prev, next, prev2, next2 := x.around(slot)
	for _, s := range [...]uint32{slot, prev, next, prev2, next2} {
		if s == none {
			continue
		}
		p, n, p2, n2 := x.around(s)
		own, one, two := x.lengthOf(s), x.lengthOf(p)+x.lengthOf(n), x.lengthOf(p2)+x.lengthOf(n2)
		at := &x.places[s]
		at.near = uint16(min(own+w.NearSide*one, 1<<16-1))
		at.wide = uint16(min(own+w.WideSide*one+w.WideEdge*two, 1<<16-1))
	}
}

func (x *Index) lengthOf(slot uint32) float32 {
	if slot == none {
		return 0
	}
	return float32(x.places[slot].length)
}
