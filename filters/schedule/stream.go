package schedule

import (
	"strconv"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/assemble"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/budget"
	"github.com/trapgate/trapgate/ratelimit/limit"
)

// A stream is one attempt under way.
type stream struct {
	f *Filter
	c *settings
	x *filters.Exchange
	e *exchange
	p *pool
	t *ratelimit.Ticket

	class    string
	patience patience
	size     size
	guess    guess
	most     int64 // the call's own limit of output, for all its choices; 0: none
	choices  int64 // answers that it asks for at once

	waited time.Duration
	cause  string
	soft   budget.Standing // a soft budget that is passed

	unpriced bool // a soft budget of money counts nothing

	reserved bool  // in the budgets
	paidFor  int64 // output tokens that the budgets' reservation covers
	chars    int64 // of output, seen so far
	output   int64 // tokens that they are about
	status   int   // of the answer's head; 0: none was seen
	events   bool  // it is a stream, whatever the agent asked for
	told     limit.Observation
	asked    bool // for usage, which the agent is not to see
	doubted  bool // the answer may be a refusal of that
	strip    assemble.UsageStripper

	ready   chan error // one message for each ticket that had to wait
	onReady func(*ratelimit.Ticket, error)
	out     *filters.Emitter           // during Event and End
	onFrame func(assemble.Frame) error // emits to out
}

// newStream makes what Filter.streams keeps.
func newStream() any {
	s := &stream{ready: make(chan error, 1)}
	s.onReady = func(_ *ratelimit.Ticket, err error) { s.ready <- err }
	s.onFrame = func(f assemble.Frame) error {
		return s.out.Emit(filters.Event{Raw: f.Raw, Name: f.Name, Data: f.Data})
	}
	return s
}

var (
	_ filters.Stream   = (*stream)(nil)
	_ filters.Observer = (*stream)(nil)
)

func (s *stream) recycle() {
	f := s.f
	s.p.users.Add(-1)
	*s = stream{ready: s.ready, onReady: s.onReady, onFrame: s.onFrame}
	f.streams.Put(s)
}

// begin finds out what the attempt is.
func (s *stream) begin(f *Filter, x *filters.Exchange) {
	s.f, s.c, s.x = f, f.config.Load(), x
	s.e = f.exchangeOf(x)
	s.e.tries++
	s.e.id = x.ID
	id, v := &x.Identity, x.View
	now := s.now()
	s.p = f.pools.of(s.c, x)
	s.p.last.Store(now.UnixNano())
	s.class = s.c.class(x)
	s.patience = s.c.patienceOf(x, now)
	s.choices = 1
	switch {
	case x.Route.Op == wire.Embed:
		s.most = 1 // there is none, and zero means no limit
	default:
		s.choices = assemble.Choices(v)
		s.most = min(v.MaxTokensValue(), maxMost) * s.choices
	}
	s.size = sizeOf(v, &x.CallEdits)
	s.guess = f.sizes.guess(id.Tenant, id.Agent, x.Attempt.Model, s.size, s.most, s.choices)
}

// maxMost is above any limit of output, and times all choices still a number.
const maxMost = 1 << 50

// Observes reports whether all events pass as they are: the agent is kept from nothing.
func (s *stream) Observes() bool { return !s.asked }

// Head learns what the upstream says of its limits, and tells the agent what waiting there was.
func (s *stream) Head(h *filters.ResponseHead) error {
	s.events = h.Stream
	s.head(h.Status, h.Fields)
	if s.asked && (h.Status == 400 || h.Status == 422) {
		s.doubted = true
		return filters.ErrPlain
	}
	if s.x.Attempt.Plain && s.e.doubted && h.Status < 300 {
		s.f.plain.add(plainKey{s.x.Attempt.Upstream, s.x.Attempt.Model})
	}
	h.Added = append(h.Added, filters.Field{Name: queueHeader, Value: s.queueNote()})
	if s.unpriced {
		h.Added = append(h.Added, filters.Field{Name: budgetHeader, Value: appendUnpriced(nil, s.x.Attempt.Model)})
	}
	if s.soft.Over {
		h.Added = append(h.Added, filters.Field{Name: budgetHeader, Value: appendBudget(nil, &s.soft)})
	}
	return nil
}

var (
	queueHeader  = []byte("x-trapgate-queue")
	budgetHeader = []byte("x-trapgate-budget")
)

// queueNote is what the agent is told of its wait. It outlives the stream: a host may write the head later.
func (s *stream) queueNote() []byte {
	if s.waited == 0 {
		return s.p.idle
	}
	b := append(make([]byte, 0, len(s.p.prefix)+32), s.p.prefix...)
	b = strconv.AppendInt(b, s.waited.Milliseconds(), 10)
	return append(append(b, ";cause="...), s.cause...)
}

// Event counts what passes, and keeps usage back that only we have asked for.
func (s *stream) Event(e filters.Event, out *filters.Emitter) error {
	s.progress()
	if !s.asked || e.Body {
		return out.Emit(e)
	}
	s.out = out
	return s.strip.Event(assemble.Frame{Raw: e.Raw, Name: e.Name, Data: e.Data}, s.onFrame)
}

// progress tops reservations up once an answer is longer than was expected.
func (s *stream) progress() {
	chars := s.x.Answer.OutputChars
	if chars == s.chars {
		return
	}
	if s.chars == 0 && s.events {
		s.t.FirstByte()
	}
	s.chars = chars
	s.output = int64(float64(chars)*s.guess.perChar + 0.5)
	s.t.Streamed(s.output)
	if s.reserved && s.output > s.paidFor {
		s.paidFor = s.output + topUp
		s.standing(s.e.account.TopUp(budget.Usage{Input: s.guess.input, Output: s.paidFor}))
	}
}

// topUp is how many output tokens the budgets' reservation grows by.
const topUp = 64

// End lets go of what was held back.
func (s *stream) End(out *filters.Emitter) error {
	s.progress()
	if !s.asked {
		return nil
	}
	s.out = out
	return s.strip.End(s.onFrame)
}

// plainKey is an upstream's model that refuses to be asked for usage.
type plainKey struct{ upstream, model string }

// ask asks for the usage of a stream whose agent did not.
func (s *stream) ask() {
	x := s.x
	if x.Attempt.Plain || x.Route.Op != wire.Generate || !x.View.Stream {
		return
	}
	if d := x.Route.Dialect; d != wire.Chat && d != wire.Completions {
		return
	}
	if s.f.plain.has(plainKey{x.Attempt.Upstream, x.Attempt.Model}) {
		return
	}
	s.asked = assemble.AskUsage(x.View, &x.CallEdits)
}
