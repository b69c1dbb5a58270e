package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// outcome is a step that has ended, before it is kept.
type outcome struct{ Step }

// runStep runs a command to its end, shows what is worth seeing, and counts.
func runStep(name string, cmd *exec.Cmd, out io.Writer) *outcome {
	s := &outcome{Step{Name: name, Began: time.Now()}}
	fmt.Fprintf(out, "\n== %s: %s\n", name, strings.Join(cmd.Args, " "))
	d := newReader(&s.Step, out)
	err := drive(cmd, d)
	s.again(d, cmd.Args, out)
	s.Took = time.Since(s.Began)
	switch {
	case d.sawTests && err != nil && s.Failed == 0 && len(d.failures) == 0:
		d.lose(Loss{What: name, Said: tail(d.plain)}) // the tool failed, not a test
	case !d.sawTests && err != nil:
		d.lose(Loss{What: name, Said: tail(d.plain)})
	case !d.sawTests:
		s.Passed = 1
	}
	if err != nil || !d.sawTests {
		fmt.Fprint(out, strings.Join(d.plain, ""))
	}
	for _, line := range d.plain {
		if strings.Contains(line, "Not met: ") { // the bench's word for a figure out of reach
			s.Notes = append(s.Notes, strings.TrimSpace(line))
		}
	}
	verdict := fmt.Sprintf("%d passed", s.Passed)
	if s.Failed > 0 {
		verdict += fmt.Sprintf(", %d FAILED", s.Failed)
		if err != nil {
			verdict += fmt.Sprintf(" (%v)", err)
		}
	}
	if len(s.Skipped) > 0 {
		verdict += fmt.Sprintf(", %d skipped", len(s.Skipped))
	}
	fmt.Fprintf(out, "== %s: %s in %s\n", name, verdict, clock(s.Took))
	return s
}

// drive runs cmd with both of its outputs going to d. It takes no input.
func drive(cmd *exec.Cmd, d *reader) error {
	pr, pw, err := os.Pipe()
	if err != nil {
		return err
	}
	defer pr.Close()
	cmd.Stdout, cmd.Stderr = pw, pw
	err = cmd.Start()
	pw.Close()
	if err != nil {
		d.plain = append(d.plain, err.Error()+"\n")
		return err
	}
	rerr := d.read(pr)
	if err := cmd.Wait(); err != nil {
		return err
	}
	return rerr
}

var unsafeName = regexp.MustCompile(`[^\w-]+`)

// end keeps the step for the report.
func (s *outcome) end(strict bool) error {
	if err := os.MkdirAll(stateDir, 0o755); err != nil {
		return err
	}
	raw, err := json.Marshal(s.Step)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(stateDir, unsafeName.ReplaceAllString(s.Name, "_")+".json"), raw, 0o644); err != nil {
		return err
	}
	if strict && s.Failed > 0 {
		return errFailed
	}
	return nil
}

func reset() error {
	if err := os.RemoveAll(stateDir); err != nil {
		return err
	}
	return os.MkdirAll(stateDir, 0o755)
}
