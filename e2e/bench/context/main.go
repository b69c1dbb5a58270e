package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
	"github.com/trapgate/trapgate/e2e/engine/rig"
)

// A plan says how much is measured.
type plan struct {
	quick, without     bool
	sessionPath        string
	windows            []int
	calls              int           // of the session, 0 for all
	pace               time.Duration // how long the recording upstream works on a call
	rounds, each       int           // of steady: rounds, and requests in each
	coldRounds         int           // of branch
	coldEach           int
	loopWindow         int
	loopTurns          int // two calls each
	stamps             int
	comment, out, only string
}

var (
	fullPlan = plan{
		windows: []int{32768, 131072}, pace: 5 * time.Millisecond, rounds: 15, each: 1000, coldRounds: 7, coldEach: 200,
		loopWindow: 8192, loopTurns: 100, stamps: 20,
	}
	quickPlan = plan{
		quick: true, windows: []int{32768}, calls: 400, pace: 2 * time.Millisecond, rounds: 3, each: 300, coldRounds: 2, coldEach: 50,
		loopWindow: 4096, loopTurns: 30, stamps: 5,
	}
)

// A part measures some figures and puts them into the report.
type part struct {
	name string
	run  func(*plan, *report) error
}

var parts = []part{
	{"replay", replay},
	{"steady", steady},
	{"branch", branch},
	{"loop", loop},
	{"stamp", stamp},
}

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.name
	}
	f := flag.NewFlagSet("context", flag.ContinueOnError)
	quick := f.Bool("quick", false, "less of everything: to see whether it works, not to judge")
	without := f.Bool("without", false, "leave the section context out, to see what the harness measures")
	out := f.String("out", "", "`folder` for context.md and the plots (default e2e/bench/results/context; with -quick, -only or -without a temporary one)")
	only := f.String("only", "", "comma-separated parts: "+strings.Join(names, ","))
	path := f.String("session", "", "`file` of the session to replay (default "+sessionFile+")")
	comment := f.String("comment", "", "a line for the head of the report")
	if err := f.Parse(args); err != nil {
		return err
	}
	p := fullPlan
	if *quick {
		p = quickPlan
	}
	p.without, p.sessionPath, p.comment, p.only = *without, *path, *comment, *only
	chosen := strings.FieldsFunc(*only, func(r rune) bool { return r == ',' })
	for _, name := range chosen {
		if !slices.Contains(names, name) {
			return fmt.Errorf("context: no part %q\nhint: there are %s", name, strings.Join(names, ", "))
		}
	}
	var err error
	if p.out, err = folder(*out, *quick || *without || *only != ""); err != nil {
		return err
	}
	if _, err := rig.Binary(); err != nil {
		return err
	}
	return measure(&p, chosen)
}

func folder(out string, temporary bool) (string, error) {
	dir, err := benchkit.Folder("context", out, temporary)
	if err != nil || out != "" || temporary {
		return dir, err
	}
	dir = filepath.Join(dir, "context")
	return dir, os.MkdirAll(dir, 0o755)
}

// measure runs the parts one after the other. One that fails is reported and does not keep the others from being measured; one whose
// session is not there is skipped, and says so.
func measure(p *plan, chosen []string) error {
	r := newReport(p)
	var failed error
	for _, part := range parts {
		if len(chosen) > 0 && !slices.Contains(chosen, part.name) {
			continue
		}
		began := time.Now()
		progress("%s ...", part.name)
		switch err := part.run(p, r); {
		case errors.Is(err, errNoSession):
			r.skipped(part.name, err)
		case err != nil:
			failed = errors.Join(failed, fmt.Errorf("%s: %w", part.name, err))
			r.broken(part.name, err)
		}
		progress("%s took %v", part.name, time.Since(began).Round(time.Second))
	}
	if err := r.write(p.out); err != nil {
		return errors.Join(failed, err)
	}
	progress("the report is %s", filepath.Join(p.out, reportName))
	return failed
}

var errNoSession = errors.New("no session to replay")

// openSession reads the session; errNoSession when none is named and the usual one is not there.
func (p *plan) openSession() (*session, error) {
	s, err := readSession(p.sessionPath)
	if p.sessionPath == "" && errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("SKIP: %s is absent: %w", sessionFile, errNoSession)
	}
	return s, err
}

func progress(form string, args ...any) { fmt.Fprintf(os.Stderr, "context: "+form+"\n", args...) }
