package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

// A figure is a line of the first table: what was measured beside what must be reached.
type figure struct {
	name     string
	measured string
	target   string // empty: only shown
	met      bool
}

// A report collects what one part found: figures, tables and pictures.
type report struct {
	part     string
	took     time.Duration
	figures  []figure
	sections strings.Builder
	pictures map[string]string
}

func newReport(part string) *report { return &report{part: part, pictures: map[string]string{}} }

// must adds a figure that has to be reached.
func (r *report) must(name string, met bool, target, form string, args ...any) {
	r.figures = append(r.figures, figure{name, fmt.Sprintf(form, args...), target, met})
	verdict := "met"
	if !met {
		verdict = "NOT MET"
	}
	progress("%s: %s (%s): %s", name, r.figures[len(r.figures)-1].measured, target, verdict)
}

// atMost adds a figure that must not lie above a limit.
func (r *report) atMost(name string, value, limit float64, unit string) {
	r.must(name, value <= limit, "<= "+benchkit.Number(limit)+unit, "%s%s", benchkit.Number(value), unit)
}

// atLeast adds one that must not lie below it.
func (r *report) atLeast(name string, value, limit float64, unit string) {
	r.must(name, value >= limit, ">= "+benchkit.Number(limit)+unit, "%s%s", benchkit.Number(value), unit)
}

// shown adds one that has no target.
func (r *report) shown(name, form string, args ...any) {
	r.figures = append(r.figures, figure{name: name, measured: fmt.Sprintf(form, args...)})
	progress("%s: %s", name, r.figures[len(r.figures)-1].measured)
}

func (r *report) broken(err error) {
	r.must(r.part, false, "runs to its end", "%s", strings.SplitN(err.Error(), "\n", 2)[0])
}

func (r *report) section(title, form string, args ...any) {
	fmt.Fprintf(&r.sections, "\n## %s\n\n", title)
	fmt.Fprintf(&r.sections, form, args...)
}

func (r *report) printf(form string, args ...any) { fmt.Fprintf(&r.sections, form, args...) }

// picture adds a plot and shows it in the section.
func (r *report) picture(file, title string, all []benchkit.Series) {
	r.pictures[file] = benchkit.WaitsPlot(title, all)
	r.printf("\n![%s](%s)\n", title, file)
}
