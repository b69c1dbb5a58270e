package filtertest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/sse"
	"github.com/trapgate/trapgate/internal/wire"
)

// Memory is a host without a network: the agent and the upstream are in the same goroutine. It passes Conformance, it is
// what tests of single filters run on, and it shows in a few lines what a host has to do.
type Memory struct {
	// Upstreams are the names of the upstreams of a call's attempts, in order; the last one stays. None means "memory".
	Upstreams []string
	// Credential is whose credential attempts carry.
	Credential filters.Credential
	// Dialling keeps every attempt from its upstream: no connection is made, and no request sent, until the agent leaves.
	Dialling bool
	// Waited is given what Exchange.Waited was at the end; may be nil.
	Waited *time.Duration
	// Trail is given what Exchange.Trail was at the end; may be nil.
	Trail *[]filters.Entry
	// Head sees each head that the agent would get, with what filters have added to it; may be nil.
	Head func(h *filters.ResponseHead)
	// Replied sees an answer of a filter's own; may be nil.
	Replied func(r *filters.Reply)

	// flaw is what a broken host does, for the test that Conformance finds it.
	flaw flaw
}

// An exchange is one Run.
type exchange struct {
	m      *Memory
	flaw   flaw
	c      Case
	x      *filters.Exchange
	cancel context.CancelCauseFunc // the agent's leaving
	outer  *filters.Flow
	parser sse.Parser
	meter  wire.Meter // of the attempt's answer
	plain  bool       // the next attempt goes without what a filter had added
	asked  bool       // a filter knew a way out of a refusal of this call
	number int        // of the next attempt of the call

	out      Outcome
	status   int    // of the head that the agent gets
	started  bool   // bytes of an answer have gone to the agent
	comments bool   // a comment has, and a status of 200 with it
	silent   bool   // what reaches the agent's sink has been sent already
	detached bool   // the terminal event has: the agent may go
	document []byte // a JSON body on its way: it leaves when the exchange has ended well
	complete bool   // the call's answer came to its own end
}

// A retried error says that an attempt's answer asks for another attempt. Filters are not shown such an answer, but the inner
// ring is closed with it, so that they can learn what the upstream said.
type retried struct{ Answer }

func (*retried) Error() string { return "filtertest: the answer asks for another attempt" }

// Answered returns what the upstream said.
func (r *retried) Answered() (status int, fields filters.Fields, body []byte) {
	return r.Status, headFields(r.Fields), r.Body
}

func isRetried(err error) bool {
	_, ok := err.(*retried)
	return ok
}

// Run runs the case.
func (m Memory) Run(tb testing.TB, c Case) Outcome {
	tb.Helper()
	view, err := wire.Acquire(c.Dialect, c.Request, wire.Limits{})
	if err != nil {
		tb.Fatalf("filtertest: the case's request: %v", err)
	}
	defer view.Release()
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	e := &exchange{m: &m, flaw: m.flaw, c: c, cancel: cancel, x: &filters.Exchange{
		ID: "memory", Start: time.Now(), Route: wire.Route{Dialect: c.Dialect, Op: wire.Generate},
		Method: "POST", Target: c.Path, Fields: headFields(c.Fields), View: view, Remote: "memory",
	}}
	if c.Stream {
		e.x.KeepAlive = e.keepAlive
	}
	if c.Leave.On != nil {
		over, left := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(left)
			select {
			case <-c.Leave.On:
				e.cancel(filters.ErrAgentGone)
			case <-over:
			}
		}()
		defer func() { close(over); <-left }()
	}
	e.run(ctx, tb)
	if m.Waited != nil {
		*m.Waited = e.x.Waited
	}
	if m.Trail != nil {
		*m.Trail = e.x.Trail.Entries()
	}
	return e.out
}

// run opens the outer ring, makes calls until no filter asks for another, and closes the ring with what became of it.
func (e *exchange) run(ctx context.Context, tb testing.TB) {
	inner := filters.NewInnerChain(e.flaw.filters(e.c.Inner)...)
	var err error
	e.outer, err = filters.NewChain(e.flaw.filters(e.c.Outer)...).Open(ctx, e.x)
	e.outer.SetSink((*agent)(e))
	for again := err == nil; again; e.x.Call++ {
		again, err = e.call(ctx, inner)
	}
	if err == nil {
		e.finish()
		if !e.complete {
			err = filters.ErrTruncated // the agent saw the upstream's clean end; nobody should learn from it
		}
	} else {
		e.fail(err)
	}
	if e.flaw == forgetsClose && err != nil {
		return
	}
	if e.flaw == hidesCause {
		err = nil
	}
	if err := e.outer.Close(err); err != nil {
		tb.Logf("closing the outer ring: %v", err)
	}
}

