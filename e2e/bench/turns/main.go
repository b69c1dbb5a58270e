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

	"github.com/trapgate/trapgate/e2e/engine/rig"
)

// A plan says how much is measured.
type plan struct {
	quick                    bool
	driver                   runner
	lengths                  []length
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

var parts = []part{
	{"added", added},
	{"cancel", cancelQueued},
	{"aios", aios},
	{"hog", hogSim},
	{"hogengine", hogEngine},
	{"oneslot", oneSlot},
	{"abandon", abandon},
	{"limits", limits},
	{"sidecars", sidecars},
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
	f := flag.NewFlagSet("turns", flag.ContinueOnError)
	quick := f.Bool("quick", false, "fewer seeds and repetitions: to see whether it works, not to judge")
	out := f.String("out", "", "`folder` for turns.md and the plots (default e2e/bench/results; with -quick or -only a temporary one)")
	only := f.String("only", "", "comma-separated parts: "+strings.Join(names, ","))
	driver := f.String("driver", pythonDriver, "who the agents are: python (OpenAI's SDK) or go (net/http)")
	lengths := f.String("lengths", "", "`file` of request lengths for the overload (default ../shared/data/azure_conv_dev.csv, else drawn)")
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
	if p.out, err = outFolder(*out, *quick || *only != ""); err != nil {
		return err
	}
	if p.lengths, p.lengthsFrom, err = readLengths(*lengths); err != nil {
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

func outFolder(out string, partly bool) (string, error) {
	switch {
	case out != "":
	case partly:
		return os.MkdirTemp("", "trapgate-turns-")
	default:
		root, err := rig.Root()
		if err != nil {
			return "", err
		}
		out = filepath.Join(root, "e2e", "bench", "results")
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return "", fmt.Errorf("turns: %w", err)
	}
	return out, nil
}

// measure runs the parts one after the other. One that fails is reported and does not keep the others from being measured.
func measure(p *plan, chosen []string) error {
	r := newReport(p)
	var failed error
	for _, part := range parts {
		if len(chosen) > 0 && !slices.Contains(chosen, part.name) {
			continue
		}
		began := time.Now()
		progress("%s ...", part.name)
		if err := part.run(p, r); err != nil {
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

func progress(form string, args ...any) { fmt.Fprintf(os.Stderr, "turns: "+form+"\n", args...) }
