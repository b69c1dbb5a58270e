package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "sched:", err)
		}
		os.Exit(1)
	}
}

// scenarios are what -only may name.
var scenarios = []string{"s1", "s1b", "s2", "s3", "hog", "aios"}

func run(args []string, stdout io.Writer) error {
	fl := flag.NewFlagSet("sched", flag.ContinueOnError)
	lengths := fl.String("lengths", "", "`file` of request lengths: a header, then TIMESTAMP,ContextTokens,GeneratedTokens (default "+benchkit.LengthsFile+")")
	out := fl.String("out", "", "`folder` for README.md and the plots; none: print only")
	quick := fl.Bool("quick", false, "one seed, shorter runs, S2 at the two rates that have targets: to see whether it works, not to judge")
	only := fl.String("only", "", "comma-separated scenarios: "+strings.Join(scenarios, ","))
	seeds := fl.Int("seeds", 3, "seeds of each scenario")
	workers := fl.Int("workers", min(2, runtime.NumCPU()), "runs at a time")
	if err := fl.Parse(args); err != nil {
		return err
	}
	ls, from, err := benchkit.Lengths(*lengths)
	if errors.Is(err, fs.ErrNotExist) && *lengths == "" {
		fmt.Println("SKIPPED scheduler in virtual time: " + benchkit.LengthsFile + " is not there; -lengths takes any file with its columns")
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w\nhint: -lengths takes any file with the columns of the Azure traces", err)
	}
	o := &options{
		lengths: ls, from: from, seeds: max(1, *seeds), hogs: hogSeeds, workers: max(1, *workers),
		s1For: s1For, s1bFor: s1bFor, s3For: s3For, rates: s2Rates, only: map[string]bool{},
	}
	for _, s := range strings.FieldsFunc(*only, func(r rune) bool { return r == ',' }) {
		o.only[s] = true
	}
	if *quick {
		o.seeds, o.hogs, o.s1For, o.s1bFor, o.s3For, o.rates = 1, 3, s1For/3, s1bFor/3, s3For/2, s2Rates[1:]
	}
	start := time.Now()
	r := measure(o)
	r.took = time.Since(start)
	text := r.markdown(o)
	if _, err := io.WriteString(stdout, text); err != nil || *out == "" {
		return err
	}
	return write(*out, text, r.plots(o))
}

func write(dir, text string, plots map[string]string) error {
	dir, err := benchkit.Folder("sched", dir, false)
	if err != nil {
		return err
	}
	plots["README.md"] = text
	for name, s := range plots {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(s), 0o644); err != nil {
			return err
		}
	}
	return nil
}
