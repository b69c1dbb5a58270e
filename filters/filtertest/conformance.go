package filtertest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
)

// Conformance runs every scenario against the host, for the three dialects, streamed and not.
func Conformance(t *testing.T, h Host) {
	for _, d := range dialects {
		for _, stream := range []bool{true, false} {
			form := "unary"
			if stream {
				form = "stream"
			}
			t.Run(d.String()+"/"+form, func(t *testing.T) {
				for _, s := range Scenarios() {
					if !s.Fits(stream) {
						continue
					}
					t.Run(s.Name, func(t *testing.T) { s.Run(t, h, d, stream) })
				}
			})
		}
	}
}

// A Scenario is one thing that a host must do right.
type Scenario struct {
	Name                  string
	onlyStream, onlyUnary bool
	run                   func(k *kit)
}

// Fits reports whether the scenario is about answers of that form.
func (s Scenario) Fits(stream bool) bool { return !(stream && s.onlyUnary || !stream && s.onlyStream) }

// Run runs the scenario against the host and reports to tb, also what every scenario asks for: see Log.Verify.
func (s Scenario) Run(tb testing.TB, h Host, d wire.Dialect, stream bool) {
	tb.Helper()
	k := &kit{TB: tb, host: h, log: new(Log), c: Case{
		Dialect: d, Stream: stream, Path: path(d), Request: request(d, stream),
	}}
	s.run(k)
	k.log.Verify(tb)
	if tb.Failed() {
		tb.Logf("what the filters saw:%s", k.story())
	}
}

// Scenarios returns the suite.
func Scenarios() []Scenario {
	var all []Scenario
	for _, part := range [][]Scenario{relayScenarios(), callScenarios(), refusalScenarios(), failureScenarios(), earlyScenarios(), attemptScenarios()} {
		all = append(all, part...)
	}
	return all
}

// A kit is what a scenario works with: the case that it fills in, and what must hold for the outcome.
type kit struct {
	testing.TB
	host Host
	log  *Log
	c    Case
}

// rec makes a Recorder.
func (k *kit) rec(label string) Recorder { return Recorder{Label: label, Log: k.log} }

// rings sets the filters. In each ring two recorders stand around the given ones: o1, outer..., o2 and i1, inner..., i2.
func (k *kit) rings(outer, inner []filters.Filter) {
	around := func(ring string, mid []filters.Filter) []filters.Filter {
		return append(append([]filters.Filter{k.rec(ring + "1")}, mid...), k.rec(ring+"2"))
	}
	k.c.Outer, k.c.Inner = around("o", outer), around("i", inner)
}

// say makes an answer of the upstream in the case's dialect and form.
func (k *kit) say(words ...string) Answer { return sample(k.c.Dialect, k.c.Stream, words...) }

// play runs the case.
func (k *kit) play(answers ...Answer) Outcome {
	k.Helper()
	k.c.Answers = answers
	return k.host.Run(k.TB, k.c)
}

// gets checks a clean answer.
func (k *kit) gets(o Outcome, status int, body []byte) {
	k.Helper()
	if o.Status != status || o.Cut {
		k.Errorf("the agent got status %d, cut %t; want %d and a clean end", o.Status, o.Cut, status)
	}
	if !bytes.Equal(o.Body, body) {
		k.Errorf("the agent got the body\n%q\nwant\n%q", o.Body, body)
	}
}

// fails checks that the agent cannot take the answer for a good one.
func (k *kit) fails(o Outcome) {
	k.Helper()
	if !o.Cut && o.Status < 500 {
		k.Errorf("the agent got status %d and a clean end; want a status from 500 up, or a cut", o.Status)
	}
}

// requests checks how many requests reached the upstream.
func (k *kit) requests(o Outcome, want int) {
	k.Helper()
	if o.Requests != want {
		k.Errorf("%d requests reached the upstream, want %d", o.Requests, want)
	}
}

// closed checks the causes that the filter's streams were closed with, in order of Close; nil means a clean end, any a cause
// of whatever kind.
func (k *kit) closed(filter string, want ...error) {
	k.Helper()
	k.log.settle()
	got := k.log.Causes(filter)
	if len(got) != len(want) {
		k.Errorf("%s was closed %d times, want %d", filter, len(got), len(want))
		return
	}
	for i := range want {
		ok := errors.Is(got[i], want[i])
		if want[i] == errAny {
			ok = got[i] != nil
		}
		if !ok {
			k.Errorf("stream %d of %s was closed with the cause %v, want %v", i, filter, got[i], want[i])
		}
	}
}

var errAny = errors.New("any cause")

// sequence checks what happened, in order: all of it, or the given ops only.
func (k *kit) sequence(want string, ops ...filters.Op) {
	k.Helper()
	k.log.settle()
	if got := k.log.Sequence(ops...); got != want {
		k.Errorf("the filters saw\n%s\nwant\n%s", got, want)
	}
}

// count checks how often the filter saw an op.
func (k *kit) count(filter string, op filters.Op, want int) {
	k.Helper()
	got := 0
	for _, r := range k.log.Records() {
		if r.Filter == filter && r.Op == op {
			got++
		}
	}
	if got != want {
		k.Errorf("%s saw %s %d times, want %d", filter, op, got, want)
	}
}

// story is the log for a failed test.
func (k *kit) story() string {
	s := ""
	for _, r := range k.log.Records() {
		s += "\n  " + r.String()
		switch r.Op {
		case filters.OpHead:
			s += fmt.Sprintf(" call %d status %d", r.Call, r.Status)
		case filters.OpEvent:
			s += fmt.Sprintf(" %.60q", r.Raw)
		case filters.OpClose:
			s += fmt.Sprintf(" %v", r.Cause)
		}
	}
	return s
}
