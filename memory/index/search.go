package index

import (
	"context"
	"slices"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A lane is what a search has measured of one record.
type lane struct {
	turn, wide, letters, meaning float32
	tf                           float32 // frequency of the term at hand in a window
	seen                         bool
}

// A search is the scratch of one. All lanes that were touched are zeroed when it ends.
type search struct {
	x        *Index
	q        *store.Query
	p        parsed
	lanes    []lane
	touched  []uint32 // whose lanes are seen
	term     []uint32 // whose a or b is set
	sessions []float32
	counts   []float32 // frequencies of the term at hand, by session
	marked   []uint32
	heap     []ranked
	raw      []string // words of the question
	likes    []alike  // of all groups
	common   []uint16 // by term: runs of letters in common with the word at hand
	found    []uint32 // terms with any
	vec      *vector
	spread   spread

	length                                float32 // of a record, on average
	norm                                  float32
	today                                 int32
	perTurn, perNear, perWide, perSession float32 // 1 by the average length
}

// Search returns what is most like the query among what the scope sees, best first, without what has expired, what q.Skip leaves out,
// and, unless q.Past is set, facts that are not current. When ctx ends first it returns nothing.
func (x *Index) Search(ctx context.Context, s record.Scope, q *store.Query) []store.Hit {
	if !s.Valid() || q.Limit <= 0 {
		return nil
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	if len(x.byID) == 0 {
		return nil
	}
	t, _ := x.scratch.Get().(*search)
	if t == nil {
		t = &search{}
	}
	defer func() {
		t.end()
		x.scratch.Put(t)
	}()
	t.begin(x, q)
	for i := range t.p.groups {
		if ctx.Err() != nil {
			return nil
		}
		t.match(&t.p.groups[i])
	}
	t.findDates()
	t.findDense()
	if ctx.Err() != nil {
		return nil
	}
	return t.best(s)
}

func (t *search) begin(x *Index, q *store.Query) {
	t.x, t.q = x, q
	t.common = grown(t.common, len(x.lists))
	t.parse(q)
	t.lanes = grown(t.lanes, len(x.docs))
	t.sessions = grown(t.sessions, int(x.sessions.top))
	t.counts = grown(t.counts, int(x.sessions.top))
	t.length = max(1, float32(x.length)/float32(len(x.byID)))
	if x.stats != nil {
		t.length = max(1, float32(x.stats.Length))
	}
	w := &x.weights.Shape
	t.perTurn, t.perNear, t.perWide = 1/t.length, 1/(t.length*(1+2*w.NearSide)), 1/(t.length*(1+2*w.WideSide+2*w.WideEdge))
	t.perSession = float32(len(x.sessions.named)) / max(1, float32(x.length))
	t.norm = 0
	if t.p.mass > 0 {
		t.norm = 1 / t.p.mass
	}
	t.today = 0
	if !q.Now.IsZero() {
		t.today = day(q.Now)
	}
	if len(q.Vector) > 0 {
		if m := slices.Index(x.models, q.Model); m >= 0 {
			t.vec = newVector(uint16(m), q.Vector)
		}
	}
}

func grown[T any](s []T, n int) []T {
	if len(s) >= n {
		return s
	}
	return append(s, make([]T, n-len(s))...)
}

func (t *search) end() {
	for _, s := range t.touched {
		t.lanes[s] = lane{}
	}
	clear(t.sessions)
	t.touched, t.heap = t.touched[:0], t.heap[:0]
	t.likes = t.likes[:0]
	clear(t.raw)
	clear(t.p.groups[:cap(t.p.groups)])
	t.x, t.q, t.vec = nil, nil, nil
}

func (t *search) touch(slot uint32) *lane {
	l := &t.lanes[slot]
	if !l.seen {
		l.seen = true
		t.touched = append(t.touched, slot)
	}
	return l
}

// mostTouched bounds the records that words are compared with. Rare words come first; once so many records have one, those that have only
// common words are not begun any more (the continue strategy of Moffat and Zobel, Self-Indexing Inverted Files, 1996).
const mostTouched = 16 << 10

// match measures one word of the question.
func (t *search) match(g *group) {
	x, w := t.x, &t.x.weights.Shape
	if g.term != none {
		for _, p := range x.lists[g.term].posts {
			slot, tf := p.of(), p.tf()
			at := &x.places[slot]
			if l := &t.lanes[slot]; l.seen || len(t.touched) < mostTouched {
				t.touch(slot).turn += g.idf * bm25(tf, float32(at.length)*t.perTurn, w.TurnK, w.TurnB)
			}
			if at.traits&stated != 0 {
				continue
			}
			if t.counts[at.session] == 0 {
				t.marked = append(t.marked, at.session)
			}
			t.counts[at.session] += tf
			t.spreadWide(slot, at, tf)
		}
		for _, slot := range t.term {
			l := &t.lanes[slot]
			l.wide += g.idf * bm25(l.tf, float32(x.places[slot].wide)*t.perWide, w.WideK, w.WideB)
			l.tf = 0
		}
		t.term = t.term[:0]
		t.matchSessions(g)
	}
	for _, slot := range t.alike(g.letters) {
		l := &t.lanes[slot]
		l.letters += g.idf * bm25(l.tf, float32(x.places[slot].near)*t.perNear, w.NearK, w.NearB)
		l.tf = 0
	}
	for _, slot := range t.alike(g.meaning) {
		l := &t.lanes[slot]
		l.meaning += g.idf * bm25(l.tf, float32(x.places[slot].near)*t.perNear, w.NearK, w.NearB)
		l.tf = 0
	}
}

// matchSessions measures the sessions that a word is in.
func (t *search) matchSessions(g *group) {
	w := &t.x.weights.Shape
	for _, n := range t.marked {
		length := float32(t.x.sessions.all[n].length) * t.perSession
		t.sessions[n] += g.idf * bm25(t.counts[n], length, w.SessionK, w.SessionB)
		t.counts[n] = 0
	}
	t.marked = t.marked[:0]
}

// alike adds the frequencies of terms that stand for a word, over the near window, and returns the slots where they are.
func (t *search) alike(terms []alike) []uint32 {
	t.term = t.term[:0]
	x, side := t.x, t.x.weights.Shape.NearSide
	for _, m := range terms {
		for _, p := range x.lists[m.term].posts {
			slot, tf := p.of(), p.tf()*m.how
			at := &x.places[slot]
			if at.traits&stated != 0 {
				continue
			}
			t.add(slot, tf)
			if at.prev != none {
				t.add(at.prev, side*tf)
			}
			if at.next != none {
				t.add(at.next, side*tf)
			}
		}
	}
	out := t.term
	t.term = t.term[:0] // the room is free again once the next word is measured
	return out
}

// spreadWide adds a term's frequency to the wide windows that a record is in.
func (t *search) spreadWide(slot uint32, at *place, tf float32) {
	x := t.x
	side, edge := x.weights.Shape.WideSide*tf, x.weights.Shape.WideEdge*tf
	t.add(slot, tf)
	if at.prev != none {
		t.add(at.prev, side)
		if p := x.places[at.prev].prev; p != none {
			t.add(p, edge)
		}
	}
	if at.next != none {
		t.add(at.next, side)
		if n := x.places[at.next].next; n != none {
			t.add(n, edge)
		}
	}
}

func (t *search) add(slot uint32, tf float32) {
	l := &t.lanes[slot]
	if !l.seen {
		if len(t.touched) >= mostTouched {
			return
		}
		l.seen = true
		t.touched = append(t.touched, slot)
	}
	if l.tf == 0 {
		t.term = append(t.term, slot)
	}
	l.tf += tf
}

// bm25 is the share of a term's weight, up to k+1, for its frequency in a text of a length, relative to the average.
func bm25(tf, length, k, b float32) float32 { return tf * (k + 1) / (tf + k*(1-b+b*length)) }

// findDates touches what was said on the days that the question names.
func (t *search) findDates() {
	if len(t.p.dates) == 0 {
		return
	}
	for i := range t.x.places {
		if at := &t.x.places[i]; (at.day != 0 || at.traits&timed != 0) && t.dated(uint32(i)) >= 1 {
			t.touch(uint32(i))
		}
	}
}

// dated is how well the days of a record agree with those that the question names. What happened is told within days.
func (t *search) dated(slot uint32) (best float32) {
	at := &t.x.places[slot]
	for _, s := range t.p.dates {
		if at.day != 0 {
			switch after := at.day - s.to; {
			case at.day >= s.from && after < 0:
				return 1
			case after >= 0 && after < 14:
				best = max(best, 1-float32(after+1)/15)
			}
		}
		if at.traits&timed == 0 {
			continue
		}
		for _, in := range t.x.docs[slot].rec.Times {
			if from, to := day(in.From), day(in.To); from < s.to && to > s.from && to-from <= 31 {
				return 1
			}
		}
	}
	return best
}
