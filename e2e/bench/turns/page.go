package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

const pageName = "turns.md"

// A page is the reports of all parts that ran, in the order in which they are listed.
type page struct {
	p        *plan
	began    time.Time
	loadThen string
	reports  []*report
	beside   string // how the parts ran that ran side by side
}

func newPage(p *plan) *page { return &page{p: p, began: time.Now(), loadThen: benchkit.LoadAverage()} }

func (g *page) markdown() string {
	var b strings.Builder
	b.WriteString("# The scheduler, measured with real parts\n\nMade by `go run ./e2e/bench/turns`")
	if g.p.quick {
		b.WriteString(" with `-quick`: rough")
	}
	if g.p.only != "" {
		fmt.Fprintf(&b, " with `-only %s`", g.p.only)
	}
	fmt.Fprintf(&b, ". Agents: %s. %s, %d cores, load %s before and %s after, took %v.\n", g.p.driver.name(), benchkit.Kernel(), runtime.NumCPU(),
		g.loadThen, benchkit.LoadAverage(), time.Since(g.began).Round(time.Second))
	if g.p.comment != "" {
		fmt.Fprintf(&b, "%s\n", g.p.comment)
	}
	b.WriteString("\n| figure | measured | must reach | |\n| --- | --- | --- | --- |\n")
	for _, r := range g.reports {
		for _, f := range r.figures {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.name, f.measured, f.target, f.verdict())
		}
	}
	for _, r := range g.reports {
		b.WriteString(r.sections.String())
	}
	b.WriteString("\n## Wall time\n\n| part | took |\n| --- | --- |\n")
	for _, r := range g.reports {
		fmt.Fprintf(&b, "| %s | %v |\n", r.part, r.took.Round(time.Second))
	}
	if g.beside != "" {
		fmt.Fprintf(&b, "\n%s\n", g.beside)
	}
	return b.String()
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

// write prints the page and puts it with its pictures into a folder.
func (g *page) write(dir string) error {
	files := map[string]string{pageName: g.markdown()}
	fmt.Print(files[pageName])
	for _, r := range g.reports {
		for name, text := range r.pictures {
			files[name] = text
		}
	}
	if err := benchkit.WriteFiles(dir, files); err != nil {
		return fmt.Errorf("turns: %w", err)
	}
	return nil
}

// busy is how many seconds the processors have worked since the machine started, all together and for whomever; false where /proc does
// not tell.
func busy() (float64, bool) {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, false
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	sum := 0.0
	for i, word := range strings.Fields(line) {
		if i < 1 || i > 8 || i == 4 || i == 5 { // cpu, idle, iowait; what comes after 8 is counted before
			continue
		}
		n, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return 0, false
		}
		sum += n
	}
	return sum / 100, true // the kernel counts in hundredths for user space, whatever its own clock
}
