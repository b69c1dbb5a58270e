package main

import (
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// A failure is a test, not a subtest, that failed, or with an empty test a package that ended with goroutines.
type failure struct{ pkg, test string }

func (f failure) String() string { return strings.TrimSpace(short(f.pkg) + " " + f.test) }

// maxAgain is how many failed tests are given a second try. More are no accident.
const maxAgain = 3

// again runs failed tests once more, each alone: on a machine that others load, a deadline passes by accident. What passes then is
// counted as passed and named in the account; what fails twice has failed. Nothing but a failed test and a package whose goroutines
// had not ended soon enough gets a second try: no data race, no package that does not build or ends outside a test.
func (s *outcome) again(d *reader, command []string, out io.Writer) {
	if len(d.failures) == 0 || len(d.failures) > maxAgain || d.raced {
		return
	}
	names := map[string]bool{}
	for _, f := range d.failures {
		names[f.pkg] = true
	}
	for pkg := range d.failed {
		if !strings.Contains(pkg, "\x00") && !names[pkg] {
			return
		}
	}
	for _, f := range d.failures {
		fmt.Fprintf(out, "-- once more, alone: %s\n", f)
		var second Step
		r := newReader(&second, out)
		cmd := exec.Command(command[0], alone(command[1:], f)...)
		if err := drive(cmd, r); err != nil || second.Failed > 0 || second.Passed == 0 {
			continue
		}
		before := len(s.Lost)
		s.Lost = slices.DeleteFunc(s.Lost, func(l Loss) bool { return l.Again == f })
		s.Failed -= before - len(s.Lost)
		s.Passed += before - len(s.Lost)
		s.Notes = append(s.Notes, fmt.Sprintf("passed only the second time: %s", f))
	}
}

// onceMore runs a step's command again, a bench or a download that a busy machine or network may fail, and keeps the better outcome.
func (s *outcome) onceMore(cmd *exec.Cmd, out io.Writer) *outcome {
	second := runStep(s.Name, cmd, out)
	second.Began, second.Took = s.Began, s.Took+second.Took
	if second.Failed == 0 {
		second.Notes = append(second.Notes, "passed only the second time: "+s.Name)
	}
	return second
}

// alone is a go test command for one test, or one package: its flags, then the package.
func alone(args []string, f failure) []string {
	args = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return strings.HasPrefix(a, "./") })
	if args = append(args, "-count=1"); f.test != "" {
		args = append(args, "-run", "^"+f.test+"$")
	}
	return append(args, f.pkg)
}
