package main

import (
	"math"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

// hogSeeds are the seeds of the hog test and of AIOS's experiment; both take no time.
const hogSeeds = 10

type hogResult struct {
	waits        []float64 // of light tenants
	ends         []float64
	Use          float64 // of the slots
	Jain, Counts float64 // over light tenants: what was served of what was asked; how many were served
	points       []benchkit.Point
}

func hog(seed uint64, mk maker) hogResult {
	s := newSlots(mk, benchkit.HogSlots)
	s.from, s.to = benchkit.HogFrom, benchkit.HogFor
	var lights []*call
	seq := 0
	for tenant := range benchkit.HogLights + 1 {
		r := benchkit.Source(seed, 4000+tenant)
		var again func()
		submit := func() {
			seq++
			c := &call{tenant: tenant, seq: seq, sent: -1, service: benchkit.HogService(r)}
			c.Length = benchkit.Length{In: 20, Out: max(1, int(math.Round(c.service*benchkit.HogSpeed)))}
			c.over = func(*call) { again() }
			if tenant != hogTenant {
				lights = append(lights, c)
			}
			s.submit(c)
		}
		if tenant == hogTenant {
			again = submit
			for range benchkit.HogCalls {
				s.plan(0, submit)
			}
			continue
		}
		again = func() { s.plan(s.now+benchkit.HogThink*r.ExpFloat64(), submit) }
		s.plan(benchkit.HogFirst*r.Float64(), submit)
	}
	s.run(benchkit.HogFor)
	res := hogResult{Use: s.used / (benchkit.HogSlots * (benchkit.HogFor - benchkit.HogFrom))}
	asked, served := make([]float64, benchkit.HogLights), make([]float64, benchkit.HogLights)
	for _, c := range lights {
		if c.arrived < benchkit.HogFrom {
			continue
		}
		asked[c.tenant-1]++
		if c.sent >= 0 {
			res.waits = append(res.waits, c.wait())
			res.points = append(res.points, benchkit.Point{At: c.arrived, Value: c.wait()})
		}
		if c.ended > 0 {
			served[c.tenant-1]++
			res.ends = append(res.ends, c.ended-c.arrived)
		}
	}
	res.Counts = benchkit.Jain(served)
	for i := range served {
		served[i] /= max(asked[i], 1)
	}
	res.Jain = benchkit.Jain(served)
	return res
}

// aios is AIOS's experiment: it returns the makespan, in seconds.
func aios(seed uint64, mk maker) float64 {
	s := newSlots(mk, benchkit.HogSlots)
	r := benchkit.Source(seed, 5)
	seq := 0
	for i := range benchkit.AIOSAgents {
		p := &program{seq: i, gaps: make([]float64, benchkit.AIOSCalls)}
		services := make([]float64, benchkit.AIOSCalls)
		for j := range services {
			services[j] = benchkit.AIOSService(r)
			p.calls = append(p.calls, benchkit.Length{In: 20, Out: max(1, int(math.Round(services[j]*benchkit.HogSpeed)))})
		}
		var send func(j int)
		send = func(j int) {
			seq++
			c := &call{Length: p.calls[j], program: p, seq: seq, service: services[j]}
			c.over = func(*call) {
				if j+1 < benchkit.AIOSCalls {
					s.plan(s.now, func() { send(j + 1) })
				}
			}
			s.submit(c)
		}
		s.plan(0, func() { send(0) })
	}
	s.run(math.Inf(1))
	return s.now
}
