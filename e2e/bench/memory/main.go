package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

// A plan says how much is measured.
type plan struct {
	quick              bool
	histories          int
	scopes             []int // records of one user
	questions          int
	learns, durables   int
	turns              int // of size
	openAll, openOne   int // records of all users of open, and of each
	resident           int // records of the user of RSS
	exchanges          int
	comment, out, only string
}

var (
	fullPlan = plan{
		histories: 200, scopes: []int{10_000, 100_000}, questions: 1000, learns: 20_000, durables: 500, turns: 10_000,
		openAll: 1_000_000, openOne: 10_000, resident: 100_000, exchanges: 3000,
	}
	quickPlan = plan{
		quick: true, histories: 30, scopes: []int{10_000}, questions: 300, learns: 3000, durables: 50, turns: 2000,
		openAll: 50_000, openOne: 10_000, resident: 10_000, exchanges: 500,
	}
)

// A part measures some figures and puts them into the report.
type part struct {
	name string
	run  func(context.Context, *plan, *report) error
}

var parts = []part{
	{"changes", changes},
	{"notes", notes},
	{"retrieve", retrieve},
	{"path", path},
	{"size", size},
	{"exchange", exchange},
	{"open", open},
}

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.name
	}
	f := flag.NewFlagSet("memory", flag.ContinueOnError)
	quick := f.Bool("quick", false, "less of everything: to see whether it works, not to judge")
	out := f.String("out", "", "`folder` for memory.md (default e2e/bench/results/memory; with -quick or -only a temporary one)")
	only := f.String("only", "", "comma-separated parts: "+strings.Join(names, ","))
	comment := f.String("comment", "", "a line for the head of the report")
	if err := f.Parse(args); err != nil {
		return err
	}
	p := fullPlan
	if *quick {
		p = quickPlan
	}
	p.comment, p.only = *comment, *only
	chosen := strings.FieldsFunc(*only, func(r rune) bool { return r == ',' })
	for _, name := range chosen {
		if !slices.Contains(names, name) {
			return fmt.Errorf("memory: no part %q\nhint: there are %s", name, strings.Join(names, ", "))
		}
	}
	var err error
	temporary := *quick || *only != ""
	if p.out, err = benchkit.Folder("memory", *out, temporary); err != nil {
		return err
	}
	if *out == "" && !temporary {
		if p.out = filepath.Join(p.out, "memory"); os.MkdirAll(p.out, 0o755) != nil {
			return fmt.Errorf("memory: cannot make %s", p.out)
		}
	}
	r := newReport(&p)
	var failed error
	for _, part := range parts {
		if len(chosen) > 0 && !slices.Contains(chosen, part.name) {
			continue
		}
		if err := part.run(ctx, &p, r); err != nil { // the others are measured all the same
			failed = errors.Join(failed, fmt.Errorf("memory: %s: %w", part.name, err))
			r.add(figure{part.name, "failed: " + err.Error(), "runs", false})
		}
	}
	return errors.Join(r.write(p.out), failed)
}
