package filtertest

import (
	"errors"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
)

// agent is where events leave the outer ring.
type agent exchange

// Emit implements filters.Sink.
func (a *agent) Emit(ev filters.Event) error {
	e := (*exchange)(a)
	if e.silent {
		e.detached = e.detached || !ev.Body && terminal(e.c.Dialect, ev.Name, ev.Data)
		return nil
	}
	if ev.Body && (e.started || e.comments) {
		return errStarted
	}
	if ev.Body || !e.c.Stream {
		e.document = append(e.document, ev.Raw...)
		return nil
	}
	if terminal(e.c.Dialect, ev.Name, ev.Data) {
		e.detached = true // what reached the agent, not what came: that of a hidden turn must not count
	}
	return e.write(ev.Raw)
}

var errStarted = errors.New("filtertest: a JSON answer came to a stream that has begun")

// write sends bytes to the agent. Once it has the terminal event its leaving is no error any more.
func (e *exchange) write(b []byte) error {
	e.started = true
	e.out.Body = append(e.out.Body, b...)
	if after := e.c.Leave.After; after > 0 && len(e.out.Body) >= after && !e.detached {
		e.cancel(filters.ErrAgentGone)
	}
	return nil
}

// finish ends an answer well.
func (e *exchange) finish() {
	e.out.Status = e.status
	e.out.Body = append(e.out.Body, e.document...)
}

// fail ends an exchange that went wrong: with an error of ours when nothing has left yet, with a cut else.
func (e *exchange) fail(err error) {
	reply := filters.AsReply(err)
	if reply != nil && e.m.Replied != nil {
		e.m.Replied(reply)
	}
	switch {
	case e.flaw == endsCuts:
		e.finish()
	case e.started:
		e.out.Status, e.out.Cut = e.status, true
	case e.comments:
		e.tell(err)
	case reply != nil:
		e.out.Status, e.out.Code, e.out.Body = reply.Status, reply.Code, []byte(reply.Message)
	case errors.Is(err, filters.ErrAgentGone):
		e.out.Cut = true
	case errors.Is(err, filters.ErrTruncated):
		e.out.Status, e.out.Code = 502, "upstream_closed"
	default:
		e.out.Status, e.out.Code = 500, "internal_error"
	}
}

// keepAlive is Exchange.KeepAlive: the head of an answer goes out with the first comment.
func (e *exchange) keepAlive() error {
	if e.started {
		return nil
	}
	e.comments, e.status = true, 200
	e.out.Body = append(e.out.Body, ": still waiting\n\n"...)
	return nil
}

// late tells an agent that was promised a stream of an answer that is none.
func (e *exchange) late(a Answer) error {
	e.meter.Body(a.Body)
	if a.Status < 300 {
		return &filters.Reply{Status: 502, Code: "upstream_malformed", Message: "the upstream did not stream"}
	}
	told := e.meter.Answer()
	e.errorEvent(&wire.Error{Status: a.Status, Type: told.ErrorType, Code: told.ErrorCode, Message: told.ErrorMessage})
	return nil
}

// tell ends a stream of nothing but comments with an error.
func (e *exchange) tell(err error) {
	reply := filters.AsReply(err)
	switch {
	case errors.Is(err, filters.ErrAgentGone):
		e.out.Status, e.out.Cut = e.status, true
		return
	case reply == nil && errors.Is(err, filters.ErrTruncated):
		reply = &filters.Reply{Status: 502, Code: "upstream_closed", Message: "the upstream closed the connection"}
	case reply == nil:
		reply = &filters.Reply{Status: 500, Code: "internal_error", Message: "trapgate failed"}
	}
	e.out.Status = e.status
	e.errorEvent(&wire.Error{Status: reply.Status, Code: reply.Code, Message: reply.Message})
}

func (e *exchange) errorEvent(problem *wire.Error) {
	e.started = true
	if e.flaw != silentEnd {
		e.out.Body = wire.AppendErrorEvent(e.out.Body, e.c.Dialect, problem)
	}
}
