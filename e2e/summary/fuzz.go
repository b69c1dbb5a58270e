package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"
)

// A target is one fuzz function.
type target struct{ pkg, name string }

// fuzz runs every fuzz target of the packages, each as a step of its own. With total they share one time, one after another;
// with each every package gets that time, and all packages run side by side on one worker each.
func fuzz(total, each time.Duration, pkgs []string, out io.Writer) error {
	if (total > 0) == (each > 0) || len(pkgs) == 0 {
		return errors.New("fuzz: either -total or -each, and packages")
	}
	var all []target
	byPackage := map[string][]target{}
	for _, pkg := range pkgs {
		list, err := targets(pkg)
		if err == nil && len(list) == 0 {
			err = errors.New("no fuzz target")
		}
		if err != nil {
			s := &outcome{Step{Name: "fuzz " + pkg, Began: time.Now(), Failed: 1, Lost: []Loss{{What: pkg, Said: err.Error()}}}}
			fmt.Fprintf(out, "\n== fuzz %s: FAILED: %v\n", pkg, err)
			if err := s.end(false); err != nil {
				return err
			}
			continue
		}
		byPackage[pkg] = list
		all = append(all, list...)
	}
	if total > 0 {
		for _, t := range all {
			if err := t.fuzz(total/time.Duration(len(all)), 0, out).end(false); err != nil {
				return err
			}
		}
		return nil
	}
	var wg sync.WaitGroup
	var mu sync.Mutex // one step's output at a time
	for _, list := range byPackage {
		wg.Go(func() {
			for _, t := range list {
				var b bytes.Buffer
				s := t.fuzz(each/time.Duration(len(list)), 1, &b)
				mu.Lock()
				out.Write(b.Bytes())
				if err := s.end(false); err != nil {
					fmt.Fprintln(out, err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return nil
}

// targets lists the fuzz functions of a package.
func targets(pkg string) ([]target, error) {
	raw, err := exec.Command("go", "test", "-list", "^Fuzz", pkg).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, raw)
	}
	var list []target
	for _, line := range strings.Split(string(raw), "\n") {
		if strings.HasPrefix(line, "Fuzz") {
			list = append(list, target{pkg, strings.TrimSpace(line)})
		}
	}
	return list, nil
}

var (
	elapsed  = regexp.MustCompile(`elapsed: .*execs: (\d+)`)
	progress = regexp.MustCompile(`^(fuzz: elapsed: |PASS\n|ok  )`)
)

// fuzz runs one target for d; workers 0 leaves their number to go test.
func (t target) fuzz(d time.Duration, workers int, out io.Writer) *outcome {
	args := []string{"test", "-run", "^$", "-fuzz", "^" + t.name + "$", "-fuzztime", d.Round(time.Second).String(), "-fuzzminimizetime", "5s"}
	if workers > 0 {
		args = append(args, "-parallel", fmt.Sprint(workers))
	}
	var b bytes.Buffer
	var s *outcome
	for range 3 {
		b.Reset()
		s = runStep("fuzz "+strings.TrimPrefix(t.pkg, "./")+" "+t.name, exec.Command("go", append(args, t.pkg)...), &b)
		// go test fails a run whose time is over while a slow input is under way; it has found nothing then.
		if s.Failed == 0 || !strings.Contains(b.String(), "context deadline exceeded") || strings.Contains(b.String(), "Failing input written") {
			break
		}
	}
	for line := range strings.SplitAfterSeq(b.String(), "\n") {
		if m := elapsed.FindStringSubmatch(line); m != nil {
			s.Notes = []string{m[1] + " executions"}
		}
		if !progress.MatchString(line) { // hundreds of these say nothing
			io.WriteString(out, line)
		}
	}
	if len(s.Notes) > 0 {
		fmt.Fprintf(out, "   %s\n", s.Notes[0])
	}
	return s
}
