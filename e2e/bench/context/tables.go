package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

// What the replay must reach, by window.
var wanted = map[int]struct{ hits, cost float64 }{
	32768:  {0.983, 2.3},
	131072: {0.995, 7.8},
}

func (r *report) replayHead(s *session, tokens int) {
	r.section("Replay", "`%s`: %d requests, %d messages, %d tokens in the last; %d rules and %d codes planted. %v of model time a call.\n",
		s.name, len(s.Points), len(s.Raw), tokens, len(s.Pins), len(s.IDs), r.p.pace)
}

// replay adds the table and the plots of one window. The last of all is ours.
func (r *report) replay(w int, all []contender, frontier []outcome) {
	k := fmt.Sprintf("%dk", w/1024)
	want, judged := wanted[w]
	judged = judged && len(all[0].sizes) >= 1000 // what must be reached is for a whole session
	r.printf("\n### Window %d\n\n| | hits %% | over | cost | faults | rules at each request, as spelled / decoded %% | codes in text at the end / over all %% | "+
		"least tail, %% of the usable window (short tails) | changed below the mark |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n", w)
	for _, c := range all {
		r.printf("| %s | %.2f | %d | %.3f | %s | %s / %s | %s / %s | %s (%d) | %d |\n", c.name, 100*c.share(), c.over, c.cost(), faultList(c.faults),
			percent(c.pinsSpelled, c.pinsDue), percent(c.pinsSaid, c.pinsDue), percent(c.idsEnd, c.idsDueAtEnd), percent(c.idsSaid, c.idsDue),
			benchkit.Number(100*c.leastTail), c.shortTails, c.changedBelow)
	}
	if judged {
		r.printf("| bound: the oracle at hits >= %.1f %% | >= %.1f | 0 | %.3f | | | | 20 of the usable | |\n", 100*want.hits, 100*want.hits, costAt(frontier, want.hits))
		r.printf("| bound: the oracle at cost <= %g | %.2f | 0 | <= %g | | | | 20 of the usable | |\n", want.cost, 100*hitsAt(frontier, want.cost), want.cost)
	}
	r.printf("\n%s\n", frontierLine(frontier))
	ours := all[len(all)-1].verdict
	r.printf("\nOurs: bytes changed first at %s of the usable window; %d requests were not a continuation of the one before; %d tokens in requests of the gate's own.\n",
		share(ours.firstChanged), ours.rewrites, ours.extra)
	r.replayPlots(k, w, all)
	r.replayFigures(k, ours)
	if judged {
		r.must(k+": prefix hits", ours.share() >= want.hits, fmt.Sprintf(">= %.1f %%", 100*want.hits), "%.2f %%", 100*ours.share())
		r.must(k+": cost, M", ours.cost() <= want.cost, fmt.Sprintf("<= %g", want.cost), "%.3f", ours.cost())
	} else {
		r.shown(k+": prefix hits, cost", "%.2f %%, %.3f M", 100*ours.share(), ours.cost())
	}
}

// frontierLine shows a few of the frontier's schedules.
func frontierLine(frontier []outcome) string {
	if len(frontier) == 0 {
		return "No schedule of epochs keeps this session in the window."
	}
	var list []string
	good := slices.DeleteFunc(slices.Clone(frontier), func(o outcome) bool { return o.hits() < 0.97 })
	for i := 0; i < len(good); i += max(1, len(good)/10) {
		list = append(list, fmt.Sprintf("%.2f / %.3f", 100*good[i].hits(), good[i].cost()))
	}
	return "The oracle's frontier from 97 % on, hits % / cost: " + strings.Join(list, " · ") + "."
}

func (r *report) replayFigures(k string, v *verdict) {
	r.must(k+": requests over the window; failed", v.over == 0 && v.failed == 0, "0; 0", "%d; %d of %d", v.over, v.failed, v.calls)
	r.must(k+": faults introduced", v.allFaults() == 0, "0", "%s", faultList(v.faults))
	r.must(k+": requests with all rules byte for byte", v.pinCallsWhole == v.calls, "100 %", "%s %%", percent(v.pinCallsWhole, v.calls))
	r.must(k+": codes in text at the end; over all requests", 100*v.idsEnd >= 98*v.idsDueAtEnd, ">= 98 %", "%s; %s %%", percent(v.idsEnd, v.idsDueAtEnd), percent(v.idsSaid, v.idsDue))
	r.must(k+": codes in text or by handle at the end", v.idsHeld == v.idsDueAtEnd, "100 %", "%s %%", percent(v.idsHeld, v.idsDueAtEnd))
	r.must(k+": least verbatim tail, of the usable window", v.shortTails == 0, ">= 20 %", "%s; %d requests with less, %d with less than 20 %% of the whole", share(v.leastTail), v.shortTails, v.shortOfWhole)
	r.must(k+": requests changed below the mark", v.changedBelow == 0, "0", "%d; first change at %s of the usable window", v.changedBelow, share(v.firstChanged))
	r.must(k+": repeated requests that reached the upstream", v.kept == v.repeats && v.repeats > 0, "always", "%d of %d", v.kept, v.repeats)
}

func percent(n, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", 100*float64(n)/float64(of))
}

// share shows a share as a percentage, NaN as whole: nothing was cut or changed.
func share(v float64) string {
	if v != v {
		return "- (never)"
	}
	return fmt.Sprintf("%.1f %%", 100*v)
}

func faultList(faults map[string]int) string {
	if len(faults) == 0 {
		return "0"
	}
	var list []string
	for _, kind := range slices.Sorted(maps.Keys(faults)) {
		list = append(list, fmt.Sprintf("%d %s", faults[kind], kind))
	}
	return strings.Join(list, ", ")
}
