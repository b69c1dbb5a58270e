package main

import (
	"fmt"
	"strings"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

// A report collects the page.
type report struct {
	strings.Builder
	r *results
	o *options
}

func (r *results) markdown(o *options) string {
	p := &report{r: r, o: o}
	r.missed = nil
	p.s1()
	p.s1b()
	p.s2()
	p.s3()
	p.hog()
	p.aios()
	return p.top() + p.String() + how
}

func (p *report) top() string {
	var b strings.Builder
	b.WriteString("# Orders of service in virtual time\n\nMade by `go run ./e2e/bench/sched`; do not edit. ")
	b.WriteString(ours + " is package `ratelimit` itself, with its defaults; all others are small baselines of this bench.\n\n")
	var sum benchkit.Length
	for _, l := range p.o.lengths {
		sum.In, sum.Out = sum.In+l.In, sum.Out+l.Out
	}
	n := len(p.o.lengths)
	fmt.Fprintf(&b, "- lengths: `%s`, %d rows, mean %d in, %d out\n", p.o.from, n, sum.In/n, sum.Out/n)
	fmt.Fprintf(&b, "- server: %d slots, %d KV tokens, %d prefill tokens a step; a step takes %.0f ms + %.2f ms x running + %.2f ms x prefilled\n",
		batchSlots, batchKV, prefillChunk, stepBase*1e3, stepRunning*1e3, stepPrefill*1e3)
	fmt.Fprintf(&b, "- cost: in + %d x out; seeds 1 to %d (hog test and AIOS's experiment: 1 to %d)\n- took %.0f s\n\n", outWeight, p.o.seeds, p.o.hogs, p.r.took.Seconds())
	if len(p.r.missed) == 0 {
		b.WriteString("Every figure is met.\n\n")
	} else {
		fmt.Fprintf(&b, "Not met: %d. %s.\n\n", len(p.r.missed), strings.Join(p.r.missed, "; "))
	}
	return b.String()
}

// check is one line of a table of targets.
func (p *report) check(name, must string, value float64, format string, met bool) {
	word := "yes"
	if !met {
		word = "**no**"
		p.r.missed = append(p.r.missed, fmt.Sprintf("%s ("+format+", must be %s)", name, value, must))
	}
	fmt.Fprintf(p, "| %s | %s | "+format+" | %s |\n", name, must, value, word)
}

func (p *report) checks() {
	p.WriteString("\n| figure | must reach | trapgate | met |\n| --- | --- | --- | --- |\n")
}

// values shows the mean of a figure and the seeds it comes from.
func values[T any](runs []T, format string, figure func(T) float64) (text string, mean float64) {
	var each []float64
	var parts []string
	for _, r := range runs {
		each = append(each, figure(r))
		parts = append(parts, fmt.Sprintf(format, figure(r)))
	}
	mean = benchkit.Mean(each)
	text = fmt.Sprintf(format, mean)
	if len(runs) > 1 {
		text += " (" + strings.Join(parts, ", ") + ")"
	}
	return text, mean
}

func text[T any](runs []T, format string, figure func(T) float64) string {
	s, _ := values(runs, format, figure)
	return s
}

func mean[T any](runs []T, figure func(T) float64) float64 {
	_, m := values(runs, "%g", figure)
	return m
}

func (p *report) s1() {
	if p.r.s1 == nil {
		return
	}
	fmt.Fprintf(p, "## S1: a hog with %d calls outstanding, %d light tenants with one each\n\n%.0f s; waits of light tenants from %.0f s on, in seconds: mean (seeds).\n\n",
		s1Hog, s1Light, p.o.s1For, s1From)
	p.WriteString("| order | p50 wait | p99 wait | p50 in all | p99 in all | hog's share | cost a second |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	p99 := func(x s1Result) float64 { return x.P99 }
	rate := func(x s1Result) float64 { return x.Rate }
	for _, s := range s1Sides {
		x := p.r.s1[s.name]
		fmt.Fprintf(p, "| %s | %s | %s | %s | %s | %s | %s |\n", s.name,
			text(x, "%.2f", func(x s1Result) float64 { return x.P50 }), text(x, "%.2f", p99),
			text(x, "%.1f", func(x s1Result) float64 { return x.End50 }), text(x, "%.1f", func(x s1Result) float64 { return x.End99 }),
			text(x, "%.3f", func(x s1Result) float64 { return x.HogShare }), text(x, "%.0f", rate))
	}
	p.checks()
	wait, bound := mean(p.r.s1[ours], p99), mean(p.r.s1[sideLight.name], p99)
	p.check("S1 light p99 wait, s", "<= 1.2", wait, "%.2f", wait <= 1.2)
	off := mean(p.r.s1[ours], rate)/mean(p.r.s1[sideFIFO.name], rate) - 1
	p.check("S1 throughput against FIFO, %", "within 1", off*100, "%+.2f", off >= -0.01 && off <= 0.01)
	fmt.Fprintf(p, "\nNo order can do better than %.2f s here without keeping slots idle: that is light tenants strictly first, by arrival.\n\n![Waits in S1](s1.svg)\n\n", bound)
}

func (p *report) s1b() {
	if p.r.s1b == nil {
		return
	}
	fmt.Fprintf(p, "## S1b: two backlogged tenants, small and large requests, %d outstanding each\n\n", s1bEach)
	p.WriteString("| order | largest difference of service after 30 s | ratio of service |\n| --- | --- | --- |\n")
	diff := func(x s1bResult) float64 { return x.Diff }
	for _, s := range s1bSides {
		x := p.r.s1b[s.name]
		fmt.Fprintf(p, "| %s | %s | %s |\n", s.name, text(x, "%.0f", diff), text(x, "%.2f", func(x s1bResult) float64 { return x.Ratio }))
	}
	p.checks()
	d := mean(p.r.s1b[ours], diff)
	p.check("S1b largest service difference", "<= 8000", d, "%.0f", d <= 8000)
	p.WriteString("\n")
}

func (p *report) s2() {
	if p.r.s2 == nil || !p.o.wants("s2") {
		return
	}
	fmt.Fprintf(p, "## S2: programs of 1 to %d calls, each its own flow of one tenant\n\n", s2MaxCalls)
	fmt.Fprintf(p, "Completion times in seconds: mean (seeds). Counted: programs that arrive between %.0f and %.0f s of %.0f.\n\n", s2From, s2To, s2For)
	for _, rate := range p.o.rates {
		p.s2Rate(rate)
	}
	p.WriteString("![Waits in S2 at 0.65](s2-065.svg)\n![Waits in S2 at 0.90](s2-090.svg)\n\n")
}

func (p *report) s2Rate(rate float64) {
	fmt.Fprintf(p, "### %.2f programs a second\n\n", rate)
	p.WriteString("| order | mean | p99 | mean of <= 3 calls | slowdown | longest wait of one call |\n| --- | --- | --- | --- | --- | --- |\n")
	avg := func(x s2Result) float64 { return x.Mean }
	p99 := func(x s2Result) float64 { return x.P99 }
	few := func(x s2Result) float64 { return x.Few }
	runs := p.r.s2[rate]
	for _, s := range s2Sides {
		x := runs[s.name]
		fmt.Fprintf(p, "| %s | %s | %s | %s | %s | %s |\n", s.name, text(x, "%.1f", avg), text(x, "%.0f", p99), text(x, "%.1f", few),
			text(x, "%.2f", func(x s2Result) float64 { return x.Slowdown }), text(x, "%.0f", func(x s2Result) float64 { return x.Longest }))
	}
	if rate != s2Rates[0] {
		p.checks()
		us, best, first := runs[ours], runs[sideLAS.name], runs[sideFIFO.name]
		p.ratio(fmt.Sprintf("S2 %.2f/s: mean over LAS's", rate), 1.05, mean(us, avg)/mean(best, avg))
		p.ratio(fmt.Sprintf("S2 %.2f/s: p99 over FIFO's", rate), 1.05, mean(us, p99)/mean(first, p99))
		p.ratio(fmt.Sprintf("S2 %.2f/s: mean of <= 3 calls over LAS's", rate), 1.1, mean(us, few)/mean(best, few))
		if rate == s2Rates[2] {
			fmt.Fprintf(p, "| aim, not a must: mean / p99 / mean of <= 3 calls | 330 / 2700 / 14 | %.0f / %.0f / %.1f | |\n", mean(us, avg), mean(us, p99), mean(us, few))
		}
	}
	p.WriteString("\n")
}

func (p *report) ratio(name string, must, value float64) {
	p.check(name, fmt.Sprintf("<= %.2f", must), value, "%.3f", value <= must)
}

func (p *report) s3() {
	if !p.o.wants("s3") {
		return
	}
	p.WriteString("## S3: a provider's tokens a minute at three times overload\n\nUsage counts when a call ends. Baselines: one bucket that holds a minute's tokens, first come first served.\n\n")
	for _, l := range s3Limits {
		fmt.Fprintf(p, "### %.0f tokens a minute, max_tokens %d\n\n", l.tpm, l.maxTokens)
		p.WriteString("| admission | worst 60 s over the limit | use | deepest debt | p99 wait, s |\n| --- | --- | --- | --- | --- |\n")
		worst := func(x s3Result) float64 { return x.Worst }
		use := func(x s3Result) float64 { return x.Use }
		for _, s := range s3Sides {
			x := p.r.s3[l.tpm][s.name]
			fmt.Fprintf(p, "| %s | %s | %s | %s | %s |\n", s.name, text(x, "%.3f", worst), text(x, "%.3f", use),
				text(x, "%.2f", func(x s3Result) float64 { return x.Debt }), text(x, "%.0f", func(x s3Result) float64 { return x.P99 }))
		}
		p.checks()
		us := p.r.s3[l.tpm][ours]
		p.ratio(fmt.Sprintf("S3 %.0f: worst 60 s over the limit", l.tpm), 1.10, mean(us, worst))
		u := mean(us, use)
		p.check(fmt.Sprintf("S3 %.0f: use", l.tpm), ">= 0.97", u, "%.3f", u >= 0.97)
		p.WriteString("\n")
	}
	p.WriteString("![Waits in S3](s3.svg)\n\n")
}

func (p *report) hog() {
	if p.r.hog == nil {
		return
	}
	fmt.Fprintf(p, "## Hog test: %d slots, a hog with %d outstanding, %d light tenants\n\nWaits of light tenants of all seeds together, seconds; Jain's index over light tenants.\n\n", benchkit.HogSlots, benchkit.HogCalls, benchkit.HogLights)
	p.WriteString("| order | p50 wait | p99 wait | slot use | Jain: served of asked | Jain: served |\n| --- | --- | --- | --- | --- | --- |\n")
	use := func(x hogResult) float64 { return x.Use }
	fair := func(x hogResult) float64 { return x.Jain }
	wait := func(side string, q float64) float64 {
		var all []float64
		for _, x := range p.r.hog[side] {
			all = append(all, x.waits...)
		}
		return benchkit.Percentile(all, q)
	}
	for _, s := range hogSides {
		x := p.r.hog[s.name]
		fmt.Fprintf(p, "| %s | %.2f | %.2f | %.4f | %.4f | %.3f |\n", s.name, wait(s.name, 0.5), wait(s.name, 0.99), mean(x, use), mean(x, fair),
			mean(x, func(x hogResult) float64 { return x.Counts }))
	}
	p.checks()
	p.ratio("hog: light p50 wait over the strict bound", 1.1, wait(ours, 0.5)/wait(sideLight.name, 0.5))
	p.ratio("hog: light p99 wait over the strict bound", 1.1, wait(ours, 0.99)/wait(sideLight.name, 0.99))
	u := mean(p.r.hog[ours], use) / mean(p.r.hog[sideFIFO.name], use)
	p.check("hog: slot use over direct", ">= 0.99", u, "%.3f", u >= 0.99)
	j := mean(p.r.hog[ours], fair)
	p.check("hog: Jain over light tenants", ">= 0.99", j, "%.4f", j >= 0.99)
	p.WriteString("\n![Waits in the hog test](hog.svg)\n\n")
}

func (p *report) aios() {
	if p.r.aios == nil {
		return
	}
	fmt.Fprintf(p, "## AIOS's experiment: %d agents, %d slots, %d calls each\n\n| order | makespan, s |\n| --- | --- |\n", benchkit.AIOSAgents, benchkit.HogSlots, benchkit.AIOSCalls)
	id := func(x float64) float64 { return x }
	for _, s := range aiosSides {
		fmt.Fprintf(p, "| %s | %.2f |\n", s.name, mean(p.r.aios[s.name], id))
	}
	p.checks()
	p.ratio("AIOS: makespan over plain concurrency", 1.02, mean(p.r.aios[ours], id)/mean(p.r.aios[aiosSides[0].name], id))
	p.WriteString("\n")
}

const how = `## How it was measured

- **The same for all**: arrivals, lengths, tool and think times are drawn from the seed before an order sees anything; each tenant has its
  own stream of them, so what one tenant does never depends on when another is served.
- **Steps**: what arrives during a step is queued, and sent if a slot is free, at its own time; it joins the batch at the next step.
- **S1b** counts service from 30 s on for both, so that what was in flight by then does not show.
- **S3**'s debt is that of a bucket of a tenth of the limit, debited when usage is counted. Trapgate is told the limit and max_tokens only.
- **Hog test**: slots serve one call each; tokens are the service time at 100 a second, so that orders that count tokens can.
  *Served of asked*: of the calls a tenant made after 10 s, the share that ended within the run. *Served*: their number; a light tenant's
  think times alone move it, as the strict bound's value shows.
- **AIOS's experiment**: service lognormal (median 0.67 s, sigma 0.75), cut at 0.1 and 3 s.
- **Oracle** knows each program's remaining work; no other order knows anything that has not happened.
`
