package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
	"github.com/trapgate/trapgate/e2e/engine/rig"
	"github.com/trapgate/trapgate/e2e/redis"
	"github.com/trapgate/trapgate/proxy/simmodel"
	"github.com/trapgate/trapgate/ratelimit/lease/leasetest"
)

// Four sidecars share a limit and a budget over a Redis. Times are in seconds.
const (
	shareRate   = 1000.0 // tokens a second of the limit
	shareBudget = 60_000 // tokens of tenant e
	shareSettle = 20.0   // a change of load has settled after this time
	callTokens  = 150    // of a call, about
)

// A timetable says when what happens.
type timetable struct{ half, killed, restarted, end float64 }

type sidecarRun struct {
	timetable
	over      float64 // worst minute, of the limit
	stranded  float64 // share of the limit that nobody used though many waited
	distance  [3]float64
	spent     float64 // of the budget
	alone     float64 // worst use of a sidecar while Redis was gone, of its static share
	failed    int
	firstFail string
	refusals  map[int]int
	uses      [][]benchkit.Point // by sidecar
}

// shared is the configuration that all four have.
func shared(m *models, redisURL string) setup {
	return setup{
		upstreams: []upstream{
			{name: "shared", base: m.base(0), models: []string{"sim"}, pool: fmt.Sprintf("tokens_per_minute: %d", int(shareRate*60))},
			{name: "free", base: m.base(0), models: []string{"free"}},
		},
		auth: []string{"a", "b", "c", "d", "e"},
		schedule: fmt.Sprintf("  shared: {redis: {url: %q}, sidecars: 4}\n", redisURL) +
			"  tenants:\n    - {name: a, weight: 1}\n    - {name: b, weight: 2}\n    - {name: c, weight: 1}\n    - {name: d, weight: 1}\n" +
			fmt.Sprintf("    - {name: e, budgets: [{per: tenant, unit: tokens, limit: %d, window: month}]}\n", shareBudget),
	}
}

// sidecars runs four Trapgates under the loads of package leasetest while their Redis is killed and started again, empty.
func sidecars(p *plan, r *report) error {
	db, err := redis.Start()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	m, err := startModels(modelSpec{Options: simmodel.Options{DecodeRate: 500}})
	if err != nil {
		return err
	}
	defer m.close()
	var gates []*rig.Gate
	defer func() {
		for _, g := range gates {
			_ = g.Close()
		}
	}()
	for range 4 {
		s := shared(m, db.URL())
		g, err := s.start()
		if err != nil {
			return err
		}
		gates = append(gates, g)
	}
	begin := time.Now().Add(2 * time.Second)
	broken := make(chan error, 1)
	go func() {
		time.Sleep(time.Until(begin.Add(seconds(p.times.killed))))
		if err := db.Kill(); err != nil {
			broken <- err
			return
		}
		time.Sleep(time.Until(begin.Add(seconds(p.times.restarted))))
		broken <- db.Restart()
	}()
	rate, budget := callAll(p, gates, begin)
	if err := <-broken; err != nil {
		return err
	}
	r.sidecars(judgeSidecars(p, rate, budget))
	return nil
}

// loadLoop is one tenant's calls through one sidecar.
func loadLoop(g *rig.Gate, model, tenant string, seed uint64, until float64, speed func(at float64) float64) *openLoop {
	return &openLoop{
		agent: agent{Base: g.URL, Model: model, Key: keyOf(tenant)}, name: tenant, seed: seed, most: 60, until: until,
		rate: func(at float64) float64 { return speed(at) / callTokens },
		next: func(k int) (string, call) {
			n := 40 + k*31%80
			return letters(seed+uint64(k), 4*(callTokens-80-8)) + fmt.Sprintf("[[sim: tokens %d]]", n), call{Max: 200, service: float64(n)}
		},
	}
}

