package main

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
	"github.com/trapgate/trapgate/e2e/engine/rig"
	"github.com/trapgate/trapgate/proxy/simmodel"
)

// The sides, in the order of the tables.
const (
	sideDirect = iota
	sideStrict
	sideGate
	hogSides
)

var sideNames = [hogSides]string{"direct", "strict light-first", "trapgate"}

// A load is the hog test's for one seed: what each agent draws, the hog's agents first.
type load struct {
	scale  float64 // services are this much of the issue's
	prompt func(service float64) (text string, max int)
}

// simLoad is the load for the simulated model.
var simLoad = load{1, func(s float64) (string, int) {
	return fmt.Sprintf("[[sim: tokens %d]]", int(s*benchkit.HogSpeed)), 0
}}

// agents makes the hog's and the light agents of one seed, which call base.
func (l load) agents(seed uint64, base, model, gate string) []agent {
	var all []agent
	for i := range benchkit.HogCalls + benchkit.HogLights {
		r := benchkit.Source(seed, 4000+i)
		a := agent{Base: base, Model: model, Until: benchkit.HogFor, Key: "sk-hog", Gate: gate, Rank: 1}
		light := i >= benchkit.HogCalls
		if light {
			a.tenant = i - benchkit.HogCalls + 1
			a.Key, a.Rank, a.First = fmt.Sprintf("sk-light-%d", a.tenant), 0, uniform(r, 0, benchkit.HogFirst)
		}
		for at := a.First; at < benchkit.HogFor*1.5; { // enough even for an agent that never waits, with some to spare
			c := call{service: benchkit.HogService(r) * l.scale}
			if light {
				c.Think = r.ExpFloat64() * benchkit.HogThink
			}
			if len(a.Calls) == 0 {
				c.Think = 0
			}
			c.Prompt, c.Max = l.prompt(c.service)
			a.Calls = append(a.Calls, c)
			at += c.Think + c.service
		}
		all = append(all, a)
	}
	return all
}

// A hogRun is one side's run of one seed.
type hogRun struct {
	waits              []benchkit.Point // of light tenants
	slots              float64          // busy, share
	jain               float64          // over light tenants: what was served of what was asked
	least              int              // calls that the least served light tenant got
	refused, failed    int              // light calls that were refused or repeated; calls of all that failed
	served, hogsServed int
}

// judge makes the figures of one seed from its agents' answers; service says how long a call was worked on.
func judge(agents []agent, answers []answer, service func(*answer) float64) hogRun {
	var run hogRun
	asked, served := make([]float64, benchkit.HogLights), make([]float64, benchkit.HogLights)
	for i := range answers {
		a := &answers[i]
		who := agents[a.Agent].tenant
		if a.Error != "" {
			run.failed++
		}
		if a.Asked < benchkit.HogFrom {
			continue
		}
		inTime := a.Error == "" && a.Ended <= benchkit.HogFor
		if who == 0 {
			if inTime {
				run.hogsServed++
			}
			continue
		}
		asked[who-1]++
		if a.Error != "" || a.Retries > 0 {
			run.refused++
		}
		if a.Error == "" {
			run.waits = append(run.waits, benchkit.Point{At: a.Asked, Value: max(0, a.latency()-service(a))})
		}
		if inTime {
			served[who-1]++
			run.served++
		}
	}
	run.least = int(slices.Min(served))
	for i := range served {
		served[i] /= max(asked[i], 1)
	}
	run.jain = benchkit.Jain(served)
	return run
}

// hogSim runs the hog test over the simulated model: all seeds and sides at once, because all of them only sleep.
func hogSim(p *plan, r *report) error {
	specs := make([]modelSpec, p.hogSeeds*hogSides)
	for i := range specs {
		specs[i].Options = simmodel.Options{Slots: benchkit.HogSlots, DecodeRate: benchkit.HogSpeed, Seed: uint64(i)}
	}
	m, err := startModels(specs...)
	if err != nil {
		return err
	}
	defer m.close()
	model := func(side, seed int) int { return side*p.hogSeeds + seed }
	g, err := hogGate(p.hogSeeds, func(seed int) string { return m.base(model(sideGate, seed)) })
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
	jobs := make([]*job, hogSides)
	for side := range jobs {
		jobs[side] = &job{Gates: map[string]int{}}
		for seed := range p.hogSeeds {
			name := fmt.Sprintf("sim-%d", seed)
			base, gate := m.base(model(side, seed)), ""
			switch side {
			case sideGate:
				base = g.URL
			case sideStrict:
				gate = name
				jobs[side].Gates[gate] = benchkit.HogSlots
			}
			jobs[side].Agents = append(jobs[side].Agents, simLoad.agents(uint64(seed+1), base, name, gate)...)
		}
	}
	var busy slotMeter
	answers, err := together(p.driver, jobs, func(side int, at time.Time) {
		for seed := range p.hogSeeds {
			busy.watch(m, model(side, seed), at)
		}
	})
	if err != nil {
		return err
	}
	if err := busy.wait(); err != nil {
		return err
	}
	runs := make([][]hogRun, hogSides)
	for side := range runs {
		for seed := range p.hogSeeds {
			agents, list := ofSeed(jobs[side], answers[side], seed)
			run := judge(agents, list, func(a *answer) float64 { return agents[a.Agent].Calls[a.Call].service })
			run.slots = busy.share[model(side, seed)]
			runs[side] = append(runs[side], run)
		}
	}
	r.hog(p, "the simulated model, 8 slots", "hog.svg", runs, virtualBound(p.hogSeeds))
	return nil
}

// ofSeed takes one seed's agents and answers out of a side's job.
func ofSeed(j *job, answers []answer, seed int) ([]agent, []answer) {
	const each = benchkit.HogCalls + benchkit.HogLights
	var own []answer
	for _, a := range answers {
		if a.Agent/each == seed {
			a.Agent %= each
			own = append(own, a)
		}
	}
	return j.Agents[seed*each : (seed+1)*each], own
}

// hogGate is one Trapgate with a pool of eight slots for each seed's model.
func hogGate(seeds int, base func(seed int) string) (*rig.Gate, error) {
	var s setup
	for seed := range seeds {
		name := fmt.Sprintf("sim-%d", seed)
		s.upstreams = append(s.upstreams, upstream{name: name, base: base(seed), models: []string{name}, pool: fmt.Sprintf("concurrency: %d", benchkit.HogSlots)})
	}
	return s.start()
}

// A slotMeter reads how busy models' slots were in the time that counts.
type slotMeter struct {
	mu    sync.Mutex
	wg    sync.WaitGroup
	share map[int]float64
	err   error
}

func (b *slotMeter) watch(m *models, i int, begin time.Time) {
	b.wg.Go(func() {
		var busy, at [2]float64
		for k, when := range []float64{benchkit.HogFrom, benchkit.HogFor} {
			time.Sleep(time.Until(begin.Add(seconds(when))))
			asked := time.Now()
			s, err := m.stats(i)
			busy[k], at[k] = s.SlotSeconds, asked.Add(time.Since(asked)/2).Sub(begin).Seconds()
			if err != nil {
				b.mu.Lock()
				b.err = err
				b.mu.Unlock()
				return
			}
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.share == nil {
			b.share = map[int]float64{}
		}
		b.share[i] = (busy[1] - busy[0]) / (benchkit.HogSlots * (at[1] - at[0]))
	})
}

func (b *slotMeter) wait() error {
	b.wg.Wait()
	return b.err
}
