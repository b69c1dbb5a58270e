package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stream is what go test -json says about a passing, a failing and a skipped test, subtests, and a package that does not build.
const stream = `{"Action":"start","Package":"github.com/trapgate/trapgate/a"}
{"Action":"run","Package":"github.com/trapgate/trapgate/a","Test":"TestOne"}
{"Action":"run","Package":"github.com/trapgate/trapgate/a","Test":"TestOne/x"}
{"Action":"run","Package":"github.com/trapgate/trapgate/a","Test":"TestOne/y"}
{"Action":"output","Package":"github.com/trapgate/trapgate/a","Test":"TestOne/y","Output":"    a_test.go:7: wrong colour\n"}
{"Action":"pass","Package":"github.com/trapgate/trapgate/a","Test":"TestOne/x"}
{"Action":"fail","Package":"github.com/trapgate/trapgate/a","Test":"TestOne/y"}
{"Action":"fail","Package":"github.com/trapgate/trapgate/a","Test":"TestOne"}
{"Action":"run","Package":"github.com/trapgate/trapgate/a","Test":"TestTwo"}
{"Action":"output","Package":"github.com/trapgate/trapgate/a","Test":"TestTwo","Output":"    a_test.go:9: SKIP: no moon\n"}
{"Action":"skip","Package":"github.com/trapgate/trapgate/a","Test":"TestTwo"}
{"Action":"output","Package":"github.com/trapgate/trapgate/a","Output":"SKIPPED TestTwo: no moon\n"}
{"Action":"output","Package":"github.com/trapgate/trapgate/a","Output":"SKIPPED all of a: no sun\n"}
{"Action":"run","Package":"github.com/trapgate/trapgate/a","Test":"TestThree"}
{"Action":"pass","Package":"github.com/trapgate/trapgate/a","Test":"TestThree"}
{"Action":"fail","Package":"github.com/trapgate/trapgate/a","Elapsed":1.5}
{"ImportPath":"github.com/trapgate/trapgate/b","Action":"build-output","Output":"b.go:1: undefined: z\n"}
{"ImportPath":"github.com/trapgate/trapgate/b","Action":"build-fail"}
{"Action":"fail","Package":"github.com/trapgate/trapgate/b","Elapsed":0,"FailedBuild":"github.com/trapgate/trapgate/b"}
a line that is no event
`

func TestEvents(t *testing.T) {
	var s Step
	var out strings.Builder
	d := newReader(&s, &out)
	if err := d.read(strings.NewReader(stream)); err != nil {
		t.Fatal(err)
	}
	want := Step{
		Passed: 2, Failed: 2,
		Skipped: []Skip{{"a TestTwo", "no moon"}, {"all of a", "no sun"}},
		Lost:    []Loss{{"a TestOne/y", "a_test.go:7: wrong colour", failure{"github.com/trapgate/trapgate/a", "TestOne"}}, {What: "b", Said: "b.go:1: undefined: z"}},
	}
	if diff := cmp.Diff(want, s, cmp.AllowUnexported(failure{})); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for _, want := range []string{"wrong colour", "undefined: z", "FAIL a ", "FAIL b "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not shown in:\n%s", want, &out)
		}
	}
	if len(d.plain) != 1 {
		t.Errorf("%d plain lines", len(d.plain))
	}
}

// A step that is no test run counts as one test, and shows what it printed when it failed.
func TestPlainSteps(t *testing.T) {
	for _, c := range []struct {
		name           string
		command        []string
		passed, failed int
		shows          string
	}{
		{"good", []string{"sh", "-c", "echo fine"}, 1, 0, "fine"},
		{"bad", []string{"sh", "-c", "echo broken >&2; exit 3"}, 0, 1, "broken"},
		{"absent", []string{"no-such-command-here"}, 0, 1, "not found"},
		{"bad tool", []string{"sh", "-c", `echo '{"Action":"start","Package":"p"}'; echo usage; exit 2`}, 0, 1, "usage"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			s := runStep(c.name, exec.Command(c.command[0], c.command[1:]...), &out)
			if s.Passed != c.passed || s.Failed != c.failed || !strings.Contains(out.String(), c.shows) {
				t.Errorf("%d passed, %d failed:\n%s", s.Passed, s.Failed, &out)
			}
		})
	}
}

// The last line is the counts, what failed stands before it, and a failure is an error.
func TestReport(t *testing.T) {
	t.Chdir(t.TempDir())
	var out strings.Builder
	if err := report(&out, ""); err == nil {
		t.Error("a report of nothing is fine")
	}
	if err := reset(); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*outcome{
		{Step{Name: "unit tests", Passed: 7, Skipped: []Skip{{"a TestTwo", "no moon"}}}},
		{Step{Name: "lint", Passed: 1}},
	} {
		if err := s.end(true); err != nil {
			t.Fatal(err)
		}
	}
	if err := report(&out, "full.md"); err != nil {
		t.Error(err)
	}
	if !strings.HasSuffix(out.String(), "\n8 passed, 0 failed, 1 skipped\n") || !strings.Contains(out.String(), "a TestTwo: no moon") {
		t.Errorf("got:\n%s", &out)
	}
	bad := &outcome{Step{Name: "e2e", Failed: 2, Lost: []Loss{{What: "b TestTwo", Said: "b_test.go:3: too late\nby far"}, {What: "c", Said: "exit 3"}}}}
	if err := bad.end(true); err == nil {
		t.Error("a strict step that failed is fine")
	}
	out.Reset()
	if err := report(&out, ""); err == nil || !strings.HasSuffix(out.String(), "\n8 passed, 2 failed, 1 skipped\n") ||
		!strings.Contains(out.String(), "\n  e2e: b TestTwo\n    b_test.go:3: too late\n    by far\n") {
		t.Errorf("%v:\n%s", err, &out)
	}
}
