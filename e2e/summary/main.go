package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// stateDir holds one file for each step, relative to the module's root, from which make calls us.
const stateDir = ".cache/summary"

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		if !errors.Is(err, errFailed) {
			fmt.Fprintln(os.Stderr, "summary:", err)
		}
		os.Exit(1)
	}
}

// errFailed says that tests failed, which has been shown already.
var errFailed = errors.New("tests failed")

func run(args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("reset, step, fuzz or report?")
	}
	switch verb, args := args[0], args[1:]; verb {
	case "reset":
		return reset()
	case "step":
		f := flag.NewFlagSet("step", flag.ContinueOnError)
		strict := f.Bool("strict", false, "end with an error when the step failed")
		twice := f.Bool("twice", false, "run a command that is no test run once more when it fails")
		if err := f.Parse(args); err != nil {
			return err
		}
		if f.NArg() < 2 {
			return errors.New("step: a name and a command are needed")
		}
		s := runStep(f.Arg(0), exec.Command(f.Arg(1), f.Args()[2:]...), out)
		if *twice && s.Failed > 0 {
			s = s.onceMore(exec.Command(f.Arg(1), f.Args()[2:]...), out)
		}
		return s.end(*strict)
	case "fuzz":
		f := flag.NewFlagSet("fuzz", flag.ContinueOnError)
		total := f.Duration("total", 0, "time for all targets together, one after another")
		each := f.Duration("each", 0, "time for each package, packages side by side")
		if err := f.Parse(args); err != nil {
			return err
		}
		return fuzz(*total, *each, f.Args(), out)
	case "report":
		f := flag.NewFlagSet("report", flag.ContinueOnError)
		full := f.String("full", "", "write the account as Markdown to this file too")
		if err := f.Parse(args); err != nil {
			return err
		}
		return report(out, *full)
	default:
		return fmt.Errorf("no such verb: %s", verb)
	}
}

// clock is the time as reports show it.
func clock(d time.Duration) string { return d.Round(time.Second).String() }
