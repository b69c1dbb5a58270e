package index

import (
	"cmp"
	"math"
	"slices"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

type ranked struct {
	slot  uint32
	score float32
}

// best ranks what was touched.
func (t *search) best(s record.Scope) []store.Hit {
	x, q := t.x, t.q
	weights := &x.weights.Legs
	if t.vec != nil {
		weights = &x.weights.Dense
	}
	var v [NumLegs]float32
	quick := t.quickly(weights)
	for _, slot := range t.touched {
		if len(t.heap) == q.Limit && quick.atMost(t, slot) <= t.heap[0].score {
			continue
		}
		t.measure(slot, &v)
		score := dot(weights, &v)
		if len(t.heap) == q.Limit && score <= t.heap[0].score {
			continue
		}
		if r := x.docs[slot].rec; s.Sees(r) && t.wanted(r) {
			t.keep(ranked{slot, score})
		}
	}
	slices.SortFunc(t.heap, func(a, b ranked) int { return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.slot, b.slot)) })
	hits := make([]store.Hit, len(t.heap))
	legs := make([]store.Leg, NumLegs*len(hits))
	for i, r := range t.heap {
		t.measure(r.slot, &v)
		own := legs[i*NumLegs : (i+1)*NumLegs : (i+1)*NumLegs]
		for j, w := range weights {
			own[j] = store.Leg{Name: legNames[j], Value: v[j], Share: w * v[j]}
		}
		hits[i] = store.Hit{Record: x.docs[r.slot].rec, Score: r.score, Legs: own}
	}
	return hits
}

func dot(a, b *[NumLegs]float32) (sum float32) {
	for i, w := range a {
		sum += w * b[i]
	}
	return sum
}

// quick bounds a score from above by what is at hand: most of what was touched needs no closer look.
type quick struct{ turn, wide, letters, meaning, session, more float32 }

func (t *search) quickly(w *[NumLegs]float32) quick {
	k := quick{w[legTurn] * t.norm, w[legWide] * t.norm, w[legLetters] * t.norm, w[legMeaning] * t.norm, w[legSession] * t.norm, 0}
	var top float32
	for _, slot := range t.touched {
		top = max(top, t.lanes[slot].turn)
	}
	top *= t.norm
	k.more = top * (max(0, w[legPrev]) + max(0, w[legNext]) + max(0, w[legAnswer]))
	p := &t.p
	may := func(leg int, active bool) {
		if active {
			k.more += max(0, w[leg])
		}
	}
	asked := p.self || len(p.speakers) > 0
	may(legDate, len(p.dates) > 0)
	may(legSpeaker, asked)
	may(legOwn, asked)
	may(legTime, p.when)
	may(legNumber, p.count)
	may(legProper, p.name)
	for _, leg := range [...]int{legQuestion, legLength, legYours, legRecent, legTrust, legFact} {
		may(leg, true)
	}
	if t.vec != nil { // these may be below 0
		k.more += max(w[legDense], -w[legDense]) + max(w[legDenseNear], -w[legDenseNear])
	}
	return k
}

func (k *quick) atMost(t *search, slot uint32) float32 {
	at, l := &t.x.places[slot], &t.lanes[slot]
	if at.traits&stated != 0 { // its windows are another's
		return math.MaxFloat32
	}
	return k.turn*l.turn + k.wide*l.wide + k.letters*l.letters + k.meaning*l.meaning + k.session*t.sessions[at.session] + k.more
}

func (t *search) wanted(r *record.Record) bool {
	if r.Expired(t.q.Now) || r.Kind == record.Fact && !t.q.Past && !r.Current(t.q.Now) {
		return false
	}
	return t.q.Skip == nil || !t.q.Skip(r)
}

// keep puts a record among the best so far: a heap with the worst on top.
func (t *search) keep(r ranked) {
	h := t.heap
	if len(h) < t.q.Limit {
		h = append(h, r)
		for i := len(h) - 1; i > 0 && h[i].score < h[(i-1)/2].score; i = (i - 1) / 2 {
			h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
		}
		t.heap = h
		return
	}
	h[0] = r
	for i := 0; ; {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && h[c+1].score < h[c].score {
			c++
		}
		if h[i].score <= h[c].score {
			return
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
}

// measure is the value of each leg for a record.
func (t *search) measure(slot uint32, v *[NumLegs]float32) {
	t.measureWords(slot, v)
	x, own := t.x, &t.x.places[slot]
	t.measureShape(slot, own, v)
	if t.vec == nil {
		return
	}
	at := own
	if own.anchor != none {
		at = &x.places[own.anchor]
	}
	v[legDense] = t.meant(slot)
	near := t.meant(at.prev) + t.meant(at.next)
	side := x.weights.Shape.NearSide
	v[legDenseNear] = (v[legDense] + side*near) / (1 + 2*side)
}

// measureWords is the value of the legs that compare words; the others are 0.
func (t *search) measureWords(slot uint32, v *[NumLegs]float32) {
	x, own := t.x, &t.x.places[slot]
	at, l := own, &t.lanes[slot]
	wide := l
	if own.anchor != none { // a fact has the neighbours of what it was found in
		at, wide = &x.places[own.anchor], &t.lanes[own.anchor]
	}
	norm := t.norm
	*v = [NumLegs]float32{
		legTurn: l.turn * norm, legWide: wide.wide * norm, legLetters: wide.letters * norm, legMeaning: wide.meaning * norm,
		legSession: t.sessions[own.session] * norm,
	}
	if at.prev != none {
		v[legPrev] = t.lanes[at.prev].turn * norm
		if p := &x.places[at.prev]; p.traits&question != 0 && (p.speaker != at.speaker || p.traits&asker != at.traits&asker) {
			v[legAnswer] = v[legPrev]
		}
	}
	if at.next != none {
		v[legNext] = t.lanes[at.next].turn * norm
	}
	if own.traits&stated != 0 {
		if own.anchor == none {
			v[legWide] = v[legTurn]
		}
	}
}

// measureShape is what a record is like apart from its words.
func (t *search) measureShape(slot uint32, at *place, v *[NumLegs]float32) {
	p, has := &t.p, at.traits
	asked := p.self && has&asker != 0
	for _, s := range p.speakers {
		asked = asked || s == at.speaker
	}
	if asked {
		v[legSpeaker] = 1
		v[legOwn] = is(has, own)
	}
	v[legQuestion] = is(has, question)
	v[legFact] = is(has, stated)
	if has&own == 0 {
		v[legYours] = is(has, yours)
	}
	if p.name {
		v[legProper] = is(has, proper)
	}
	if p.when {
		v[legTime] = is(has, timely)
	}
	if p.count {
		v[legNumber] = is(has, number)
	}
	if len(p.dates) > 0 {
		v[legDate] = t.dated(slot)
	}
	v[legLength] = min(1, float32(at.length)*t.perTurn/3)
	if t.today != 0 && at.day != 0 {
		v[legRecent] = 1 / (1 + float32(max(0, t.today-at.day))/halfFresh)
	}
	v[legTrust] = t.x.docs[slot].trust
}

// halfFresh is after how many days a record is half as recent as one of today.
const halfFresh = 60

func is(has, t traits) float32 {
	if has&t != 0 {
		return 1
	}
	return 0
}
