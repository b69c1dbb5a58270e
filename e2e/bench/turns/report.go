package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const reportName = "turns.md"

// A figure is a line of the first table: what was measured beside what must be reached.
type figure struct {
	name     string
	measured string
	target   string // empty: only shown
	met      bool
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
	return &report{p: p, began: time.Now(), loadThen: loadAverage(), pictures: map[string]string{}}
}

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
	r.must(name, value <= limit, "<= "+number(limit)+unit, "%s%s", number(value), unit)
}

// atLeast adds one that must not lie below it.
func (r *report) atLeast(name string, value, limit float64, unit string) {
	r.must(name, value >= limit, ">= "+number(limit)+unit, "%s%s", number(value), unit)
}

// shown adds one that has no target.
func (r *report) shown(name, form string, args ...any) {
	r.figures = append(r.figures, figure{name: name, measured: fmt.Sprintf(form, args...)})
	progress("%s: %s", name, r.figures[len(r.figures)-1].measured)
}

func (r *report) broken(part string, err error) {
	r.must(part, false, "runs to its end", "%s", strings.SplitN(err.Error(), "\n", 2)[0])
}

func (r *report) section(title, form string, args ...any) {
	fmt.Fprintf(&r.sections, "\n## %s\n\n", title)
	fmt.Fprintf(&r.sections, form, args...)
}

func (r *report) printf(form string, args ...any) { fmt.Fprintf(&r.sections, form, args...) }

// picture adds a plot and shows it in the section.
func (r *report) picture(file, title, x string, all []series) {
	r.pictures[file] = plot(title, x, all)
	r.printf("\n![%s](%s)\n", title, file)
}

func (r *report) markdown() string {
	var b strings.Builder
	b.WriteString("# The scheduler, measured with real parts\n\nMade by `go run ./e2e/bench/turns`")
	if r.p.quick {
		b.WriteString(" with `-quick`: rough")
	}
	if r.p.only != "" {
		fmt.Fprintf(&b, " with `-only %s`", r.p.only)
	}
	fmt.Fprintf(&b, ". Agents: %s. %s, %d cores, load %s before and %s after, took %v.\n", r.p.driver.name(), kernel(), runtime.NumCPU(),
		r.loadThen, loadAverage(), time.Since(r.began).Round(time.Second))
	if r.p.comment != "" {
		fmt.Fprintf(&b, "%s\n", r.p.comment)
	}
	b.WriteString("\n| figure | measured | must reach | |\n| --- | --- | --- | --- |\n")
	for _, f := range r.figures {
		verdict := ""
		switch {
		case f.target == "":
		case f.met:
			verdict = "met"
		default:
			verdict = "**not met**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.name, f.measured, f.target, verdict)
	}
	return b.String() + r.sections.String()
}

func (r *report) write(dir string) error {
	r.pictures[reportName] = r.markdown()
	fmt.Print(r.pictures[reportName])
	for name, text := range r.pictures {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("turns: %w", err)
		}
	}
	return nil
}

func kernel() string {
	out, err := exec.Command("uname", "-sr").Output()
	if err != nil {
		return runtime.GOOS
	}
	return strings.TrimSpace(string(out))
}

func loadAverage() string {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(raw), " ")
	return first
}

// number shows three digits that count.
func number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return "-"
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 1 || a == 0:
		return strings.TrimSuffix(fmt.Sprintf("%.2f", v), ".00")
	default:
		return fmt.Sprintf("%.3g", v)
	}
}
