package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A file that is not meant for us ends in a problem soon, whatever it is.
func TestHostileFiles(t *testing.T) {
	distinct, steps := &strings.Builder{}, &strings.Builder{}
	for i := range 2000 {
		fmt.Fprintf(distinct, "k%d: x\n", i)
	}
	for i := range 400 {
		fmt.Fprintf(steps, "%sa:\n", strings.Repeat(" ", i))
	}
	const n = 200 << 10
	for name, c := range map[string]struct{ text, want string }{
		"too long":      {strings.Repeat("#", maxFile+1), "file is too large"},
		"many keys":     {strings.Repeat("a: b\n", n/5), "too many keys"},
		"distinct keys": {distinct.String(), "unknown key"},
		"flow":          {"listen: [" + strings.Repeat("x,", n/2) + "]", "must be text"},
		"deep flow":     {strings.Repeat("[", n), "nested too deeply"},
		"deep mappings": {strings.Repeat("{a: ", n/4), "nested too deeply"},
		"deep block":    {steps.String(), "nested too deeply"},
		"deep line":     {strings.Repeat("- ", n/2), "nested too deeply"},
		"question line": {strings.Repeat("? ", n/2), "nested too deeply"},
		"anchors":       {strings.Repeat("- &a x\n", n/7), "defined twice"},
		"laughs":        {"hosts: &a [x]\norigins: &b [*a, *a]\nroutes: [{models: [*b, *b]}]", "must be text"},
		"self":          {"limits: &a {<<: [*a, *a, *a, *a]}", "alias"},
		"control":       {"listen: \"\x00\"", "holds a control character (U+0000)"},
		"binary":        {"\x7fELF\x02\x01", "holds a control character"},
		"not UTF-8":     {"data: \xff", "is not UTF-8"},
		"carriage":      {"listen: x\radmin: y", "holds a control character"},
	} {
		start := time.Now()
		_, problems := Parse("t.yaml", []byte(c.text), fakeEnv(home, nil))
		if problems == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s took %v", name, took)
		}
		if len(problems) > maxProblems+1 {
			t.Errorf("%s: %d problems", name, len(problems))
		}
		mentions(t, problems, c.want)
	}
}

func TestProblemForm(t *testing.T) {
	for want, p := range map[string]Problem{
		`trapgate.yaml:14:7: upstreams[0].base_url: must be an absolute URL (got "localhost")`: {File: "trapgate.yaml", Line: 14, Col: 7, Key: "upstreams[0].base_url", Msg: `must be an absolute URL (got "localhost")`},
		"t.yaml: cannot be read\n  hint: do":                                                   {File: "t.yaml", Msg: "cannot be read", Hint: "do"},
		"--listen: x":                                                                          {Key: "--listen", Msg: "x"},
	} {
		if got := p.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	many := make(Problems, 250)
	for i := range many {
		many[i] = Problem{File: "f", Line: 250 - i, Col: 1, Msg: "m"}
	}
	if got := many.sorted(); len(got) != maxProblems+1 || got[0].Line != 1 || got[maxProblems].Msg != "and 150 more problems from here on" {
		t.Error(len(got), got[len(got)-1])
	}
}
