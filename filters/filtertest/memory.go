package filtertest

import (
	"bytes"
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
	// flaw is what a broken host does, for the test that Conformance finds it.
	flaw flaw
}

// An exchange is one Run.
type exchange struct {
	flaw   flaw
	c      Case
	x      *filters.Exchange
	cancel context.CancelCauseFunc // the agent's leaving
	outer  *filters.Flow
	parser sse.Parser

	out      Outcome
	status   int    // of the head that the agent gets
	started  bool   // bytes have gone to the agent
	detached bool   // the terminal event has: the agent may go
	document []byte // a JSON body on its way: it leaves when the exchange has ended well
	complete bool   // the call's answer came to its own end
}

var errAttempt = errors.New("filtertest: the answer asks for another attempt")

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
	e := &exchange{flaw: m.flaw, c: c, cancel: cancel, x: &filters.Exchange{
		ID: "memory", Start: time.Now(), Route: wire.Route{Dialect: c.Dialect, Op: wire.Generate},
		Method: "POST", Target: c.Path, Fields: fields(c.Fields), View: view, Remote: "memory",
	}}
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
	attempts := max(e.c.Attempts, 2)
	if e.c.Attempts == 1 || e.flaw == neverRetries {
		attempts = 1
	}
	for n := range attempts {
		e.x.Attempt = filters.Attempt{Number: n, Upstream: "memory", Model: e.x.View.ModelName()}
		if e.flaw != keepsCallEdits {
			e.x.CallEdits.Reset()
		}
		again, err = e.attempt(ctx, chain, n+1 < attempts)
		if err != errAttempt {
			break
		}
	}
	return again, err
}

// attempt opens the inner ring, asks the upstream, and relays the answer if it is final: errAttempt says that it is not.
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
	if err != errAttempt || e.flaw != forgetsAttempt {
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
		return errAttempt
	}
	h := &filters.ResponseHead{Status: a.Status, Stream: a.Stream, Fields: fields(a.Fields)}
	if err := inner.Head(h); err != nil {
		return err
	}
	if err := e.outer.Head(h); err != nil {
		return err
	}
	if !e.started {
		e.status = a.Status
	}
	e.complete = !a.Stream
	if err := e.body(ctx, a, inner); err != nil {
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

func fields(lines [][2]string) (f filters.Fields) {
	for _, line := range lines {
		f = append(f, filters.Field{Name: []byte(line[0]), Value: []byte(line[1])})
	}
	return f
}

// body relays a body: as it comes when no filter wants it, one event or one document at a time else.
func (e *exchange) body(ctx context.Context, a Answer, inner *filters.Flow) error {
	e.parser.Reset()
	looks := inner.Wants() || e.outer.Wants()
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
		case looks:
			document = append(document, piece...)
		default:
			err = e.write(piece)
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
	switch last, ok := e.parser.Finish(); {
	case ok && looks && e.flaw != leaksRest:
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
	if err := e.parser.Err(); err != nil || looks {
		return err
	}
	return e.write(piece)
}
