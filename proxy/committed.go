package main

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/head"
	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/proxy/server"
)

// begun reports whether bytes of an answer have gone to the agent. Comments of ours are none: attempts go on behind them.
func (e *exchange) begun() bool {
	return e.agent.Started() && (!e.committed || e.answering)
}

// keepAlive is Exchange.KeepAlive: a comment for an agent that waits for a stream. The first one takes the head of an answer
// with it, so that a failure can only be told as an event from then on.
func (e *exchange) keepAlive() error {
	if e.begun() {
		return nil // the answer keeps it awake
	}
	if !e.committed {
		e.committed, e.status = true, http.StatusOK
		fields := head.Fields{field("Content-Type", "text/event-stream"), field("Cache-Control", "no-cache")}
		if !e.agent.HTTP10 {
			fields = append(fields, head.Field{Name: transferEncoding, Value: chunked})
		}
		before := e.x.Waited
		e.x.Waited += e.clock().Sub(e.queued) // so far; the filter adds it up when it is over
		e.agent.Head(http.StatusOK, []byte("OK"), e.ours(fields), server.Chunked)
		e.x.Waited = before
	}
	e.commented = e.clock()
	if err := e.agent.Write(waitingComment); err != nil {
		return e.gone(err)
	}
	if err := e.agent.Flush(); err != nil {
		return e.gone(err)
	}
	return nil
}

// stillHere sends a comment behind others when an attempt or a back-off begins, unless the last one is fresh: the next byte may
// take as long again. Whether the agent is there is seen by all that follows.
func (e *exchange) stillHere() {
	if e.committed && !e.begun() && e.clock().Sub(e.commented) > time.Second {
		e.keepAlive()
	}
}

var waitingComment = []byte(": waiting for a place\n\n")

// errorEvent ends a committed answer with the dialect's error event, and nothing behind it that could pass for an end.
func (e *exchange) errorEvent(problem *wire.Error) {
	e.answering, e.told = true, true
	e.agent.Write(wire.AppendErrorEvent(nil, e.x.Route.Dialect, problem))
	e.agent.Finish(nil)
}

// tellError is errorEvent for an upstream's own error, which the meter has read.
func (e *exchange) tellError(status int) error {
	a := e.meter.Answer()
	e.shown, e.outcome = a, telemetry.OutcomeError
	problem := &wire.Error{Status: status, Type: a.ErrorType, Code: a.ErrorCode, Message: a.ErrorMessage}
	if problem.Message == "" {
		problem.Message = "the upstream answered " + http.StatusText(status)
	}
	e.errorEvent(problem)
	return nil
}

// late relays what is no stream to an agent that has been promised one: the upstream's error, as an event.
func (r *relay) late() error {
	e := r.e
	if err := r.gather(); err != nil {
		return err
	}
	r.over()
	if r.head.Status < 300 {
		return &filters.Reply{Status: 502, Code: "upstream_malformed", Message: "upstream " + e.x.Attempt.Upstream + " did not stream although it was asked to"}
	}
	e.status = r.head.Status
	return e.tellError(r.head.Status)
}

// gather reads a whole body.
func (r *relay) gather() error {
	e := r.e
	e.unary = e.unary[:0]
	for {
		piece, err := r.resp.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		e.unary = append(e.unary, piece...)
	}
}

// plainly gives an answer up for another attempt without what a filter had added to the request.
func (r *relay) plainly(v verdict, _ bool) verdict {
	r.drain()
	return verdict{plain: true, status: v.status, failure: filters.ErrPlain}
}

// drain reads the rest of an answer that nobody gets, if it is short, so that the connection can be kept.
func (r *relay) drain() {
	r.resp.HurryUp(time.Second)
	for n := 0; n < 64<<10; {
		piece, err := r.resp.Next()
		if err != nil {
			break
		}
		n += len(piece)
	}
	r.release()
}

// jsonFields are an assembled answer's header lines: the upstream's own, for a JSON document. Their bytes are the upstream's.
func jsonFields(fields head.Fields) head.Fields {
	out := make(head.Fields, 0, len(fields))
	for _, f := range fields {
		switch {
		case head.Is(f.Name, "content-type"):
			f.Value = applicationJSON
		case head.Is(f.Name, "transfer-encoding"), head.Is(f.Name, "content-length"),
			head.Is(f.Name, "cache-control"), head.Is(f.Name, "x-accel-buffering"): // of a stream
			continue
		}
		out = append(out, f)
	}
	return out
}

var applicationJSON = []byte("application/json")