// call makes attempts until one is final.
func (e *exchange) call(ctx context.Context, chain *filters.Chain) (again bool, err error) {
	left := max(e.c.Attempts, 2)
	if e.c.Attempts == 1 || e.flaw == neverRetries {
		left = 1
	}
	e.asked = false
	for e.number = 0; ; e.number++ {
		e.next()
		again, err = e.attempt(ctx, chain, left > 1)
		switch {
		case err == errAnew: // no retry either: the filter sends something else
		case err == filters.ErrPlain:
			e.plain = true // no retry: the same once more, without what was added
		case isRetried(err):
			left--
		default:
			return again, err
		}
	}
}

// next prepares an attempt.
func (e *exchange) next() {
	up := "memory"
	if names := e.m.Upstreams; len(names) > 0 {
		up = names[min(e.number, len(names)-1)]
	}
	left := e.x.Attempt.Left
	if e.flaw == losesLeft {
		left = filters.Left{}
	}
	e.x.Attempt = filters.Attempt{
		Number: e.number, Upstream: up, Model: e.x.View.ModelName(), Credential: e.m.Credential,
		Plain: e.plain && e.flaw != neverPlain, Left: left,
	}
	e.plain = false
	e.meter.Reset(e.c.Dialect)
	e.x.Answer = e.meter.Answer()
	if e.flaw != keepsCallEdits {
		e.x.CallEdits.Reset()
	}
}

// attempt opens the inner ring, asks the upstream, and relays the answer if it is final: a *retried or ErrPlain says that it is not.
func (e *exchange) attempt(ctx context.Context, chain *filters.Chain, more bool) (again bool, err error) {
	inner, err := chain.Open(ctx, e.x)
	inner.SetSink(e.outer)
	if err == nil {
		err = e.answer(ctx, inner, more)
	}
	if e.flaw == endsLate && err == nil {
		defer func() { _ = inner.Close(nil) }()
		return e.outer.End()
	}
	cause := err
	if err == nil && !e.complete {
		cause = filters.ErrTruncated
	}
	if e.flaw == hidesAnswer && isRetried(err) {
		cause = errors.New("filtertest: another attempt")
	}
	if !isRetried(err) || e.flaw != forgetsAttempt {
		_ = inner.Close(cause)
	}
	if err != nil {
		return false, err
	}
	return e.outer.End()
}

// answer gets the upstream's answer and passes it through both rings, the inner ring's end included.
func (e *exchange) answer(ctx context.Context, inner *filters.Flow, more bool) error {
	a, err := e.upstream(ctx)
	if err != nil {
		return err
	}
	if a.Status == 503 && more {
		return &retried{a}
	}
	if again, err := e.refused(&a, inner); again || err != nil {
		return cmp.Or(err, errAnew)
	}
	h := &filters.ResponseHead{Status: a.Status, Stream: a.Stream, Fields: headFields(a.Fields)}
	if err := inner.Head(h); err != nil {
		if errors.Is(err, filters.ErrPlain) && !e.x.Attempt.Plain {
			return filters.ErrPlain
		}
		return err
	}
	if err := e.outer.Head(h); err != nil {
		return err
	}
	if e.m.Head != nil {
		e.m.Head(h)
	}
	if !e.started && !e.comments {
		e.status = a.Status
	}
	e.complete = !a.Stream
	if e.comments && !a.Stream {
		if err := e.late(a); err != nil {
			return err
		}
	} else if err := e.body(ctx, a, inner); err != nil {
		return err
	}
	if e.flaw == dropsHeld {
		return nil
	}
	again, err := inner.End()
	if again {
		err = errors.New("the inner ring asked for another call")
	}
	return err
}

