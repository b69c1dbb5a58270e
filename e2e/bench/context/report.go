package main

import (
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

const reportName = "context.md"

// A figure is a line of the first table: what was measured beside what must be reached.
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

// A report collects figures, tables and pictures.
type report struct {
	p        *plan
	began    time.Time
	loadThen string
	figures  []figure
	sections strings.Builder
	pictures map[string]string
}

func newReport(p *plan) *report {
	return &report{p: p, began: time.Now(), loadThen: benchkit.LoadAverage(), pictures: map[string]string{}}
}

// must adds a figure that has to be reached.
func (r *report) must(name string, met bool, target, form string, args ...any) {
	f := figure{name, fmt.Sprintf(form, args...), target, met}
	r.figures = append(r.figures, f)
	progress("%s: %s (%s): %s", name, f.measured, target, strings.Trim(f.verdict(), "*"))
}

// atMost adds a figure that must not lie above a limit.
func (r *report) atMost(name string, value, limit float64, unit string) {
	r.must(name, value <= limit, "<= "+benchkit.Number(limit)+unit, "%s%s", benchkit.Number(value), unit)
}

// shown adds one that has no target.
func (r *report) shown(name, form string, args ...any) {
	r.figures = append(r.figures, figure{name: name, measured: fmt.Sprintf(form, args...)})
}

func (r *report) broken(part string, err error) {
	r.must(part, false, "runs", "failed")
	r.section(part+" failed", "```\n%v\n```\n", err)
}

func (r *report) skipped(part string, err error) {
	progress("%v", err)
	r.shown(part, "%v", err)
}

func (r *report) section(title, form string, args ...any) {
	fmt.Fprintf(&r.sections, "\n## %s\n\n", title)
	fmt.Fprintf(&r.sections, form, args...)
}

func (r *report) printf(form string, args ...any) { fmt.Fprintf(&r.sections, form, args...) }

func (r *report) picture(file, title, svg string) {
	r.pictures[file] = svg
	r.printf("\n![%s](%s)\n", title, file)
}

func (r *report) markdown() string {
	var b strings.Builder
	b.WriteString("# Context, measured\n\nMade by `go run ./e2e/bench/context`")
	if r.p.quick {
		b.WriteString(" with `-quick`: rough")
	}
	if r.p.only != "" {
		fmt.Fprintf(&b, " with `-only %s`", r.p.only)
	}
	if r.p.without {
		b.WriteString(" with `-without`: no section context, so what stands for trapgate is a gate that rewrites nothing")
	}
	fmt.Fprintf(&b, ". What is counted, and how, stands in `e2e/bench/context/doc.go`. %s, %d cores, load %s before and %s after, took %v.\n",
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
	r.pictures[reportName] = r.markdown()
	fmt.Print(r.pictures[reportName])
	if err := benchkit.WriteFiles(dir, r.pictures); err != nil {
		return fmt.Errorf("context: %w", err)
	}
	return nil
}
