package main

import (
	"fmt"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
	"github.com/trapgate/trapgate/proxy/simmodel"
)

// aiosJob is one seed's agents: one team on one key, each with its own conversation.
func aiosJob(seed uint64, base, model string) []agent {
	var all []agent
	for i := range benchkit.AIOSAgents {
		r := benchkit.Source(seed, 5000+i)
		a := agent{Base: base, Key: "sk-team", Model: model, Talk: true, System: fmt.Sprintf("You are agent %d. Do your task.", i)}
		for range benchkit.AIOSCalls {
			s := benchkit.AIOSService(r)
			a.Calls = append(a.Calls, call{Prompt: fmt.Sprintf("[[sim: tokens %d]]", int(s*benchkit.HogSpeed)), service: s})
		}
		all = append(all, a)
	}
	return all
}

// aios runs all seeds of both sides at once.
func aios(p *plan, r *report) error {
	specs := make([]modelSpec, 2*p.aiosSeeds)
	for i := range specs {
		specs[i].Options = simmodel.Options{Slots: benchkit.HogSlots, DecodeRate: benchkit.HogSpeed, Seed: uint64(i)}
	}
	m, err := startModels(specs...)
	if err != nil {
		return err
	}
	defer m.close()
	g, err := hogGate(p.aiosSeeds, func(seed int) string { return m.base(p.aiosSeeds + seed) })
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
	jobs := []*job{{}, {}}
	for seed := range p.aiosSeeds {
		name := fmt.Sprintf("sim-%d", seed)
		jobs[0].Agents = append(jobs[0].Agents, aiosJob(uint64(seed+1), m.base(seed), name)...)
		jobs[1].Agents = append(jobs[1].Agents, aiosJob(uint64(seed+1), g.URL, name)...)
	}
	answers, err := together(p.driver, jobs, func(int, time.Time) {})
	if err != nil {
		return err
	}
	spans := make([][]float64, 2)
	for side := range spans {
		spans[side] = make([]float64, p.aiosSeeds)
		for _, a := range answers[side] {
			if a.Error != "" {
				return fmt.Errorf("turns: aios: %s", a.Error)
			}
			seed := a.Agent / benchkit.AIOSAgents
			spans[side][seed] = max(spans[side][seed], a.Ended)
		}
	}
	r.aios(p, spans[0], spans[1])
	return nil
}
