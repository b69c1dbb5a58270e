package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Step is the outcome of one command.
type Step struct {
	Name    string
	Began   time.Time
	Took    time.Duration
	Passed  int
	Failed  int
	Skipped []Skip
	Lost    []Loss
	Notes   []string // what the account repeats: executions of a fuzz target, figures not met
}

// A Skip is something that did not run.
type Skip struct{ What, Why string }

// A Loss is something that failed: a test, or a whole package or command without one.
type Loss struct {
	What  string
	Said  string  // the last lines of its output
	Again failure `json:"-"` // what can be run again
}

// maxSaid is how many lines of a failure's output the account repeats.
const maxSaid = 12

// tail is the last lines of an output.
func tail(lines []string) string {
	return strings.TrimSpace(strings.Join(lines[max(0, len(lines)-maxSaid):], ""))
}

// event is a line of go test -json, as `go doc test2json` has it.
type event struct {
	Action, Package, Test, Output, ImportPath, FailedBuild string
	Elapsed                                                float64
}

// A reader follows a stream of events.
type reader struct {
	step     *Step
	out      io.Writer
	output   map[string][]string // by test, until it ends
	parents  map[string]bool     // tests that have subtests
	failed   map[string]bool     // packages with a failed test
	build    map[string][]string // by import path
	failures []failure
	raced    bool
	sawTests bool
	plain    []string // lines that are no events
}

func newReader(s *Step, out io.Writer) *reader {
	return &reader{
		step: s, out: out, output: map[string][]string{}, parents: map[string]bool{},
		failed: map[string]bool{}, build: map[string][]string{},
	}
}

// read takes all of r: events are counted, other lines kept.
func (d *reader) read(r io.Reader) error {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		var e event
		switch {
		case line == "", strings.HasPrefix(line, "go: downloading "):
		case strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), &e) == nil && e.Action != "":
			d.sawTests = true
			d.take(e)
		default:
			d.plain = append(d.plain, line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (d *reader) take(e event) {
	key := e.Package + "\x00" + e.Test
	switch e.Action {
	case "run":
		if i := strings.LastIndexByte(e.Test, '/'); i > 0 {
			d.parents[e.Package+"\x00"+e.Test[:i]] = true
		}
	case "output":
		d.output[key] = append(d.output[key], e.Output)
		d.raced = d.raced || strings.Contains(e.Output, "WARNING: DATA RACE")
		if e.Test == "" {
			d.skippedLine(e.Package, e.Output)
		}
	case "build-output":
		d.build[e.ImportPath] = append(d.build[e.ImportPath], e.Output)
	case "pass", "fail", "skip":
		d.end(e, key)
		delete(d.output, key)
	}
}

// end counts a test or a package that has ended. Of a test with subtests only a failure of its own counts.
func (d *reader) end(e event, key string) {
	if e.Test == "" {
		d.endPackage(e, key)
		return
	}
	parent := d.parents[key]
	switch e.Action {
	case "pass":
		if !parent {
			d.step.Passed++
		}
	case "skip":
		d.skip(short(e.Package)+" "+e.Test, reason(d.output[key]))
	case "fail":
		if i := strings.LastIndexByte(e.Test, '/'); i > 0 {
			d.failed[e.Package+"\x00"+e.Test[:i]] = true
		}
		d.failed[e.Package] = true
		top, _, sub := strings.Cut(e.Test, "/")
		if !parent || !d.failed[key] {
			d.lose(Loss{short(e.Package) + " " + e.Test, tail(d.output[key]), failure{e.Package, top}})
		}
		if !sub {
			d.failures = append(d.failures, failure{e.Package, top})
		}
		fmt.Fprintf(d.out, "%s", strings.Join(d.output[key], ""))
	}
}

func (d *reader) endPackage(e event, key string) {
	switch e.Action {
	case "fail":
		if !d.failed[e.Package] { // it did not build, or ended outside a test
			said := slices.Concat(d.build[e.FailedBuild], d.unfinished(key), d.output[key])
			l := Loss{What: short(e.Package), Said: tail(said)}
			if leaked(said) {
				l.Again.pkg = e.Package
				d.failures = append(d.failures, l.Again)
			}
			d.lose(l)
		}
		fmt.Fprintf(d.out, "%s%s", strings.Join(d.build[e.FailedBuild], ""), strings.Join(d.output[key], ""))
		fmt.Fprint(d.out, strings.Join(d.unfinished(key), ""))
		fmt.Fprintf(d.out, "FAIL %-42s %6.1f s\n", short(e.Package), e.Elapsed)
	case "pass":
		cached := ""
		if slices.ContainsFunc(d.output[key], func(s string) bool { return strings.Contains(s, "(cached)") }) {
			cached = "  (as before)"
		}
		fmt.Fprintf(d.out, "ok   %-42s %6.1f s%s\n", short(e.Package), e.Elapsed, cached)
	}
}

// leaked reports whether a package failed because goroutines had not ended by its end.
func leaked(output []string) bool {
	return slices.ContainsFunc(output, func(s string) bool { return strings.Contains(s, "found unexpected goroutines") })
}

// unfinished is what the tests of a package printed that a timeout or an exit cut off.
func (d *reader) unfinished(key string) (all []string) {
	for test, lines := range d.output {
		if strings.HasPrefix(test, key) && test != key {
			all = append(all, "unfinished: "+strings.Join(lines, ""))
		}
	}
	return all
}

func (d *reader) lose(l Loss) {
	d.step.Failed++
	d.step.Lost = append(d.step.Lost, l)
}

// skippedLine takes the lines by which e2e suites name what did not run outside a test.
func (d *reader) skippedLine(pkg, line string) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), "SKIPPED ")
	if !ok {
		return
	}
	what, why, _ := strings.Cut(rest, ": ")
	for _, s := range d.step.Skipped {
		if s.What == short(pkg)+" "+what {
			return // the skipped test has been counted
		}
	}
	d.skip(what, why)
}

func (d *reader) skip(what, why string) {
	d.step.Skipped = append(d.step.Skipped, Skip{what, why})
}

var sourceLine = regexp.MustCompile(`^\s*[\w.-]+\.go:\d+: (.*)`)

// reason finds in a skipped test's output why it was skipped: its last logged line.
func reason(lines []string) string {
	why := "no reason given"
	for _, l := range lines {
		if m := sourceLine.FindStringSubmatch(l); m != nil {
			why = strings.TrimSpace(m[1])
		}
	}
	return strings.TrimPrefix(why, "SKIP: ")
}

func short(pkg string) string {
	return strings.TrimPrefix(pkg, "github.com/trapgate/trapgate/")
}
