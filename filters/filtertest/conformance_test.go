package filtertest

import (
	"fmt"
	"runtime"
	"testing"

	"go.uber.org/goleak"

	"github.com/trapgate/trapgate/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) { Conformance(t, Memory{}) }

// A quiet TB notes failures instead of reporting them.
type quiet struct {
	testing.TB
	failed bool
	said   string
}

func (q *quiet) Helper()             {}
func (q *quiet) Failed() bool        { return q.failed }
func (q *quiet) Log(...any)          {}
func (q *quiet) Logf(string, ...any) {}
func (q *quiet) Errorf(format string, args ...any) {
	if !q.failed {
		q.said = fmt.Sprintf(format, args...)
	}
	q.failed = true
}
func (q *quiet) Error(args ...any)                 { q.Errorf("%s", fmt.Sprint(args...)) }
func (q *quiet) Fatal(args ...any)                 { q.Error(args...); runtime.Goexit() }
func (q *quiet) Fatalf(format string, args ...any) { q.Errorf(format, args...); runtime.Goexit() }
func (q *quiet) FailNow()                          { q.failed = true; runtime.Goexit() }

// TestBrokenHosts: the suite can fail, for every flaw, in a scenario that says what is wrong.
func TestBrokenHosts(t *testing.T) {
	want := map[flaw]string{ // a scenario that must find it
		forgetsClose: "refusal/inner", forgetsAttempt: "second attempt", closesTwice: "order", closesForward: "order",
		dropsHeld: "hold back until the end", endsLate: "order", hidesCause: "upstream cut", endsCuts: "upstream cut",
		neverRetries: "second attempt", keepsCallEdits: "edits", leaksRest: "unfinished last frame", dropsComments: "odd framing in small pieces",
		rewrites: "odd framing in small pieces", ignoresErrors: "error/outer/event", mixesRings: "order",
		losesLeft: "left to the next attempt", neverPlain: "plain attempt", unread: "answer is read",
		hidesAnswer: "answer that was not shown is told", neverSent: "request is sent between Open and Head",
		neverAsks: "refusal with a way out", asksForever: "refusal with a way out that is refused too", silentEnd: "refusal behind comments",
		neverLooks: "refusal in a stream with a way out", looksPast: "failure behind the first token", losesOpening: "opening that is no refusal",
	}
	for f := flawless; f < flaws; f++ {
		t.Run(fmt.Sprint(f), func(t *testing.T) {
			found := 0
			for _, s := range Scenarios() {
				if f != flawless && s.Name != want[f] {
					continue
				}
				if !s.Fits(true) {
					continue
				}
				q := &quiet{TB: t}
				done := make(chan struct{})
				go func() {
					defer close(done)
					s.Run(q, Memory{flaw: f}, wire.Chat, true)
				}()
				<-done
				if q.failed {
					t.Logf("%s: %.200s", s.Name, q.said)
					found++
				}
			}
			if (found > 0) != (f != flawless) {
				t.Errorf("%d scenarios failed", found)
			}
		})
	}
}
