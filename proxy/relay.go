package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/head"
	"github.com/trapgate/trapgate/internal/sse"
	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/proxy/server"
	"github.com/trapgate/trapgate/proxy/upstream"
)

// maxUnary is how much of a JSON answer is kept to read its usage, in bytes. Longer ones pass all the same.
const maxUnary = 8 << 20

// drainTime is how long the rest of an answer may take once its terminal event has left and the agent has hung up.
const drainTime = time.Second

// A relay is one answer on its way to the agent.
type relay struct {
	e        *exchange
	resp     *upstream.Response
	up       *upstream.Upstream
	t        *telemetry.Attempt
	inner    *filters.Flow
	head     filters.ResponseHead
	filtered bool // a filter may change the answer
	observed bool // a filter wants to see it
	made     bool // its document was put together from a stream
	detached bool
	next     func(v verdict, more bool) verdict // what follows when nothing of the answer has gone out; nil: it has
	hurry    *upstream.Hurrier                  // attached once the terminal event has come
}

func (e *exchange) answer(up *upstream.Upstream, resp *upstream.Response, inner *filters.Flow, t *telemetry.Attempt) *relay {
	r := &e.relay
	*r = relay{
		e: e, up: up, resp: resp, t: t, inner: inner, filtered: inner.Edits() || e.outer.Edits(), observed: inner.Wants() || e.outer.Wants(),
		head: filters.ResponseHead{Status: resp.Status, Stream: isStream(resp), Fields: resp.Fields},
	}
	return r
}

// relay passes an answer on: raw bytes when no filter wants them, through the rings else.
func (r *relay) relay() error {
	e := r.e
	e.silent = !r.filtered
	err := r.inner.Head(&r.head)
	if errors.Is(err, filters.ErrPlain) && !e.x.Attempt.Plain {
		r.next = r.plainly
		return err
	}
	if e.assembly != nil && err == nil {
		if err = r.assemble(); r.next != nil {
			return err
		}
	}
	if err == nil {
		err = e.outer.Head(&r.head)
	}
	if err == nil {
		e.enter(telemetry.StateStreaming)
		switch {
		case r.made:
			err = e.outer.Emit(filters.Event{Raw: e.unary, Data: e.unary, Body: true})
		case e.committed && !r.head.Stream:
			err = r.late()
		case r.filtered && r.head.Stream:
			err = r.events()
		case r.filtered:
			err = r.document()
		default:
			err = r.bytes()
		}
		e.shown = e.meter.Answer()
		if e.status == 0 {
			e.status = r.head.Status
		}
		e.record()
	}
	if err == nil && !r.made {
		_, err = r.inner.End()
	}
	if err != nil {
		return r.cut(err)
	}
	return nil
}

// end asks the outer ring whether the answer is all, and sends its last bytes if it is.
func (r *relay) end() (again bool, err error) {
	if again, err = r.e.outer.End(); again || err != nil {
		return again, err
	}
	return false, r.finish()
}

// all is relay and end for an answer that no filter sees.
func (r *relay) all() error {
	err := r.relay()
	if err == nil {
		_, err = r.end()
	}
	return err
}

// bytes passes the answer on as it comes; it is read on the side, for usage, the terminal event, and filters that look.
func (r *relay) bytes() error {
	framing := r.startHead(r.framing())
	for {
		if !r.resp.More() { // never wait with bytes in hand
			if err := r.flush(); err != nil {
				return err
			}
			if r.head.Stream && r.e.agent.Started() {
				r.e.runLater()
			}
		}
		piece, err := r.resp.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if r.e.terminal && framing != server.Sized {
				break // all that matters has left
			}
			r.flush()
			return err
		}
		if err := r.piece(piece, framing); err != nil {
			return err
		}
	}
	r.over()
	if r.observed && !r.head.Stream && len(r.e.unary) < maxUnary {
		r.e.runLater()
		return r.inner.Emit(filters.Event{Raw: r.e.unary, Data: r.e.unary, Body: true})
	}
	return nil
}

// piece passes one piece on and reads it: mostly in the other order.
func (r *relay) piece(piece []byte, framing server.Framing) error {
	switch {
	case !r.head.Stream:
		r.e.keep(piece)
	case framing == server.Sized || !r.hasty(piece):
		if err := r.observe(piece); err != nil {
			return err
		}
	default:
		if err := r.write(piece); err != nil {
			return err
		}
		if !r.resp.More() {
			if err := r.flush(); err != nil {
				return err
			}
		}
		return r.observe(piece)
	}
	if framing == server.Sized && r.resp.Complete() {
		r.release()
	}
	return r.write(piece)
}

// hasty reports whether a piece of a stream may leave before it has been read: nobody has to know first what the agent can then
// act on, and it is whole events of which none ends the stream.
func (r *relay) hasty(piece []byte) bool {
	return !r.observed && r.e.x.Route.Dialect == wire.Chat && bytes.HasSuffix(piece, eventEnd) &&
		len(r.e.parser.Rest()) == 0 && !bytes.Contains(piece, done)
}

var (
	eventEnd = []byte("\n\n")
	done     = []byte("[DONE]")
)

// observe reads events as they pass.
func (r *relay) observe(piece []byte) error {
	p := &r.e.parser
	p.Feed(piece)
	for ev, ok := p.Next(); ok; ev, ok = p.Next() {
		r.meter(ev)
		if r.observed {
			r.e.runLater()
			if err := r.inner.Emit(filters.Event{Raw: ev.Raw, Name: ev.Name, Data: ev.Data}); err != nil {
				return err
			}
		}
	}
	return nil
}