// callAll runs the loads of the limit and of the budget: rate[sidecar][load] and budget[sidecar] are what came of them.
func callAll(p *plan, gates []*rig.Gate, begin time.Time) (rate [][][]arrival, budget [][]arrival) {
	ctx, cancel := context.WithDeadline(context.Background(), begin.Add(seconds(p.times.end)))
	defer cancel()
	client := newClient(400)
	defer client.CloseIdleConnections()
	rate, budget = make([][][]arrival, 4), make([][]arrival, 4)
	var wg sync.WaitGroup
	for i, loads := range fourLoads(p) {
		rate[i] = make([][]arrival, len(loads))
		for k, l := range loads {
			o := loadLoop(gates[i], "sim", l.Tenant, uint64(10*i+k), p.times.end, func(at float64) float64 { return l.Speed(seconds(at)) })
			wg.Go(func() { rate[i][k] = o.run(ctx, client, begin) })
		}
		speed := []float64{200, 120, 60, 20}[i] * 150 / p.times.killed // used up when Redis is gone, or soon after
		o := loadLoop(gates[i], "free", "e", uint64(100+i), p.times.end, func(float64) float64 { return speed })
		wg.Go(func() { budget[i] = o.run(ctx, client, begin) })
	}
	wg.Wait()
	return rate, budget
}

func fourLoads(p *plan) [][]leasetest.Load {
	return leasetest.Four(shareRate, seconds(p.times.half))
}

func judgeSidecars(p *plan, rate [][][]arrival, budget [][]arrival) *sidecarRun {
	run := &sidecarRun{timetable: p.times, refusals: map[int]int{}, uses: make([][]benchkit.Point, 4)}
	logs := make([]leasetest.Log, 4)
	var all []benchkit.Point
	for i := range rate {
		for k, calls := range rate[i] {
			for _, c := range calls {
				logs[i].Arrivals = append(logs[i].Arrivals, leasetest.Spend{At: seconds(c.Asked), Load: k, Amount: int64(c.prompt + c.output)})
				if run.served(p, &c) {
					n := c.Prompt + c.Output
					logs[i].Spends = append(logs[i].Spends, leasetest.Spend{At: seconds(c.Ended), Load: k, Amount: int64(n)})
					run.uses[i] = append(run.uses[i], benchkit.Point{At: c.Ended, Value: float64(n)})
				}
			}
		}
		all = append(all, run.uses[i]...)
		gone := total(run.uses[i], p.times.killed+8, p.times.restarted) / (shareRate / 4 * (p.times.restarted - p.times.killed - 8))
		run.alone = max(run.alone, gone)
	}
	run.over = worstWindow(all, windowFor, 0, p.times.end) / (shareRate * 60)
	run.stranded = 1 - total(all, shareSettle, p.times.killed)/(shareRate*(p.times.killed-shareSettle))
	for i, part := range [][2]float64{{shareSettle, p.times.half}, {p.times.half + shareSettle/2, p.times.killed}, {p.times.restarted + shareSettle, p.times.end}} {
		run.distance[i] = leasetest.Distance(fourLoads(p), logs, shareRate, seconds(part[0]), seconds(part[1]))
	}
	for _, c := range slices.Concat(budget...) {
		if run.served(p, &c) {
			run.spent += float64(c.Prompt+c.Output) / shareBudget
		}
	}
	return run
}

// served reports whether a call was, and counts those that failed in a way in which they must not.
func (run *sidecarRun) served(p *plan, c *arrival) bool {
	switch {
	case c.lost || c.Ended > p.times.end-0.1: // those that the end has cut
		return false
	case c.status != 0:
		run.refusals[c.status]++
		if c.status != 429 {
			run.fail(c.Error)
		}
		return false
	case c.Error != "":
		run.fail(c.Error)
		return false
	}
	return true
}

func (run *sidecarRun) fail(why string) {
	if run.failed++; run.firstFail == "" {
		run.firstFail = why
	}
}
