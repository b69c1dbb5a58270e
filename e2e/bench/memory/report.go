package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

const reportName = "memory.md"

// A figure is a line of the table: what was measured beside what must be reached.
type figure struct {
	name, measured, target string // without a target it is only shown
	met                    bool
}

func (f *figure) verdict() string {
	switch {
	case f.target == "":
		return ""
	case f.met:
		return "met"
	}
	return "**not met**"
}

// A report collects figures.
type report struct {
	p        *plan
	began    time.Time
	loadThen string
	figures  []figure
	sections strings.Builder
}

func newReport(p *plan) *report {
	return &report{p: p, began: time.Now(), loadThen: benchkit.LoadAverage()}
}

func (r *report) add(f figure) {
	r.figures = append(r.figures, f)
	fmt.Fprintf(os.Stderr, "memory: %s: %s (%s) %s\n", f.name, f.measured, f.target, strings.Trim(f.verdict(), "*"))
}

// atMost and atLeast add a figure with its bound.
func (r *report) atMost(name string, value, limit float64, unit string) {
	r.add(figure{name, benchkit.Number(value) + unit, "<= " + benchkit.Number(limit) + unit, value <= limit})
}

func (r *report) atLeast(name string, value, limit float64, unit string) {
	r.add(figure{name, benchkit.Number(value) + unit, ">= " + benchkit.Number(limit) + unit, value >= limit})
}

// shown adds one that has no bound.
func (r *report) shown(name, form string, args ...any) {
	r.add(figure{name: name, measured: fmt.Sprintf(form, args...)})
}

func (r *report) printf(form string, args ...any) { fmt.Fprintf(&r.sections, form, args...) }

func (r *report) markdown() string {
	var b strings.Builder
	b.WriteString("# Memory, measured\n\nMade by `go run ./e2e/bench/memory`")
	if r.p.quick {
		b.WriteString(" with `-quick`: rough")
	}
	if r.p.only != "" {
		fmt.Fprintf(&b, " with `-only %s`", r.p.only)
	}
	fmt.Fprintf(&b, ". What is counted, and how, stands in `e2e/bench/memory/doc.go`. %s, %d cores, load %s before and %s after, took %v.\n",
		benchkit.Kernel(), runtime.NumCPU(), r.loadThen, benchkit.LoadAverage(), time.Since(r.began).Round(time.Second))
	if r.p.comment != "" {
		fmt.Fprintf(&b, "%s\n", r.p.comment)
	}
	b.WriteString("\n| figure | measured | must reach | |\n| --- | --- | --- | --- |\n")
	for _, f := range r.figures {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.name, f.measured, f.target, f.verdict())
	}
	return b.String() + r.sections.String()
}

func (r *report) write(dir string) error {
	text := r.markdown()
	fmt.Print(text)
	if err := benchkit.WriteFiles(dir, map[string]string{reportName: text}); err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	return nil
}

// at is a quantile of times in a unit. It sorts them.
func at(took []time.Duration, q float64, unit time.Duration) float64 {
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return float64(took[min(len(took)-1, int(q*float64(len(took))))]) / float64(unit)
}