// meter reads one event. Before the terminal one leaves, the agent's hanging up becomes the clean end that it is.
func (r *relay) meter(ev sse.Event) {
	if ev.Comment {
		return
	}
	m := &r.e.meter
	terminal := m.Event(ev.Name, ev.Data)
	switch {
	case terminal:
		r.e.terminal = true
		r.detach()
	case m.FirstToken:
		r.t.FirstToken(r.e.clock())
	default:
		r.t.Chunk(r.e.clock())
	}
	if a := m.Answer(); !r.e.recorded && a.ID != "" {
		r.e.shown, r.e.status = a, r.head.Status
		r.e.record() // the agent may name it while it is still being made
	}
	if n := int64(m.Answer().Events); n&15 == 0 {
		r.t.Tokens(n)
	}
}

// detach lets the agent go without killing the upstream's connection, which then has a moment to end by itself.
func (r *relay) detach() {
	if r.detached {
		return
	}
	r.release()
	r.hurry = r.resp.Hurrier(drainTime)
	if !r.e.agent.Attach(r.hurry) {
		r.resp.HurryUp(drainTime)
	}
}

// release ends the agent's hold on the connection. One that was being killed is not used again.
func (r *relay) release() {
	if r.hurry != nil {
		r.e.agent.Detach()
		r.hurry.Release()
		r.hurry = nil
	} else if !r.detached && !r.e.agent.Detach() {
		r.resp.Spoil()
	}
	r.detached = true
}

// events passes a stream through the rings, one event at a time.
func (r *relay) events() error {
	r.e.runLater()
	if r.e.x.Call == 0 || !r.e.begun() {
		r.startHead(server.Chunked)
	}
	p := &r.e.parser
	for {
		if !r.resp.More() {
			if err := r.flush(); err != nil {
				return err
			}
		}
		piece, err := r.resp.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if r.e.terminal {
				break
			}
			r.flush()
			return err
		}
		p.Feed(piece)
		for ev, ok := p.Next(); ok; ev, ok = p.Next() {
			r.meter(ev)
			if err := r.inner.Emit(filters.Event{Raw: ev.Raw, Name: ev.Name, Data: ev.Data}); err != nil {
				if r.detached && r.e.agent.Gone() {
					continue
				}
				return err
			}
		}
		if err := p.Err(); err != nil {
			return err
		}
	}
	r.over()
	if last, ok := p.Finish(); ok { // the agent sees exactly what the upstream sent
		return r.inner.Emit(filters.Event{Raw: last.Raw, Name: last.Name, Data: last.Data})
	}
	return nil
}

// flush sends what has been gathered. Once the terminal event has been, it no longer matters whether the agent takes it.
func (r *relay) flush() error {
	if err := r.e.agent.Flush(); err != nil && !r.detached {
		return err
	}
	return nil
}

func (r *relay) write(p []byte) error {
	r.e.answering = true
	if err := r.e.agent.Write(p); err != nil && !r.detached {
		return err
	}
	return nil
}

// document passes a whole JSON body through the rings. Its head leaves with it, since its length is known only then.
func (r *relay) document() error {
	r.e.runLater()
	if r.e.begun() {
		return &filters.Reply{Status: 502, Code: "upstream_error", Message: fmt.Sprintf("upstream %s answered %d to a later call of this exchange", r.e.x.Attempt.Upstream, r.head.Status)}
	}
	if err := r.gather(); err != nil {
		return err
	}
	r.over()
	body := r.e.unary
	return r.inner.Emit(filters.Event{Raw: body, Data: body, Body: true})
}

// over is the clean end of the upstream's answer.
func (r *relay) over() {
	e := r.e
	switch {
	case r.head.Stream:
		if !e.terminal && r.head.Status < 300 {
			e.outcome = telemetry.OutcomeTruncated
		}
	default:
		if r.head.Status < 300 {
			r.t.FirstToken(e.head)
		}
		if len(e.unary) < maxUnary && !r.resp.Bodiless {
			e.meter.Body(e.unary)
		}
	}
	if r.head.Status >= 400 {
		e.outcome = telemetry.OutcomeError
	}
	r.release()
}

// finish sends the last bytes. Whether the agent still takes them does not matter: the answer is complete.
func (r *relay) finish() error {
	if r.e.told {
		return nil // by an error event
	}
	a := r.e.agent
	if r.filtered && !r.head.Stream {
		r.documentHead()
		a.Write(r.e.document)
	}
	a.Finish(r.resp.Trailers)
	return nil
}

// cut ends an answer that broke off: the agent sees a cut, never an end.
func (r *relay) cut(err error) error {
	r.resp.Spoil()
	r.release()
	e := r.e
	switch {
	case errors.Is(err, server.ErrGone), e.agent.Gone():
		return e.gone(err)
	case errors.As(err, new(*upstream.Error)):
		return errors.Join(filters.ErrTruncated, err)
	}
	return err
}

// keep gathers a JSON answer for the meter.
func (e *exchange) keep(piece []byte) {
	if len(e.unary) < maxUnary {
		e.unary = append(e.unary, piece...)
	}
}

func isStream(resp *upstream.Response) bool {
	if resp.Status >= 300 {
		return false
	}
	ct := resp.Fields.Get("content-type")
	return len(ct) >= 17 && head.Is(ct[:17], "text/event-stream")
}

// agentSink is where events leave the outer ring: the agent's socket, or the body that is being gathered.
type agentSink exchange

// Emit implements filters.Sink.
func (s *agentSink) Emit(ev filters.Event) error {
	if s.silent {
		return nil // the bytes go by themselves
	}
	if ev.Body {
		s.document = append(s.document, ev.Raw...)
		return nil
	}
	s.answering = true
	return s.agent.Write(ev.Raw)
}
