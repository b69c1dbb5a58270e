package filtertest

import (
	"errors"

	"github.com/trapgate/trapgate/filters"
)

// agent is where events leave the outer ring.
type agent exchange

// Emit implements filters.Sink.
func (a *agent) Emit(ev filters.Event) error {
	e := (*exchange)(a)
	if ev.Body && e.started {
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
	switch {
	case e.flaw == endsCuts:
		e.finish()
	case e.started:
		e.out.Status, e.out.Cut = e.status, true
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
