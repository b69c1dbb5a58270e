package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
	"github.com/trapgate/trapgate/e2e/engine/rig"
)

// A plan says how much is measured.
type plan struct {
	quick                    bool
	driver                   runner
	lengths                  []benchkit.Length
	lengthsFrom              string
	hogSeeds, engineSeeds    int
	aiosSeeds, pairSeeds     int
	engineLayers, pairLayers int // of the engine's model: more make it slower
	abandonLayers            int
	deserts, desertsAlone    int
	cancels                  int
	limitsFor, s3From        float64 // seconds
	times                    timetable
	addedRounds, addedEach   int
	comment, out, only       string
}

var (
	fullPlan = plan{
		hogSeeds: 5, engineSeeds: 2, aiosSeeds: 10, pairSeeds: 3, engineLayers: 2, pairLayers: 1, abandonLayers: 1,
		deserts: 8, desertsAlone: 2, cancels: 50, limitsFor: 300, s3From: 120,
		times: timetable{half: 70, killed: 130, restarted: 150, end: 210}, addedRounds: 21, addedEach: 2000,
	}
	quickPlan = plan{
		quick: true, hogSeeds: 2, engineSeeds: 1, aiosSeeds: 3, pairSeeds: 1, engineLayers: 2, pairLayers: 1, abandonLayers: 1,
		deserts: 3, desertsAlone: 1, cancels: 10, limitsFor: 240, s3From: 60,
		times: timetable{half: 50, killed: 90, restarted: 105, end: 150}, addedRounds: 5, addedEach: 500,
	}
)

// A part measures some figures and puts them into the report.
type part struct {
	name string
	run  func(*plan, *report) error
}

var (
	// These are about milliseconds, or keep a core busy with an engine or with agents in Python: each runs alone, one after the other.
	alone = []part{
		{"added", added},
		{"cancel", cancelQueued},
		{"hogengine", hogEngine},
		{"oneslot", oneSlot},
		{"abandon", abandon},
		{"aios", aios},
	}
	// These sleep over simulated models nearly all the time, and run side by side.
	beside = []part{
		{"limits", limits},
		{"sidecars", sidecars},
		{"hog", hogSim},
	}
)

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	var names []string
	for _, p := range slices.Concat(alone, beside) {
		names = append(names, p.name)
	}
	f := flag.NewFlagSet("turns", flag.ContinueOnError)
	quick := f.Bool("quick", false, "fewer seeds and repetitions: to see whether it works, not to judge")
	out := f.String("out", "", "`folder` for turns.md and the plots (default e2e/bench/results; with -quick or -only a temporary one)")
	only := f.String("only", "", "comma-separated parts: "+strings.Join(names, ","))
	driver := f.String("driver", pythonDriver, "who the agents are: python (OpenAI's SDK) or go (net/http)")
	lengths := f.String("lengths", "", "`file` of request lengths for the overload (default "+benchkit.LengthsFile+", else drawn)")
	comment := f.String("comment", "", "a line for the head of the report")
	role := f.String("role", "", "run as a helper process")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *role != "" {
		return runRole(*role, f.Args())
	}
	p := fullPlan
	if *quick {
		p = quickPlan
	}
	p.comment, p.only = *comment, *only
	chosen := strings.FieldsFunc(*only, func(r rune) bool { return r == ',' })
	for _, name := range chosen {
		if !slices.Contains(names, name) {
			return fmt.Errorf("turns: no part %q\nhint: there are %s", name, strings.Join(names, ", "))
		}
	}
	var err error
	if p.out, err = benchkit.Folder("turns", *out, *quick || *only != ""); err != nil {
		return err
	}
	if p.lengths, p.lengthsFrom, err = lengthsOr(*lengths); err != nil {
		return err
	}
	if p.driver, err = newRunner(*driver); err != nil {
		return err
	}
	if _, err := rig.Binary(); err != nil {
		return err
	}
	return measure(&p, chosen)
}

// measure runs the parts that are chosen, all if none is.
func measure(p *plan, chosen []string) error {
	pick := func(list []part) []part {
		return slices.DeleteFunc(slices.Clone(list), func(x part) bool { return len(chosen) > 0 && !slices.Contains(chosen, x.name) })
	}
	g := newPage(p)
	one, failed := inTurn(p, pick(alone))
	rest, note, err := sideBySide(p, pick(beside))
	g.reports, g.beside = append(one, rest...), note
	failed = errors.Join(failed, err)
	if err := g.write(p.out); err != nil {
		return errors.Join(failed, err)
	}
	progress("the report is %s", filepath.Join(p.out, pageName))
	return failed
}

// inTurn runs parts one after the other. One that fails is reported and does not keep the others from being measured.
func inTurn(p *plan, list []part) (reports []*report, failed error) {
	for _, x := range list {
		r, err := x.measure(p)
		reports, failed = append(reports, r), errors.Join(failed, err)
	}
	return reports, failed
}

// sideBySide runs parts at the same time and says how busy the machine was: above a core, their figures are in doubt.
func sideBySide(p *plan, list []part) (reports []*report, note string, failed error) {
	reports = make([]*report, len(list))
	errs := make([]error, len(list))
	began := time.Now()
	before, known := busy()
	var wg sync.WaitGroup
	for i, x := range list {
		wg.Go(func() { reports[i], errs[i] = x.measure(p) })
	}
	wg.Wait()
	took := time.Since(began)
	if after, _ := busy(); known && len(list) > 1 {
		note = fmt.Sprintf("The last %d ran side by side in %v; %.2f cores of the machine were busy meanwhile.",
			len(list), took.Round(time.Second), (after-before)/took.Seconds())
		progress("%s", note)
	}
	return reports, note, errors.Join(errs...)
}

// measure runs one part and says how long it took.
func (x part) measure(p *plan) (*report, error) {
	r := newReport(x.name)
	began := time.Now()
	progress("%s ...", x.name)
	err := x.run(p, r)
	if err != nil {
		r.broken(err)
		err = fmt.Errorf("%s: %w", x.name, err)
	}
	r.took = time.Since(began)
	progress("%s took %v", x.name, r.took.Round(time.Second))
	return r, err
}

func progress(form string, args ...any) { fmt.Fprintf(os.Stderr, "turns: "+form+"\n", args...) }
