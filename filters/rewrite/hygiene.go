package rewrite

import (
	"log/slog"
	"runtime/debug"
	"strconv"

	"github.com/trapgate/trapgate/ctxrewrite"
	"github.com/trapgate/trapgate/ctxrewrite/hygiene"
	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
)

// A tidying is what cache hygiene did with an attempt's request.
type tidying struct {
	edits  wire.Edits
	report hygiene.Report
	failed bool
}

// Hygiene is what cache hygiene has found and done since the start.
func (f *Filter) Hygiene() hygiene.Counts { return f.hygiene.Counts() }

// tidy asks for what keeps the provider's cache warm, around what the engine and others have edited in this attempt.
func (s *stream) tidy(c *settings) {
	x, r := s.x, &s.request
	defer func() {
		if v := recover(); v != nil {
			s.tidied.failed = true
			s.f.failures.Add(1)
			slog.Error("context: cache hygiene is left out of a request", "id", x.ID, "panic", v, "stack", string(debug.Stack()))
		}
	}()
	t := &s.tidied
	t.report = s.f.hygiene.Fix(&hygiene.Request{
		View: x.View, Exchange: &x.Edits, Call: &x.CallEdits, Out: &t.edits, Tenant: r.Tenant, Session: r.Session, Agent: x.Identity.Agent,
		Model: r.Model, Profile: r.Profile, Tokens: s.plan.From, Settings: c.Hygiene, Observe: c.Engine.Mode == ctxrewrite.Observe,
	})
	if t.edits.Len() > 0 {
		t.edits.All(func(at wire.Span, with []byte) { x.CallEdits.Replace(at, with) })
	}
	if rep := &t.report; len(rep.Volatile) > 0 {
		x.Trail.Append(Name, "volatile", filters.Attr{Key: "line", Value: int64(rep.Volatile[0])}, filters.Attr{Key: "cost_tokens", Value: int64(rep.Cost)},
			filters.Attr{Key: "moved", Value: rep.Moved})
	}
}

// note adds to the header's value: "volatile=3; cost=30123", lines of the system text that changed and the tokens that could not be
// read from the cache for it; with moved they stand at the tail.
func (t *tidying) note(b []byte) []byte {
	rep := &t.report
	add := func(text string) {
		if b != nil {
			b = append(b, "; "...)
		}
		b = append(b, text...)
	}
	if t.failed {
		add("hygiene=failed")
		return b
	}
	for i, line := range rep.Volatile {
		if i == 0 {
			add("volatile=")
		} else {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(line), 10)
	}
	if rep.Cost > 0 {
		add("cost=")
		b = strconv.AppendInt(b, int64(rep.Cost), 10)
	}
	switch {
	case rep.Moved:
		add("moved")
	case rep.Why != "":
		add("not-moved=")
		b = append(b, rep.Why...)
	}
	if rep.Marks > 0 {
		add("breakpoints=")
		b = strconv.AppendInt(b, int64(rep.Marks), 10)
	}
	return b
}

// done forgets the attempt and keeps the memory.
func (t *tidying) done() {
	t.edits.Reset()
	t.report, t.failed = hygiene.Report{}, false
}
