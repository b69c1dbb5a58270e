package server

import (
	"strconv"

	"github.com/trapgate/trapgate/internal/head"
)

// Framing says how the body of an answer is delimited.
type Framing int8

const (
	Chunked  Framing = iota // pieces of any length; until close for HTTP/1.0
	Sized                   // the fields carry content-length
	Bodiless                // HEAD, 204, 304
)

// answer is the writing half of an Agent.
type answer struct {
	framing  Framing
	started  bool // a head has been gathered
	complete bool
	close    bool
	headOnly bool
	http10   bool
}

// smallWrite is the size in bytes up to which a piece is copied to leave together with what stands before it.
const smallWrite = 16 << 10

// Head gathers the status line and the header lines of the answer; nothing leaves before Flush, a large Write or Finish.
// reason is the upstream's own phrase. The framing lines are the caller's part of fields, except that a connection that will
// be closed says so here.
func (a *Agent) Head(status int, reason []byte, fields head.Fields, f Framing) {
	w := &a.answer
	if w.complete {
		return
	}
	out := append(a.conn.out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(status), 10)
	out = append(out, ' ')
	out = append(out, reason...)
	out = append(out, "\r\n"...)
	for _, field := range fields {
		if w.http10 && f == Chunked && head.Is(field.Name, "transfer-encoding") {
			continue
		}
		out = append(out, field.Name...)
		out = append(out, ": "...)
		out = append(out, field.Value...)
		out = append(out, "\r\n"...)
	}
	if a.server.draining.Load() {
		w.close = true
	}
	if w.close {
		out = append(out, "Connection: close\r\n"...)
	}
	a.conn.out = append(out, "\r\n"...)
	w.started, w.framing = true, f
	if w.headOnly {
		w.framing = Bodiless
	}
}

// Started reports whether an answer was begun.
func (a *Agent) Started() bool { return a.answer.started }

// Write adds a piece of the body: one chunk in a chunked answer. Small pieces wait for Flush; p is not kept.
func (a *Agent) Write(p []byte) error {
	w := &a.answer
	if len(p) == 0 || w.framing == Bodiless || w.complete {
		return nil
	}
	chunked := w.framing == Chunked && !w.http10
	if chunked {
		a.conn.out = append(strconv.AppendUint(a.conn.out, uint64(len(p)), 16), "\r\n"...)
	}
	if len(p) <= smallWrite {
		a.conn.out = append(a.conn.out, p...)
	} else {
		if err := a.conn.send(p); err != nil {
			return err
		}
	}
	if chunked {
		a.conn.out = append(a.conn.out, "\r\n"...)
	}
	if len(a.conn.out) > 2*smallWrite {
		return a.Flush()
	}
	return nil
}

// Flush sends what has been gathered.
func (a *Agent) Flush() error {
	if len(a.conn.out) == 0 {
		return nil
	}
	return a.conn.send(nil)
}

// Finish ends the answer as its framing demands and sends it. trailers are header lines behind a chunked body.
func (a *Agent) Finish(trailers head.Fields) error {
	w := &a.answer
	if w.complete { // what follows on the connection is another answer's
		return nil
	}
	if w.framing == Chunked && !w.http10 {
		out := append(a.conn.out, "0\r\n"...)
		for _, t := range trailers {
			out = append(append(append(append(out, t.Name...), ": "...), t.Value...), "\r\n"...)
		}
		a.conn.out = append(out, "\r\n"...)
	}
	w.complete = true
	return a.Flush()
}

// Abort cuts the connection behind what has been sent: the agent sees a truncation, not an end.
func (a *Agent) Abort() {
	a.answer.complete = false
	a.answer.close = true
}

// flush sends what a handler left gathered, so that a cut answer still shows the bytes before the cut.
func (w *answer) flush(c *agentConn) {
	if len(c.out) > 0 {
		c.send(nil)
	}
	c.out = c.out[:0]
	if cap(c.out) > 64<<10 {
		c.out = nil
	}
}
