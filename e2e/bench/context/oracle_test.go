package main

import (
	"math"
	"math/rand/v2"
	"testing"
)

// simulate is what a schedule of epochs sends; ok is false when a request does not fit.
func simulate(o *oracle, epochs []bool) (out outcome, ok bool) {
	cut := 0
	for i, full := range o.full {
		written := full
		if i > 0 {
			written -= o.full[i-1]
		}
		if epochs[i] {
			cut = o.cut[i]
			written = full - cut - o.head[i]
		}
		if full-cut > o.limit {
			return out, false
		}
		out.total, out.written = out.total+full-cut, out.written+written
	}
	return out, true
}

// Against all schedules of small sessions: nothing is better than what the oracle finds, and it finds something.
func TestOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	feasible := 0
	for range 60 {
		o := &oracle{}
		n, full := 9, 20
		for i := range n {
			full += 1 + r.IntN(12)
			o.full, o.head = append(o.full, full), append(o.head, 15)
			o.cut = append(o.cut, max(0, full-15-5-r.IntN(6))*count(i > 0))
		}
		for i := 1; i < n; i++ {
			o.cut[i] = max(o.cut[i], o.cut[i-1])
		}
		o.limit = 40 + r.IntN(60)
		var all []outcome
		for mask := range 1 << n {
			epochs := make([]bool, n)
			for i := range epochs {
				epochs[i] = i > 0 && mask>>i&1 == 1 // at the first request there is nothing to evict
			}
			if out, ok := simulate(o, epochs); ok {
				all = append(all, out)
			}
		}
		for _, w := range [][2]float64{{1, 0}, {0.9, 0.1}, {0.2, 1}, {1, -0.3}, {1, -2}} {
			value := func(x outcome) float64 { return w[0]*float64(x.written) + w[1]*float64(x.total) }
			best := math.Inf(1)
			for _, x := range all {
				best = min(best, value(x))
			}
			got, ok := o.best(w[0], w[1])
			if ok != (len(all) > 0) || ok && math.Abs(value(got)-best) > 1e-6 {
				t.Fatalf("weights %v: %v (%g), the best of %d is %g", w, got, value(got), len(all), best)
			}
		}
		if len(all) == 0 {
			continue
		}
		feasible++
		f := o.frontier()
		for _, x := range all {
			if c := costAt(f, x.hits()); !(c <= x.cost()+1e-12) {
				t.Fatalf("%v costs %g at hits %g, the bound is %g", x, x.cost(), x.hits(), c)
			}
			if h := hitsAt(f, x.cost()); !(h >= x.hits()-1e-12) {
				t.Fatalf("%v has hits %g at cost %g, the bound is %g", x, x.hits(), x.cost(), h)
			}
		}
	}
	if feasible < 20 {
		t.Errorf("only %d sessions fit at all", feasible)
	}
}

func TestOracleOfSession(t *testing.T) {
	_, l := small(t)
	o := newOracle(l, 1000, 10)
	own := l.own(8)
	if last := len(o.full) - 1; o.full[last] != own.size() || own.messages[7].tokens < 10 || o.cut[last] != own.messages[2].tokens+sumTokens(own.messages[4:7]) || o.head[last] != l.own(4).size()-own.messages[2].tokens {
		t.Errorf("full %v cut %v head %v", o.full, o.cut, o.head)
	}
	if o.cut[1] != 0 {
		t.Error("something may be cut before the task")
	}
}

func sumTokens(list []*text) (n int) {
	for _, m := range list {
		n += m.tokens
	}
	return n
}
