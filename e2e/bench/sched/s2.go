package main

import (
	"math"
	"math/rand/v2"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

// A program is one task: calls one after another, with the agent's tools between them.
type program struct {
	seq         int
	born, ended float64
	calls       []benchkit.Length
	gaps        []float64 // gaps[i] comes before calls[i]; gaps[0] is 0
}

// ideal is how long the program takes on an engine that has nothing else to do.
func (p *program) ideal() float64 {
	var sum float64
	for i, l := range p.calls {
		sum += p.gaps[i] + 0.024*float64(l.Out) + 0.000_07*float64(l.In)
	}
	return sum
}

// S2 as the notes define it.
const (
	s2For      = 3000.0 // seconds of arrivals
	s2From     = 300.0  // programs counted arrive from here
	s2To       = 2400.0 // to here
	s2MeanTool = 1.5
	s2MaxCalls = 80
	s2Few      = 3 // calls of a short program
)

var s2Rates = []float64{0.55, 0.65, 0.90} // programs a second

func programs(seed uint64, rate float64, ls []benchkit.Length) []*program {
	r := benchkit.Source(seed, 2)
	var ps []*program
	for at := r.ExpFloat64() / rate; at < s2For; at += r.ExpFloat64() / rate {
		ps = append(ps, newProgram(r, len(ps), at, ls))
	}
	return ps
}

func newProgram(r *rand.Rand, seq int, at float64, ls []benchkit.Length) *program {
	n := min(max(int(math.Exp(1.2+1.2*r.NormFloat64())), 1), s2MaxCalls)
	p := &program{seq: seq, born: at, calls: make([]benchkit.Length, n), gaps: make([]float64, n)}
	for i := range n {
		p.calls[i] = benchkit.Draw(r, ls)
		if i > 0 {
			p.gaps[i] = s2MeanTool * r.ExpFloat64()
		}
	}
	return p
}

// start plans the program's first call, and each next one a tool's time after the end of the last.
func (p *program) start(b *batcher, seq *int, out *[]*call) {
	left := make([]float64, len(p.calls)+1)
	for i := len(p.calls) - 1; i >= 0; i-- {
		left[i] = left[i+1] + cost(p.calls[i])
	}
	var send func(i int)
	send = func(i int) {
		*seq++
		c := &call{Length: p.calls[i], program: p, seq: *seq, left: left[i]}
		c.over = func(c *call) {
			if i+1 == len(p.calls) {
				p.ended = b.now
				return
			}
			b.plan(b.now+p.gaps[i+1], func() { send(i + 1) })
		}
		if out != nil {
			*out = append(*out, c)
		}
		b.submit(c)
	}
	b.plan(p.born, func() { send(0) })
}

// A s2Result is one run's figures: seconds, and times the ideal.
type s2Result struct {
	Mean, P99, Few, Slowdown float64
	Longest                  float64 // wait of one call
	Makespan                 float64
	waits                    []benchkit.Point
}

func s2(seed uint64, rate float64, ls []benchkit.Length, mk maker) s2Result {
	b := newBatcher(mk)
	ps := programs(seed, rate, ls)
	var calls []*call
	seq := 0
	for _, p := range ps {
		p.start(b, &seq, &calls)
	}
	b.run(math.Inf(1))
	var took, few, slow []float64
	for _, p := range ps {
		if p.born < s2From || p.born >= s2To {
			continue
		}
		t := p.ended - p.born
		took = append(took, t)
		slow = append(slow, t/p.ideal())
		if len(p.calls) <= s2Few {
			few = append(few, t)
		}
	}
	res := s2Result{Mean: benchkit.Mean(took), P99: benchkit.Percentile(took, 0.99), Few: benchkit.Mean(few), Slowdown: benchkit.Mean(slow), Makespan: b.now}
	for _, c := range calls {
		res.Longest = max(res.Longest, c.wait())
		res.waits = append(res.waits, benchkit.Point{At: c.arrived, Value: c.wait()})
	}
	return res
}
