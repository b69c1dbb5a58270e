package main

import (
	"fmt"
	"strings"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

// hog reports one form of the hog test: runs[side][seed]. bound is what light tenants wait in virtual time under the strict order,
// nil where it is not computed.
func (r *report) hog(p *plan, where, picture string, runs [][]hogRun, bound []float64) {
	var waits [hogSides][]float64
	var points [hogSides][]benchkit.Point
	var slots, fair [hogSides]float64
	var least, refused, failed, light, hogs [hogSides]int
	for side, list := range runs {
		least[side] = list[0].least
		for _, run := range list {
			for _, w := range run.waits {
				waits[side] = append(waits[side], w.Value)
			}
			points[side] = append(points[side], run.waits...)
			slots[side] += run.slots / float64(len(list))
			fair[side] += run.jain / float64(len(list))
			least[side] = min(least[side], run.least)
			refused[side] += run.refused
			failed[side] += run.failed
			light[side] += run.served
			hogs[side] += run.hogsServed
		}
	}
	r.section("Hog test over "+where, "One hog with %d calls outstanding, %d light tenants with one each and a credential of their own, think Exp(%g s), "+
		"first arrivals U(0, %g s); what came from %g to %g s, %d seeds together. Waits in seconds. The strict order is the driver's own queue.\n\n"+
		"| | light p50 | light p99 | slots busy | Jain | least served | light refused | failed | served light / hog |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
		benchkit.HogCalls, benchkit.HogLights, benchkit.HogThink, benchkit.HogFirst, benchkit.HogFrom, benchkit.HogFor, len(runs[0]))
	for side := range runs {
		r.printf("| %s | %s | %s | %.1f %% | %.4f | %d | %d | %d | %d / %d |\n", sideNames[side], benchkit.Number(benchkit.Percentile(waits[side], 0.5)),
			benchkit.Number(benchkit.Percentile(waits[side], 0.99)), 100*slots[side], fair[side], least[side], refused[side], failed[side], light[side], hogs[side])
	}
	if bound != nil {
		r.printf("| the strict order in virtual time | %s | %s | | | | | | |\n", benchkit.Number(benchkit.Percentile(bound, 0.5)), benchkit.Number(benchkit.Percentile(bound, 0.99)))
	}
	name := "hog, " + strings.SplitN(where, ",", 2)[0] + ": "
	for _, q := range []float64{0.5, 0.99} {
		ours, strict := benchkit.Percentile(waits[sideGate], q), benchkit.Percentile(waits[sideStrict], q)
		r.must(fmt.Sprintf("%slight p%g wait", name, 100*q), ours <= 1.1*strict, "<= 1.1x the strict bound", "%s s, bound %s s: %sx (direct %s s)",
			benchkit.Number(ours), benchkit.Number(strict), benchkit.Number(ours/strict), benchkit.Number(benchkit.Percentile(waits[sideDirect], q)))
	}
	r.must(name+"slot use", slots[sideGate] >= 0.99*slots[sideDirect], ">= 99 % of direct", "%.2f %% of direct", 100*slots[sideGate]/slots[sideDirect])
	r.atLeast(name+"Jain over light tenants", fair[sideGate], 0.99, "")
	r.must(name+"light refused", refused[sideGate] == 0, "0", "%d", refused[sideGate])
	var all []benchkit.Series
	for side := range runs {
		all = append(all, benchkit.Series{Name: sideNames[side], Points: points[side]})
	}
	r.picture(picture, "Hog test over "+strings.SplitN(where, ",", 2)[0]+": waits of light tenants", all)
}

func (r *report) aios(p *plan, direct, gate []float64) {
	r.section("AIOS's experiment", "%d agents with %d calls each, %d slots, services lognormal from %g to %g s. Makespan in seconds, for each of %d seeds.\n\n",
		benchkit.AIOSAgents, benchkit.AIOSCalls, benchkit.HogSlots, benchkit.AIOSLeast, benchkit.AIOSMost, len(direct))
	r.printf("| | mean | by seed |\n| --- | --- | --- |\n| plain concurrency | %s | %s |\n| trapgate | %s | %s |\n",
		benchkit.Number(benchkit.Mean(direct)), numbers(direct), benchkit.Number(benchkit.Mean(gate)), numbers(gate))
	ratio := benchkit.Mean(gate) / benchkit.Mean(direct)
	r.must("AIOS's experiment: makespan", ratio <= 1.02, "<= 1.02x plain concurrency", "%s s against %s s: %.3fx", benchkit.Number(benchkit.Mean(gate)), benchkit.Number(benchkit.Mean(direct)), ratio)
}

func numbers(v []float64) string {
	parts := make([]string, len(v))
	for i, x := range v {
		parts[i] = benchkit.Number(x)
	}
	return strings.Join(parts, ", ")
}

func (r *report) pair(k pairing, cold float64, direct, gate []pairRun) {
	sum := func(runs []pairRun, f func(pairRun) float64) (total float64) {
		for _, run := range runs {
			total += f(run) / float64(len(runs))
		}
		return total
	}
	wall := func(x pairRun) float64 { return x.wall }
	tokens := func(x pairRun) float64 { return x.prefilled }
	longest := func(x pairRun) float64 { return x.longest }
	r.section("One slot, two agents: "+k.name, "llama.cpp, one slot, no host cache; %d turns each, a prefix of %d tokens (%.2f s when it is cold), %d tokens a turn. Means over %d seeds.\n\n"+
		"| | wall, s | prefilled tokens | longest wait, s |\n| --- | --- | --- | --- |\n", pairTurns, pairPrefix, cold, pairAdds, len(direct))
	for side, runs := range [][]pairRun{direct, gate} {
		r.printf("| %s | %s | %.0f | %s |\n", []string{"direct", "trapgate"}[side], benchkit.Number(sum(runs, wall)), sum(runs, tokens), benchkit.Number(sum(runs, longest)))
	}
	w, t := sum(gate, wall)/sum(direct, wall), sum(gate, tokens)/sum(direct, tokens)
	name := "one slot, " + k.name + ": "
	r.atMost(name+"wall, through over direct", w, k.wall, "")
	if k.prefill > 0 {
		r.atMost(name+"prefilled tokens", t, k.prefill, "")
	} else {
		r.shown(name+"prefilled tokens", "%s", benchkit.Number(t))
	}
	r.shown(name+"longest wait", "%s s, direct %s s", benchkit.Number(sum(gate, longest)), benchkit.Number(sum(direct, longest)))
	file := fmt.Sprintf("oneslot-%d-%.0fms.svg", k.tenants, k.to*1000)
	r.picture(file, "One slot, "+k.name+": waits", []benchkit.Series{{Name: "direct", Points: direct[0].waits}, {Name: "trapgate", Points: gate[0].waits}})
}

func (r *report) abandon(rows []desertion) {
	r.section("An abandoned unary call while another streams", "llama.cpp, two slots, upstream `unary: stream`. From the agent's leaving until a call that waited in the engine got the slot, "+
		"less what that call takes by itself. The other agent's stream has %d tokens, the call twice as many.\n\n| state of the call | | median, s | worst, s | times |\n| --- | --- | --- | --- | --- |\n", desertTokens)
	for _, d := range rows {
		who := "engine alone"
		if d.through {
			who = "trapgate"
		}
		r.printf("| %s | %s | %s | %s | %d |\n", d.state, who, benchkit.Number(benchkit.Median(d.free)), benchkit.Number(benchkit.Percentile(d.free, 1)), len(d.free))
	}
	for _, d := range rows {
		if !d.through {
			r.shown("abandoned unary call in "+d.state+", engine alone: slot free after", "%s s", benchkit.Number(benchkit.Median(d.free)))
			continue
		}
		limit, what := 0.05, "<= 50 ms"
		if d.state == "prefill" {
			// The stream beside it takes its share of the engine, and a batch may have begun just then.
			limit, what = 0.05+1.25*d.batch, fmt.Sprintf("the batch under way (%s s)", benchkit.Number(d.batch))
		}
		worst := benchkit.Percentile(d.free, 1)
		r.must("abandoned unary call in "+d.state+": slot free after (worst)", worst <= limit, what, "%s s", benchkit.Number(worst))
	}
}

func (r *report) cancels(run cancelRun) {
	ms := func(v float64) string { return benchkit.Number(v * 1e3) }
	r.section("A waiting call is cancelled", "In the engine, %d calls waiting: `Cancel` returns with the place free after p50 %s, p99 %s, worst %s ms. "+
		"Through the gate, whose queue has one place: an agent leaves, and the next one asks a millisecond later: %d of %d got the place at once, the latest call that got it was sent after %s ms.\n",
		run.queued, ms(benchkit.Percentile(run.engine, 0.5)), ms(benchkit.Percentile(run.engine, 0.99)), ms(benchkit.Percentile(run.engine, 1)), run.taken, run.tries, ms(benchkit.Percentile(run.seen, 1)))
	r.must("cancel frees its place, in the engine (p99)", benchkit.Percentile(run.engine, 0.99) < 0.001, "< 1 ms", "%s ms (worst %s)", ms(benchkit.Percentile(run.engine, 0.99)), ms(benchkit.Percentile(run.engine, 1)))
	r.must("cancel frees its place, through the gate: free 1 ms after the agent left", run.taken == run.tries, "always", "%d of %d", run.taken, run.tries)
}

func (r *report) limits(p *plan, list []*provider, s *s3Run) {
	r.section("Provider limits", "A simulated provider that refuses above %d requests and %d tokens a minute, and calls at three times that for %g s.\n\n"+
		"| limits | refusals by the provider, minute by minute | by limit | calls that agents saw fail | served | tokens used, of the limit |\n| --- | --- | --- | --- | --- | --- |\n",
		providerRPM, providerTPM, p.limitsFor)
	for _, v := range list {
		r.printf("| %s | %v | %v | %d | %d | %.1f %% |\n", v.name, v.minutes, strings.TrimPrefix(fmt.Sprint(v.kinds), "map"), v.agents, v.served, 100*v.use)
		n := v.after(v.judged)
		if v.known {
			r.must("upstream 429, limits "+v.name, n == 0, "none", "%d", n)
		} else {
			r.must("upstream 429, limits unknown, after the third window", n == 0, "none", "%d (before: %d)", n, v.after(0)-n)
		}
	}
	r.section("A limit on tokens at three times overload (S3, in real time)", "%d tokens a minute, %g calls a second, max_tokens %d, a queue of %d, lengths: %s. Usage counts when a call ends; nobody enforces the limit. "+
		"What ended from %g to %g s. Refused because the queue was full: %.0f %%.\n", s3Limit, s3Rate, s3Max, s3Queue, s.lengths, s.from, p.limitsFor, 100*s.refused)
	r.atMost("S3: worst sliding 60 s over the limit", s.worst, 1.10, "x")
	r.atLeast("S3: use of the limit", 100*s.use, 97, " %")
	r.picture("s3-real.svg", "S3 in real time: waits", []benchkit.Series{{Name: "trapgate", Points: s.waits}})
}

func (r *report) sidecars(run *sidecarRun) {
	r.section("Four sidecars on one Redis", "%g tokens a second shared by tenants a (weight 1), b (2), c (1) and d (1) over four processes, twice as much asked for; c is light until %g s. "+
		"Redis is killed at %g s and started again, empty, at %g s; the end is at %g s. A budget of %d tokens of tenant e, spent through all four.\n\n"+
		"Answers that were no success, by status: %v; other failures: %d %s. While Redis was gone, the busiest sidecar used %.2f of its static share.\n",
		shareRate, run.half, run.killed, run.restarted, run.end, shareBudget, run.refusals, run.failed, run.firstFail, run.alone)
	r.atMost("4 sidecars: worst minute over the limit", run.over, 1.05, "x")
	r.atMost("4 sidecars: spent of the budget", run.spent, 1.05, "x")
	r.atLeast("4 sidecars: the budget can be spent", run.spent, 0.95, "x")
	r.atMost("4 sidecars: stranded", 100*run.stranded, 5, " %")
	for i, when := range []string{"c light", "c heavy", "after the restart"} {
		r.atMost("4 sidecars: distance from weighted max-min, "+when, 100*run.distance[i], 10, " %")
	}
	r.must("4 sidecars: failures", run.failed == 0, "none", "%d", run.failed)
	var all []benchkit.Series
	for i, uses := range run.uses {
		all = append(all, benchkit.Series{Name: fmt.Sprintf("sidecar %d", i+1), Points: uses})
	}
	r.pictures["sidecars.svg"] = benchkit.SpeedPlot("Four sidecars: tokens a second", all)
	r.printf("\n![tokens a second](sidecars.svg)\n")
}

func (r *report) added(p *plan, run *addedRun) {
	r.section("What the section adds where there is room for all", "Whole exchanges at c=1 over one connection, in turns of %d with the section and without; %d rounds of %d each, medians over the rounds, in microseconds.\n\n"+
		"| | p50 | p99 |\n| --- | --- | --- |\n| without | %s | %s |\n| added | %s | %s |\n", addedBlock, len(run.p50), p.addedEach,
		benchkit.Number(benchkit.Median(run.off50)), benchkit.Number(benchkit.Median(run.off99)), benchkit.Number(benchkit.Median(run.p50)), benchkit.Number(benchkit.Median(run.p99)))
	r.atMost("schedule with capacity free: added p50", benchkit.Median(run.p50), 5, " us")
	r.atMost("schedule with capacity free: added p99", benchkit.Median(run.p99), 50, " us")
}