// upstream takes one request and returns the planned answer, once there is one.
func (e *exchange) upstream(ctx context.Context) (Answer, error) {
	if e.m.Dialling {
		if e.c.Leave.Waiting {
			e.cancel(filters.ErrAgentGone)
		}
		<-ctx.Done()
		return Answer{}, context.Cause(ctx)
	}
	a := Answer{Status: 500, Body: []byte("unplanned")}
	if e.out.Requests < len(e.c.Answers) {
		a = e.c.Answers[e.out.Requests]
	}
	e.out.Requests++
	sent, err := wire.Apply(nil, e.c.Request, &e.x.Edits, &e.x.CallEdits)
	if err != nil {
		return a, err
	}
	e.out.Sent = append(e.out.Sent, bytes.Clone(sent))
	e.x.Attempt.Sent = e.flaw != neverSent
	if err := e.x.RunLater(); err != nil {
		return a, err
	}
	if a.Status == 0 {
		a.Status = 200
	}
	switch a.How {
	case Dropped:
		return a, &filters.Reply{Status: 502, Code: "upstream_closed", Message: "the upstream closed the connection"}
	case Silent:
		if e.c.Leave.Waiting {
			e.cancel(filters.ErrAgentGone)
		}
		<-ctx.Done()
		return a, context.Cause(ctx)
	}
	return a, nil
}

func headFields(lines [][2]string) (f filters.Fields) {
	for _, line := range lines {
		f = append(f, filters.Field{Name: []byte(line[0]), Value: []byte(line[1])})
	}
	return f
}

// body relays a body: as it comes when no filter wants it, one event or one document at a time else.
func (e *exchange) body(ctx context.Context, a Answer, inner *filters.Flow) error {
	e.parser.Reset()
	looks := inner.Wants() || e.outer.Wants()
	e.silent = looks && !inner.Edits() && !e.outer.Edits() // the bytes go by themselves
	size := len(a.Body)
	if a.Chunk > 0 {
		size = a.Chunk
	}
	var document []byte
	for rest := a.Body; len(rest) > 0; {
		// A buffer of its own, spoilt afterwards: whoever keeps an event must have copied it.
		piece := bytes.Clone(rest[:min(size, len(rest))])
		rest = rest[len(piece):]
		var err error
		switch {
		case a.Stream:
			err = e.events(piece, inner, looks)
		default:
			if document = append(document, piece...); !looks || e.silent {
				err = e.write(piece)
			}
		}
		for i := range piece {
			piece[i] = '#'
		}
		if err != nil {
			return err
		}
	}
	if err := e.brokenOff(ctx, a); err != nil {
		if e.flaw == leaksRest {
			_ = e.write(e.parser.Rest())
		}
		return err
	}
	if !a.Stream && e.flaw != unread {
		e.meter.Body(document)
	}
	switch last, ok := e.parser.Finish(); {
	case ok && looks && e.flaw != leaksRest: // of an answer that filters only look at its bytes have left
		return inner.Emit(filters.Event{Raw: last.Raw, Name: last.Name, Data: last.Data})
	case ok && looks:
		return e.write(last.Raw)
	case looks && !a.Stream:
		return inner.Emit(filters.Event{Raw: document, Data: document, Body: true})
	}
	return nil
}

// brokenOff is why an answer ends that has no clean end.
func (e *exchange) brokenOff(ctx context.Context, a Answer) error {
	switch a.How {
	case Cut:
		return filters.ErrTruncated
	case Stalled:
		if e.c.Leave.Waiting {
			e.cancel(filters.ErrAgentGone)
		}
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return nil
}

// events relays a piece of a stream. It is parsed in any case, for the terminal event.
func (e *exchange) events(piece []byte, inner *filters.Flow, looks bool) error {
	e.parser.Feed(piece)
	for ev, ok := e.parser.Next(); ok; ev, ok = e.parser.Next() {
		last := terminal(e.c.Dialect, ev.Name, ev.Data)
		if e.flaw != unread {
			e.meter.Event(ev.Name, ev.Data)
		}
		e.complete = e.complete || last
		raw := e.flaw.raw(ev)
		var err error
		if looks {
			err = inner.Emit(filters.Event{Raw: raw, Name: ev.Name, Data: ev.Data})
		} else {
			e.detached = e.detached || last
		}
		if err != nil && e.flaw == ignoresErrors {
			err = e.write(raw)
		}
		if err != nil {
			return err
		}
	}
	if err := e.parser.Err(); err != nil || looks && !e.silent {
		return err
	}
	return e.write(piece)
}
