package main

import (
	"math"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

// S1 and S1b as the notes define them.
const (
	hogTenant = 0
	s1For     = 900.0
	s1From    = 60.0 // waits count from here
	s1Hog     = 200  // outstanding
	s1Light   = 20   // tenants
	s1First   = 2.0  // they start within
	s1Think   = 2.0  // mean

	s1bFor  = 600.0
	s1bFrom = 30.0
	s1bEach = 64 // outstanding
)

type s1Result struct {
	P50, P99       float64 // wait of light tenants, seconds
	End50, End99   float64 // the same, arrival to end
	HogShare, Rate float64 // of the cost; cost a second
	waits          []benchkit.Point
}

func s1(seed uint64, duration float64, ls []benchkit.Length, mk maker) s1Result {
	b := newBatcher(mk)
	var lights []*call
	seq, hogCost, allCost := 0, 0.0, 0.0
	for tenant := range s1Light + 1 {
		r := benchkit.Source(seed, 1000+tenant)
		var again func()
		submit := func() {
			seq++
			c := &call{Length: benchkit.Draw(r, ls), tenant: tenant, seq: seq}
			c.over = func(c *call) {
				allCost += cost(c.Length)
				if tenant == hogTenant {
					hogCost += cost(c.Length)
				}
				again()
			}
			if tenant != hogTenant {
				lights = append(lights, c)
			}
			b.submit(c)
		}
		if tenant == hogTenant {
			again = submit
			for range s1Hog {
				b.plan(0, submit)
			}
			continue
		}
		again = func() { b.plan(b.now+s1Think*r.ExpFloat64(), submit) }
		b.plan(s1First*r.Float64(), submit)
	}
	b.run(duration)
	res := s1Result{HogShare: hogCost / allCost, Rate: b.served / b.now}
	var waits, ends []float64
	for _, c := range lights {
		if c.sent > 0 {
			res.waits = append(res.waits, benchkit.Point{At: c.arrived, Value: c.wait()})
		}
		if c.arrived < s1From {
			continue
		}
		if c.sent > 0 {
			waits = append(waits, c.wait())
		}
		if c.ended > 0 {
			ends = append(ends, c.ended-c.arrived)
		}
	}
	res.P50, res.P99 = benchkit.Percentile(waits, 0.5), benchkit.Percentile(waits, 0.99)
	res.End50, res.End99 = benchkit.Percentile(ends, 0.5), benchkit.Percentile(ends, 0.99)
	return res
}

type s1bResult struct {
	Diff  float64 // the largest difference of service received since s1bFrom, in cost
	Ratio float64 // of the service received in all
}

// s1b has two backlogged tenants, one with small and one with large requests.
func s1b(seed uint64, duration float64, mk maker) s1bResult {
	b := newBatcher(mk)
	var got [2]float64
	var res s1bResult
	started := false
	b.order = &meter{order: b.order, got: &got}
	b.stepped = func() {
		if b.now >= s1bFrom {
			if !started { // what both received until then does not count
				started, got = true, [2]float64{}
			}
			res.Diff = max(res.Diff, math.Abs(got[0]-got[1]))
		}
	}
	seq := 0
	for tenant := range 2 {
		r := benchkit.Source(seed, 2000+tenant)
		var submit func()
		submit = func() {
			seq++
			l := benchkit.Length{In: 200, Out: 50}
			if tenant == 1 {
				l = benchkit.Length{In: 4000, Out: 400 + r.IntN(401)}
			}
			b.submit(&call{Length: l, tenant: tenant, seq: seq, over: func(*call) { submit() }})
		}
		for range s1bEach {
			b.plan(0, submit)
		}
	}
	b.run(duration)
	res.Ratio = max(got[0], got[1]) / min(got[0], got[1])
	return res
}

// A meter adds up what tenants receive.
type meter struct {
	order
	got *[2]float64
}

func (m *meter) progress(now float64, c *call, in, out int) {
	m.got[c.tenant] += float64(in) + outWeight*float64(out)
	m.order.progress(now, c, in, out)
}
