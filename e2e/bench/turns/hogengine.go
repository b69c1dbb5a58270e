package main

import (
	"fmt"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
	"github.com/trapgate/trapgate/e2e/engine"
)

const (
	engineSlots = 2
	// engineScale makes calls shorter where there are two slots instead of eight, so that light tenants ask for the same part of them.
	engineScale = 0.19
)

// hogEngine runs the hog test over llama.cpp with two slots, one side after the other, because they share the cores.
func hogEngine(p *plan, r *report) error {
	e, err := startEngine(engine.Options{Slots: engineSlots, Context: 4096, Layers: p.engineLayers})
	if err != nil {
		return err
	}
	defer e.stop()
	rate, err := e.speed(engineSlots, 400)
	if err != nil {
		return err
	}
	progress("the engine writes %.0f tokens a second in each of %d slots", rate, engineSlots)
	l := load{engineScale, func(s float64) (string, int) { return endless, max(1, int(s*rate)) }}
	s := setup{upstreams: []upstream{{name: "engine", base: e.url + "/v1", pool: fmt.Sprintf("concurrency: %d", engineSlots)}}}
	g, err := s.start()
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
	runs := make([][]hogRun, hogSides)
	for seed := range p.engineSeeds {
		for turn := range hogSides {
			side := (turn + seed) % hogSides
			j := &job{}
			base, gate := e.url+"/v1", ""
			switch side {
			case sideGate:
				base = g.URL
			case sideStrict:
				gate = "engine"
				j.Gates = map[string]int{gate: engineSlots}
			}
			j.Agents = l.agents(uint64(seed+1), base, engine.Model, gate)
			answers, err := p.driver.run(j, func(time.Time) {})
			if err != nil {
				return err
			}
			run := judge(j.Agents, answers, func(a *answer) float64 { return a.Busy })
			run.slots = worked(answers, benchkit.HogFrom, benchkit.HogFor) / (engineSlots * (benchkit.HogFor - benchkit.HogFrom))
			runs[side] = append(runs[side], run)
			progress("hog over the engine, seed %d, %s: slots busy %.3f", seed+1, sideNames[side], run.slots)
			if err := e.idle(); err != nil {
				return err
			}
		}
	}
	r.hog(p, fmt.Sprintf("llama.cpp with 2 slots, services %g times as long (%.0f tokens a second in each slot)", engineScale, rate), "hog-engine.svg", runs, nil)
	return nil
}

// worked is how long the engine worked on the answers within from..to, by its own account: a call is worked on until it ends.
func worked(answers []answer, from, to float64) (sum float64) {
	for i := range answers {
		if a := &answers[i]; a.Error == "" {
			sum += max(0, min(a.Ended, to)-max(a.Ended-a.Busy, from))
		}
	}
	return sum
}
