package rewrite

import (
	"strconv"

	"github.com/trapgate/trapgate/ctxrewrite"
	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
)

// A stream is one attempt under way.
type stream struct {
	f       *Filter
	x       *filters.Exchange
	request ctxrewrite.Request
	edits   wire.Edits
	plan    ctxrewrite.Plan
	failed  bool
	asked   bool // about a refusal
	tidied  tidying
}

var (
	_ filters.Stream    = (*stream)(nil)
	_ filters.HeadOnly  = (*stream)(nil)
	_ filters.Refusable = (*stream)(nil)
)

func (s *stream) begin(f *Filter, x *filters.Exchange) {
	c := f.settings.Load()
	id := &x.Identity
	s.f, s.x = f, x
	model := windowName(x)
	was, _ := x.Attempt.Left.Get(Name).(refused)
	s.request = ctxrewrite.Request{
		View: x.View, Exchange: &x.Edits, Call: &s.edits, Chains: id.Chains, Tenant: id.Tenant, Session: id.Session,
		Upstream: x.Attempt.Upstream, Model: model, Profile: c.profile(x), Pins: c.pins(x), Pin: string(x.Fields.Get(pinHeader)),
		Again: was == refused{x.Call, x.Attempt.Upstream, model},
	}
	if id.Side {
		s.request.Session = "" // a title, say: not the conversation
	}
	if w := &c.Engine.Summary; w.MaxTokens > 0 {
		s.request.Background = background(x, w.Model)
	}
	s.failed = s.fit()
	s.tidy(c)
	if s.failed || s.plan.Action == ctxrewrite.None {
		return
	}
	p := &s.plan
	if p.Observed && p.Action == ctxrewrite.Rewrite {
		f.observed.Add(1)
		f.saving.Add(int64(p.From - p.To))
	}
	x.Trail.Append(Name, p.Action.String(), filters.Attr{Key: "epoch", Value: int64(p.Epoch)}, filters.Attr{Key: "from_tokens", Value: int64(p.From)},
		filters.Attr{Key: "to_tokens", Value: int64(p.To)}, filters.Attr{Key: "made", Value: p.Made})
}

// HeadOnly reports that no event has to be shown: usage is read by the host.
func (s *stream) HeadOnly() bool { return true }

// Head tells the agent what was done.
func (s *stream) Head(h *filters.ResponseHead) error {
	if note := s.tidied.note(s.note()); note != nil {
		h.Added = append(h.Added, filters.Field{Name: []byte(header), Value: note})
	}
	return nil
}

// note is the header's value: "epoch=3; from=98123; to=31200", and what went wrong or was left over. nil: the request went out as
// it came and nothing is to be said.
func (s *stream) note() (b []byte) {
	p := &s.plan
	switch {
	case s.failed:
		return []byte("failed; the request went out as it came")
	case p.Action == ctxrewrite.None && p.Why == "":
		return nil
	case p.Action == ctxrewrite.None:
		return append([]byte("epoch=0; why="), p.Why...)
	}
	b = strconv.AppendInt(append(b, "epoch="...), int64(p.Epoch), 10)
	b = strconv.AppendInt(append(b, "; from="...), int64(p.From), 10)
	b = strconv.AppendInt(append(b, "; to="...), int64(p.To), 10)
	if p.Cut {
		b = append(b, "; cut=tail"...)
	}
	if p.Pinned > 0 {
		b = strconv.AppendInt(append(b, "; pins-over-budget="...), int64(p.Pinned), 10)
	}
	if p.Observed {
		b = append(b, "; observed"...)
	}
	if p.Why != "" {
		b = append(append(b, "; why="...), p.Why...)
	}
	return b
}

// A refused is an attempt that was too long: what goes to the same model in the same call has to be shorter.
type refused struct {
	call            int
	upstream, model string
}

// Refused learns the window of a model that refuses a request for its length, and knows a way out where less can be sent.
func (s *stream) Refused(status int, _ filters.Fields, body []byte) bool {
	s.asked = true
	if s.failed || !s.f.engine.TooLong(&s.request, &s.plan, status, body) {
		return false
	}
	s.x.Attempt.Left.Put(Name, refused{s.x.Call, s.request.Upstream, s.request.Model})
	s.x.Trail.Append(Name, "too_long", filters.Attr{Key: "sent_tokens", Value: int64(s.plan.To)})
	return true
}

// Event is never called: see HeadOnly.
func (s *stream) Event(e filters.Event, out *filters.Emitter) error { return out.Emit(e) }

// End is never called: see HeadOnly.
func (s *stream) End(*filters.Emitter) error { return nil }

// Close learns what the provider counted, and from a refusal that came too late for a way out, or once more: the agent's next request
// fits then.
func (s *stream) Close(error) {
	f, a := s.f, s.x.Answer
	switch {
	case s.failed:
	case a.Failed() && !s.asked:
		said := wire.Error{Status: 400, Type: a.ErrorType, Code: a.ErrorCode, Message: a.ErrorMessage}
		f.engine.Learn(&s.request, &s.plan, said.Status, wire.AppendError(nil, wire.Chat, &said))
	case a.Usage.Known:
		f.engine.Used(&s.request, &s.plan, int(a.Usage.Input))
	}
	s.edits.Reset()
	s.tidied.done()
	*s = stream{edits: s.edits, tidied: s.tidied}
	f.streams.Put(s)
}
