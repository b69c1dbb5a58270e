package main

import (
	"math"
	"slices"
)

// A flow is what a baseline keeps books on: a tenant, or in S2 a program.
type flow struct {
	born     float64 // arrival of its first call
	seq      int
	turn     int // round robin: when it was served last
	attained float64
	lastly   float64 // when attained was decayed last
	waited   float64 // seconds its sent calls waited beyond the aim
	light    bool
	queue    []*call
}

func (f *flow) head() *call { return f.queue[0] }

// before breaks ties: the one that was served longer ago, then the older one.
func (f *flow) before(g *flow) bool { return f.turn < g.turn || f.turn == g.turn && f.seq < g.seq }

// A ranked order serves the flow with the lowest rank; within a flow by arrival; ties by the flow's age. It scans all flows that
// wait, which is why it is a baseline and not an engine.
type ranked struct {
	rank   func(o *ranked, f *flow, now float64) float64
	charge charging
	lift   bool    // a flow that comes back starts no lower than the lowest that waits
	half   float64 // seconds after which half of what was attained is forgotten; 0: never

	flows   map[any]*flow
	waiting []*flow
	turns   int
	est     map[int]*tally    // output of a tenant's calls
	held    map[*call]float64 // what was reserved and not yet settled
}

type charging int

const (
	atEnd    charging = iota
	streamed          // the input when it is sent, each token when it comes
	reserved          // the input and an estimate when it is sent, corrected at the end
)

type tally struct{ n, sum float64 }

func (m *tally) add(v float64) { m.n, m.sum = m.n+1, m.sum+v }
func (m *tally) or(v float64) float64 {
	if m.n == 0 {
		return v
	}
	return m.sum / m.n
}

func (o *ranked) arrive(now float64, c *call) {
	if o.flows == nil {
		o.flows, o.held, o.est = map[any]*flow{}, map[*call]float64{}, map[int]*tally{}
	}
	f := o.flows[c.flow()]
	if f == nil {
		f = &flow{born: now, seq: len(o.flows), lastly: now, light: c.tenant != hogTenant}
		o.flows[c.flow()] = f
	}
	if len(f.queue) == 0 {
		if o.lift && len(o.waiting) > 0 {
			low := math.Inf(1)
			for _, g := range o.waiting {
				low = min(low, g.attained)
			}
			f.attained = max(f.attained, low)
		}
		o.waiting = append(o.waiting, f)
	}
	f.queue = append(f.queue, c)
}

func (o *ranked) next(now float64) *call {
	if len(o.waiting) == 0 {
		return nil
	}
	best, bestRank := 0, math.Inf(1)
	for i, f := range o.waiting {
		o.decay(f, now)
		if r := o.rank(o, f, now); r < bestRank || r == bestRank && f.before(o.waiting[best]) {
			best, bestRank = i, r
		}
	}
	f := o.waiting[best]
	c := f.head()
	f.queue = f.queue[1:]
	o.turns++
	f.turn = o.turns
	if len(f.queue) == 0 {
		o.waiting = slices.Delete(o.waiting, best, best+1)
	}
	f.waited += max(0, now-c.arrived-debtAim)
	switch o.charge {
	case streamed:
		f.attained += float64(c.In)
	case reserved:
		o.held[c] = float64(c.In) + outWeight*o.outs(c).or(coldOutput)
		f.attained += o.held[c]
	case atEnd:
	}
	return c
}

func (o *ranked) decay(f *flow, now float64) {
	if o.half > 0 {
		f.attained *= math.Exp2((f.lastly - now) / o.half)
	}
	f.lastly = now
}

func (o *ranked) progress(now float64, c *call, in, out int) {
	if o.charge == streamed {
		o.flows[c.flow()].attained += outWeight * float64(out)
	}
}

func (o *ranked) done(now float64, c *call) {
	f := o.flows[c.flow()]
	o.decay(f, now)
	o.outs(c).add(float64(c.Out))
	switch o.charge {
	case atEnd:
		f.attained += cost(c.Length)
	case reserved:
		f.attained += cost(c.Length) - o.held[c]
		delete(o.held, c)
	case streamed:
	}
}

// outs is what the tenant's calls put out so far.
func (o *ranked) outs(c *call) *tally {
	if o.est[c.tenant] == nil {
		o.est[c.tenant] = &tally{}
	}
	return o.est[c.tenant]
}

// coldOutput is reserved for a tenant's first calls.
const coldOutput = 600

// flow names the flow of a call.
func (c *call) flow() any {
	if c.program != nil {
		return c.program
	}
	return c.tenant
}

// What the debt baseline was given: a target wait, and the measured cost that the server does in a second.
const (
	debtAim  = 3.0
	debtRate = 6500.0
	debtCap  = 60 * debtRate
)

func attained(_ *ranked, f *flow, _ float64) float64 { return f.attained }

func fifo() order {
	return &ranked{rank: func(_ *ranked, f *flow, _ float64) float64 { return f.head().arrived }}
}

func roundRobin() order {
	return &ranked{rank: func(_ *ranked, f *flow, _ float64) float64 { return float64(f.turn) }}
}

func vtc(c charging) func() order {
	return func() order { return &ranked{rank: attained, charge: c, lift: true} }
}

func las(half float64) func() order {
	return func() order { return &ranked{rank: attained, half: half} }
}

// lasDebt is the notes' section 3: what a flow waited beyond the aim buys it the service that its fair share would have given.
func lasDebt() order {
	return &ranked{rank: func(o *ranked, f *flow, now float64) float64 {
		debt := f.waited + max(0, now-f.head().arrived-debtAim)
		return f.attained - min(debtCap, debtRate/float64(len(o.waiting))*debt)
	}}
}

// twoLevels serves flows below a threshold by what they attained, and the others by the arrival of their program.
func twoLevels(threshold float64) func() order {
	return func() order {
		return &ranked{rank: func(_ *ranked, f *flow, _ float64) float64 {
			if f.attained < threshold {
				return f.attained
			}
			return 1e12 + f.born
		}}
	}
}

func byProgram() order {
	return &ranked{rank: func(_ *ranked, f *flow, _ float64) float64 { return f.born }}
}

// leastLeft knows the future.
func leastLeft() order {
	return &ranked{rank: func(_ *ranked, f *flow, _ float64) float64 { return f.head().left }}
}

// lightFirst is the strict bound of the hog test: a light tenant never waits for the hog's queue.
func lightFirst() order {
	return &ranked{rank: func(_ *ranked, f *flow, _ float64) float64 {
		if f.light {
			return f.head().arrived
		}
		return 1e12 + f.head().arrived
	}}
}
