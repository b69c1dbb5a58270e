package main

import (
	"math"
	"slices"
)

// An outcome is what a schedule of epochs sends: all tokens, and those among them that no cache held.
type outcome struct{ total, written int }

func (o outcome) hits() float64 { return 1 - float64(o.written)/float64(o.total) }

// cost is in millions of uncached tokens, at a tenth of the price for hits.
func (o outcome) cost() float64 { return (0.1*float64(o.total) + 0.9*float64(o.written)) / 1e6 }

// An oracle knows all requests of a session, and what an epoch at each of them would leave.
type oracle struct {
	limit int   // tokens that a request may have
	full  []int // full[i] is request i without any epoch
	cut   []int // cut[i] is what an epoch at request i takes out of it and of all later ones: nothing if it may not be
	head  []int // head[i] is what request i shares with every other: tools and what is never evicted
}

// newOracle prepares for epochs that leave no digest, and the least tail of whole units that has at least tail tokens. What the model
// said before the task message may go too.
func newOracle(l *library, limit, tail int) *oracle {
	o := &oracle{limit: limit}
	first := l.s.task(l) + 1
	tools := l.text(string(l.s.Tools)).tokens
	pre, kept := make([]int, len(l.s.Raw)+1), 0
	for i, raw := range l.s.Raw {
		t := l.text(raw)
		pre[i+1] = pre[i] + t.tokens
		if i < first && t.role != "assistant" {
			kept += t.tokens
		}
	}
	for _, p := range l.s.Points {
		c := p
		for c > first && (pre[p]-pre[c] < tail || l.text(l.s.Raw[c]).role == "tool") {
			c--
		}
		o.full = append(o.full, tools+pre[p])
		o.cut = append(o.cut, (pre[max(c, first)]-kept)*count(p > first))
		o.head = append(o.head, tools+min(pre[p], kept))
	}
	return o
}

// span adds requests from..to of an epoch that began at request from (-1: no epoch yet, from the beginning), and stops at to or at the
// first that does not fit; f is called with what all before request j are, for each j that may begin the next epoch.
func (o *oracle) span(from, to int, f func(j int, s outcome)) {
	var s outcome
	cut, j := 0, from
	if from < 0 {
		j = 0
	} else {
		cut = o.cut[from]
	}
	for ; j < to; j++ {
		size := o.full[j] - cut
		if size > o.limit {
			return
		}
		s.total += size
		switch {
		case j == from:
			s.written += size - o.head[j]
		case j == 0:
			s.written += size
		default:
			s.written += o.full[j] - o.full[j-1]
		}
		f(j+1, s)
	}
}

// best finds the schedule with the least a*written + b*total, by dynamic programming backwards over the requests: the least for the
// rest of the session when an epoch begins at request i is the least, over the request at which the next one begins, of the span
// between them and the least for its rest. ok is false when no schedule fits.
func (o *oracle) best(a, b float64) (out outcome, ok bool) {
	n := len(o.full)
	least := make([]float64, n+1) // least[i]: an epoch begins at request i
	rest := make([]outcome, n+1)
	for i := n - 1; i >= -1; i-- {
		value, sum := math.Inf(1), outcome{}
		o.span(i, n, func(j int, s outcome) {
			if v := a*float64(s.written) + b*float64(s.total) + least[j]; v < value {
				value, sum = v, outcome{s.total + rest[j].total, s.written + rest[j].written}
			}
		})
		if i < 0 {
			return sum, !math.IsInf(value, 1)
		}
		least[i], rest[i] = value, sum
	}
	return outcome{}, true // no requests
}

// frontier is the lower convex hull of all schedules by total and written, from the fewest tokens to the most.
func (o *oracle) frontier() []outcome {
	few, ok := o.best(1e-6, 1)
	many, _ := o.best(1e-6, -1)
	if !ok {
		return nil
	}
	if few == many {
		return []outcome{few}
	}
	return append(o.between(few, many), many)
}

// between is the hull from p up to q, without q: p, and what lies farthest below the line between them, if anything does.
func (o *oracle) between(p, q outcome) []outcome {
	a, b := float64(q.total-p.total), float64(p.written-q.written)
	r, _ := o.best(a, b)
	below := a*float64(p.written-r.written) + b*float64(p.total-r.total)
	if r == p || r == q || below < 1 {
		return []outcome{p}
	}
	return slices.Concat(o.between(p, r), o.between(r, q))
}

// costAt is the least cost of any schedule with at least these hits, NaN if there is none: at a vertex of the frontier or where an
// edge of it crosses the line of equal hits.
func costAt(frontier []outcome, hits float64) float64 {
	best := math.NaN()
	along(frontier, func(total, written float64) float64 { return (1-hits)*total - written }, func(total, written float64) {
		if c := (0.1*total + 0.9*written) / 1e6; !(best <= c) {
			best = c
		}
	})
	return best
}

// hitsAt is the most hits of any schedule that costs at most this, NaN if there is none.
func hitsAt(frontier []outcome, cost float64) float64 {
	best := math.NaN()
	along(frontier, func(total, written float64) float64 { return 1e6*cost - 0.1*total - 0.9*written }, func(total, written float64) {
		if h := 1 - written/total; !(best >= h) {
			best = h
		}
	})
	return best
}

// along visits the vertices where slack is not negative, and the points of edges where it is zero.
func along(frontier []outcome, slack func(total, written float64) float64, visit func(total, written float64)) {
	for i, p := range frontier {
		t, w := float64(p.total), float64(p.written)
		s := slack(t, w)
		if s >= -1e-6 { // tokens: rounding
			visit(t, w)
		}
		if i == 0 {
			continue
		}
		bt, bw := float64(frontier[i-1].total), float64(frontier[i-1].written)
		if before := slack(bt, bw); before*s < 0 {
			share := before / (before - s)
			visit(bt+share*(t-bt), bw+share*(w-bw))
		}
	}
}
