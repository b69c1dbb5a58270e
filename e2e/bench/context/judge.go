package main

import (
	"math"
)

// reserve is how many tokens of a window are the answer's, in the configuration and in what counts as over.
const reserve = 4096

// The marks, as shares of the usable window. The gate gets them in its configuration.
const (
	highMark, lowMark = 0.8, 0.3
	tailShare         = 0.2 // stands verbatim
)

// usable is how many tokens of a window a request may have.
func usable(window int) int { return window - reserve }

// A verdict is what a run over a session did to it.
type verdict struct {
	window, calls, failed int
	sizes, hits           []int // of each call
	over                  int
	extra                 int // tokens of requests that the gate made on its own account
	faults                map[string]int

	pinsDue, pinsSpelled, pinsSaid int // by request and pin that was said before it
	pinCallsWhole                  int // requests with all pins that were due, both ways
	idsDue, idsSaid                int
	idsEnd, idsDueAtEnd            int // ids in the last request, and said before it
	idsHeld                        int // of those due at the end: in text or behind a handle; -1 when nobody looked

	shortTails    int     // requests with less than a fifth of the usable window verbatim, and not the whole history
	shortOfWhole  int     // the same of the whole window
	leastTail     float64 // of the usable window, among those that do not hold the whole history
	changedBelow  int     // requests that were changed although the agent's own lay below the high mark
	firstChanged  float64 // the agent's size, of the usable window, when bytes changed first; NaN: never
	rewrites      int     // requests that share less than all of what the request before sent
	repeats, kept int     // repeated requests, and those that reached the upstream once more
}

func newVerdict(window int) *verdict {
	return &verdict{window: window, faults: map[string]int{}, idsHeld: -1, leastTail: math.NaN(), firstChanged: math.NaN()}
}

// total is all tokens sent for the agent.
func (v *verdict) total() int { return sum(v.sizes) }

// written is those that were no hits.
func (v *verdict) written() int { return sum(v.sizes) - sum(v.hits) }

// share is hits over all tokens.
func (v *verdict) share() float64 { return outcome{v.total(), v.written()}.hits() }

// cost is in millions of uncached tokens.
func (v *verdict) cost() float64 {
	return outcome{v.total(), v.written()}.cost() + float64(v.extra)/1e6
}

func (v *verdict) allFaults() (n int) {
	for _, k := range v.faults {
		n += k
	}
	return n
}

func sum(v []int) (n int) {
	for _, x := range v {
		n += x
	}
	return n
}

// judge adds the call that says the first n messages of the session, as it reached the upstream after the call before it (nil: none).
func (v *verdict) judge(l *library, n int, before, r *sent) {
	size, hits := r.size(), 0
	if before != nil {
		hits = l.hits(before, r)
		if hits < before.size() {
			v.rewrites++
		}
	}
	v.calls++
	v.sizes, v.hits = append(v.sizes, size), append(v.hits, hits)
	if size+reserve > v.window {
		v.over++
	}
	own := l.own(n)
	for kind, k := range introduced(faultsOf(r.messages), faultsOf(own.messages)) {
		v.faults[kind] += k
	}
	v.planted(l.s, n, r)
	v.tail(own, r)
	if share := float64(own.size()) / float64(usable(v.window)); !r.same {
		if math.IsNaN(v.firstChanged) || share < v.firstChanged {
			v.firstChanged = share
		}
		if share <= highMark {
			v.changedBelow++
		}
	}
}

// own is what the agent sends when it says the first n messages.
func (l *library) own(n int) *sent {
	r := &sent{tools: l.text(string(l.s.Tools)), messages: make([]*text, n), same: true}
	for i, raw := range l.s.Raw[:n] {
		r.messages[i] = l.text(raw)
	}
	return r
}

// planted looks for the pins and ids that were said in the first n messages.
func (v *verdict) planted(s *session, n int, r *sent) {
	spelled, pins, ids := make([]bool, len(s.Pins)), make([]bool, len(s.Pins)), make([]bool, len(s.IDs))
	for _, m := range r.messages {
		mark(spelled, m.spelled)
		mark(pins, m.pins)
		mark(ids, m.ids)
	}
	whole := true
	for i, p := range s.Pins {
		if p.Message >= n {
			continue
		}
		v.pinsDue++
		v.pinsSpelled += count(spelled[i])
		v.pinsSaid += count(pins[i])
		whole = whole && spelled[i] && pins[i]
	}
	v.pinCallsWhole += count(whole)
	v.idsEnd, v.idsDueAtEnd = 0, 0
	for i, d := range s.IDs {
		if d.Message < n {
			v.idsDue++
			v.idsDueAtEnd++
			v.idsSaid += count(ids[i])
			v.idsEnd += count(ids[i])
		}
	}
}

func mark(seen []bool, which []int) {
	for _, i := range which {
		seen[i] = true
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// tail measures the longest suffix of the agent's messages that stands verbatim at the end of the request.
func (v *verdict) tail(own, r *sent) {
	a, b := own.messages, r.messages
	k := 0
	for k < min(len(a), len(b)) && a[len(a)-1-k] == b[len(b)-1-k] {
		k++
	}
	if k == len(a) {
		return
	}
	for k > 0 && a[len(a)-k].role == "tool" {
		k-- // its call is not in the tail
	}
	tokens := 0
	for _, m := range a[len(a)-k:] {
		tokens += m.tokens
	}
	share := float64(tokens) / float64(usable(v.window))
	v.shortTails += count(share < tailShare)
	v.shortOfWhole += count(float64(tokens) < tailShare*float64(v.window))
	if !(v.leastTail <= share) {
		v.leastTail = share
	}
}
