package main

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/assemble"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/proxy/upstream"
)

// Unary calls as streams. An engine learns at once that a streaming reader has left, and of a unary one a second later or
// never. So an upstream marked `unary: stream` is asked for events, and the assembler stands between the rings: the inner one
// sees events, the outer one and the agent see the JSON body that the engine itself would have sent.

// sendAsStream turns the attempt's request into one for a stream, when its answer can be put together again.
func (e *exchange) sendAsStream(up *upstream.Upstream) {
	e.assembly = nil
	if !up.Config.UnaryStream || e.x.Attempt.Plain || e.x.Route.Op != wire.Generate || e.stream() || up.RefusesStreams() {
		return
	}
	if !assemble.Eligible(e.x.View) {
		return
	}
	assemble.Stream(e.x.View, &e.x.CallEdits)
	e.assembly = &assemble.Assembler{Limit: maxAssembled}
	e.assembly.Reset(e.x.Route.Dialect)
}

// maxAssembled bounds an answer that is put together, in bytes.
const maxAssembled = 64 << 20

// assemble reads a stream and makes the document of it. What goes wrong leaves the agent untouched: r.next says what follows.
func (r *relay) assemble() error {
	e := r.e
	if !r.head.Stream {
		if r.head.Status == http.StatusBadRequest || r.head.Status == http.StatusUnprocessableEntity {
			r.next = r.unstreamed
			return filters.ErrPlain
		}
		return nil // an error, or an engine that does not stream: it goes out as it is
	}
	r.inner.SetSink((*assemblySink)(e))
	if err := r.feed(); err != nil {
		return r.unmade(err)
	}
	if _, err := r.inner.End(); err != nil {
		return err
	}
	e.headArrived() // the stream was the upstream's time, not ours
	body, err := e.assembly.Body(e.unary[:0])
	if err != nil {
		return r.unmade(err)
	}
	e.unary = body
	r.made, r.filtered, e.silent = true, true, false
	r.head = filters.ResponseHead{Status: r.head.Status, Fields: jsonFields(r.head.Fields), Added: r.head.Added}
	if r.head.Status < 300 {
		r.t.FirstToken(e.head)
	}
	return nil
}

// feed passes the events through the inner ring to the assembler.
func (r *relay) feed() error {
	p := &r.e.parser
	p.Reset() // an attempt before may have been cut inside an event
	for {
		piece, err := r.resp.Next()
		if errors.Is(err, io.EOF) || err != nil && r.e.terminal {
			break
		}
		if err != nil {
			return err
		}
		p.Feed(piece)
		for ev, ok := p.Next(); ok; ev, ok = p.Next() {
			r.meter(ev)
			if err := r.inner.Emit(filters.Event{Raw: ev.Raw, Name: ev.Name, Data: ev.Data}); err != nil {
				return err
			}
		}
		if err := p.Err(); err != nil {
			return err
		}
	}
	r.release()
	return nil
}

// assemblySink is where events leave the inner ring when an answer is put together.
type assemblySink exchange

// Emit implements filters.Sink.
func (s *assemblySink) Emit(ev filters.Event) error { return s.assembly.Event(ev.Name, ev.Data) }

// unmade decides what follows a stream that made no document.
func (r *relay) unmade(err error) error {
	e := r.e
	var told *assemble.UpstreamError
	var form *assemble.FormError
	switch {
	case e.agent.Gone():
		return err
	case errors.As(err, &told):
		r.next = func(_ verdict, more bool) verdict { return r.toldError(told, more) }
	case errors.As(err, &form), errors.Is(err, assemble.ErrTooLarge):
		slog.Warn("an upstream's stream makes no answer: unary calls are sent to it as they are", "upstream", e.x.Attempt.Upstream, "err", err)
		r.next = r.unstreamed
	case errors.Is(err, assemble.ErrIncomplete), errors.As(err, new(*upstream.Error)):
		r.next = func(v verdict, more bool) verdict {
			r.resp.Spoil()
			r.release()
			v = e.repeatOr(verdict{status: v.status, failure: err}, more, func() error {
				return &filters.Reply{Status: 502, Code: "upstream_closed", Message: "upstream " + e.x.Attempt.Upstream + " closed the connection in the middle of its answer: send the request again"}
			})
			if v.final && errors.Is(err, assemble.ErrIncomplete) { // it may never say that it has ended
				return r.unstreamed(v, more)
			}
			return v
		}
	}
	return err
}

// toldError is an error that the upstream reported inside its stream: it counts as the status that it stands for.
func (r *relay) toldError(told *assemble.UpstreamError, more bool) verdict {
	e := r.e
	r.resp.Spoil()
	r.release()
	e.held = &heldAnswer{status: told.Status, reason: []byte(http.StatusText(told.Status)), fields: jsonFields(r.head.Fields).Clone(), body: told.Body}
	v := verdict{status: told.Status, failure: told}
	if !e.retryableStatus(told.Status) {
		v.final, v.err = true, e.replay()
		return v
	}
	return e.repeatOr(v, more, e.replay)
}

// repeatOr makes another attempt while the budget allows one, else ends the call with what last says.
func (e *exchange) repeatOr(v verdict, more bool, last func() error) verdict {
	if more {
		return v
	}
	if after, ok := e.backoff(time.Duration(0)); ok {
		v.after = after
		return v
	}
	v.final, v.err = true, last()
	return v
}

// unstreamed sends the call once more as it came. An upstream that then answers is not asked for a stream again.
func (r *relay) unstreamed(v verdict, _ bool) verdict {
	r.resp.Spoil()
	r.release()
	r.e.doubted = r.up
	return verdict{plain: true, status: v.status, failure: filters.ErrPlain}
}
