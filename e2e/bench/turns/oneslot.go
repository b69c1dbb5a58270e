package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
	"github.com/trapgate/trapgate/e2e/engine"
)

// Two agents on one slot whose prefix cache holds one of them.
const (
	pairTurns  = 8
	pairPrefix = 6000 // tokens
	pairAdds   = 100  // tokens a turn adds in all
	pairOutput = 30   // of them the model's
)

// A pairing is one form of the experiment.
type pairing struct {
	name          string
	tenants       int
	from, to      float64 // tool time, seconds
	wall, prefill float64 // must reach, of direct; 0: only shown
}

var pairings = []pairing{
	{"one tenant, tools 50 to 300 ms", 1, 0.05, 0.3, 0.5, 0.15},
	{"two tenants of equal weight, the same tools", 2, 0.05, 0.3, 0.6, 0.35},
	{"one tenant, tools 2 s", 1, 2, 2, 1.02, 0},
}

// A pairRun is what one side of a pairing took.
type pairRun struct {
	wall, prefilled float64
	longest         float64 // wait: latency less what the engine worked
	waits           []benchkit.Point
}

// oneSlot runs each pairing direct and through us, in turn.
func oneSlot(p *plan, r *report) error {
	e, err := startEngine(engine.Options{Slots: 1, Context: 16384, Layers: p.pairLayers, NoHostCache: true})
	if err != nil {
		return err
	}
	defer e.stop()
	cold, err := coldTime(e)
	if err != nil {
		return err
	}
	progress("a cold prefix takes %.2f s", cold)
	for _, k := range pairings {
		var runs [2][]pairRun
		for seed := range p.pairSeeds {
			for turn := range 2 {
				side := (turn + seed) % 2
				run, err := pair(p, e, k, uint64(seed+1), side == 1)
				if err != nil {
					return fmt.Errorf("%s: %w", k.name, err)
				}
				runs[side] = append(runs[side], run)
				progress("one slot, %s, seed %d, %s: %.2f s, %.0f tokens prefilled, longest wait %.2f s",
					k.name, seed+1, []string{"direct", "through"}[side], run.wall, run.prefilled, run.longest)
			}
		}
		r.pair(k, cold, runs[0], runs[1])
	}
	return nil
}

// pair runs two agents to their end. Through us each run gets a gate of its own, which knows nothing yet.
func pair(p *plan, e *realEngine, k pairing, seed uint64, through bool) (run pairRun, err error) {
	base := e.url + "/v1"
	if through {
		s := setup{upstreams: []upstream{{name: "engine", base: base, pool: "concurrency: 1, cache: {slots: 1}"}}}
		g, err := s.start()
		if err != nil {
			return run, err
		}
		defer func() { _ = g.Close() }()
		base = g.URL
	}
	if err := forget(e); err != nil {
		return run, err
	}
	before, err := e.metric("prompt_tokens_total")
	if err != nil {
		return run, err
	}
	j := &job{Agents: pairAgents(k, seed, base)}
	answers, err := p.driver.run(j, func(time.Time) {})
	if err != nil {
		return run, err
	}
	after, err := e.metric("prompt_tokens_total")
	if err != nil {
		return run, err
	}
	run.prefilled = after - before
	for i := range answers {
		a := &answers[i]
		if a.Error != "" {
			return run, errors.New(a.Error)
		}
		wait := max(0, a.latency()-a.Busy)
		run.wall, run.longest = max(run.wall, a.Ended), max(run.longest, wait)
		run.waits = append(run.waits, benchkit.Point{At: a.Asked, Value: wait})
	}
	if len(answers) != 2*pairTurns {
		return run, fmt.Errorf("turns: %d answers of %d", len(answers), 2*pairTurns)
	}
	slices.SortFunc(run.waits, func(a, b benchkit.Point) int { return cmp.Compare(a.At, b.At) })
	return run, nil
}

func pairAgents(k pairing, seed uint64, base string) []agent {
	var all []agent
	for i := range 2 {
		r := benchkit.Source(seed, 6000+i)
		a := agent{
			Base: base, Model: engine.Model, Key: "sk-team", Talk: true,
			System: letters(r.Uint64(), pairPrefix-80),
		}
		if k.tenants > 1 {
			a.Key = fmt.Sprintf("sk-team-%d", i+1)
		}
		for turn := range pairTurns {
			c := call{Max: pairOutput, Prompt: endless + letters(uint64(turn), pairAdds-pairOutput-len(endless)-16)}
			if turn > 0 {
				c.Think = uniform(r, k.from, k.to)
			}
			a.Calls = append(a.Calls, c)
		}
		all = append(all, a)
	}
	return all
}

// letters is text of n of the model's tokens: each of these capitals is one, because no pair of them is merged.
func letters(seed uint64, n int) string {
	var b strings.Builder
	for i := range max(0, n) {
		seed = seed*6364136223846793005 + 1442695040888963407 + uint64(i)
		b.WriteByte("ABCDEFGHIJKLMNOP"[seed>>60])
	}
	return b.String()
}

// forget fills the engine's slot with something else.
func forget(e *realEngine) error {
	a := agent{Base: e.url + "/v1", Model: engine.Model, Key: "sk-x"}
	_, err := ask(context.Background(), newClient(1), request{&a, []message{{"user", "Go on."}}, 1}, &answer{})
	return err
}

// coldTime is how long the prefix takes when none of it is in the cache, and checks that it has the length it should have.
func coldTime(e *realEngine) (float64, error) {
	if err := forget(e); err != nil {
		return 0, err
	}
	a := pairAgents(pairings[0], 99, e.url+"/v1")[0]
	var got answer
	began := time.Now()
	_, err := ask(context.Background(), newClient(1), request{&a, []message{{"system", a.System}, {"user", a.Calls[0].Prompt}}, 1}, &got)
	if err != nil {
		return 0, err
	}
	if want := pairPrefix + pairAdds - pairOutput; got.Prompt < want*95/100 || got.Prompt > want*105/100 {
		return 0, fmt.Errorf("turns: a first prompt of %d tokens, not %d", got.Prompt, want)
	}
	return time.Since(began).Seconds(), nil
}
