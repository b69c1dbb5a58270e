package main

import "math"

// The hog test, as the issue defines it.
const (
	hogSlots  = 8
	hogFor    = 60.0
	hogFrom   = 10.0
	hogCalls  = 60 // outstanding
	hogLights = 20
	hogThink  = 4.0
	hogFirst  = 6.0
	hogSeeds  = 10
	hogSpeed  = 100 // tokens a second of service, so that orders that count tokens have some
)

type hogResult struct {
	waits        []float64 // of light tenants
	ends         []float64
	Use          float64 // of the slots
	Jain, Counts float64 // over light tenants: what was served of what was asked; how many were served
	points       []point
}

func hog(seed uint64, mk maker) hogResult {
	s := newSlots(mk, hogSlots)
	s.from, s.to = hogFrom, hogFor
	var lights []*call
	seq := 0
	for tenant := range hogLights + 1 {
		r := source(seed, 4000+tenant)
		var again func()
		submit := func() {
			seq++
			c := &call{tenant: tenant, seq: seq, sent: -1, service: 0.5 + 2*r.Float64()}
			c.length = length{20, max(1, int(math.Round(c.service*hogSpeed)))}
			c.over = func(*call) { again() }
			if tenant != hogTenant {
				lights = append(lights, c)
			}
			s.submit(c)
		}
		if tenant == hogTenant {
			again = submit
			for range hogCalls {
				s.plan(0, submit)
			}
			continue
		}
		again = func() { s.plan(s.now+hogThink*r.ExpFloat64(), submit) }
		s.plan(hogFirst*r.Float64(), submit)
	}
	s.run(hogFor)
	res := hogResult{Use: s.used / (hogSlots * (hogFor - hogFrom))}
	asked, served := make([]float64, hogLights), make([]float64, hogLights)
	for _, c := range lights {
		if c.arrived < hogFrom {
			continue
		}
		asked[c.tenant-1]++
		if c.sent >= 0 {
			res.waits = append(res.waits, c.wait())
			res.points = append(res.points, point{c.arrived, c.wait()})
		}
		if c.ended > 0 {
			served[c.tenant-1]++
			res.ends = append(res.ends, c.ended-c.arrived)
		}
	}
	res.Counts = jain(served)
	for i := range served {
		served[i] /= max(asked[i], 1)
	}
	res.Jain = jain(served)
	return res
}

// jain is Jain's fairness index: 1 when all are equal, 1/n when one has everything.
func jain(v []float64) float64 {
	var sum, squares float64
	for _, x := range v {
		sum += x
		squares += x * x
	}
	if squares == 0 {
		return 1
	}
	return sum * sum / (float64(len(v)) * squares)
}

// AIOS's experiment.
const (
	aiosAgents = 24
	aiosCalls  = 4
	aiosMu     = -0.4 // of the logarithm of the service time
	aiosSigma  = 0.75
	aiosLeast  = 0.1
	aiosMost   = 3.0
)

// aios returns the makespan, in seconds.
func aios(seed uint64, mk maker) float64 {
	s := newSlots(mk, hogSlots)
	r := source(seed, 5)
	seq := 0
	for i := range aiosAgents {
		p := &program{seq: i, gaps: make([]float64, aiosCalls)}
		services := make([]float64, aiosCalls)
		for j := range services {
			services[j] = min(max(math.Exp(aiosMu+aiosSigma*r.NormFloat64()), aiosLeast), aiosMost)
			p.calls = append(p.calls, length{20, max(1, int(math.Round(services[j]*hogSpeed)))})
		}
		var send func(j int)
		send = func(j int) {
			seq++
			c := &call{length: p.calls[j], program: p, seq: seq, service: services[j]}
			c.over = func(*call) {
				if j+1 < aiosCalls {
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
