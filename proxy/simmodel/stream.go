package simmodel

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// An eventWriter frames server-sent events and applies the faults of framing. The first error sticks.
type eventWriter struct {
	ctx    context.Context
	cancel context.CancelFunc
	w      http.ResponseWriter
	fl     *http.ResponseController
	clock  Clock
	f      faultSet
	d      dialect
	buf    []byte
	n      int // events written
	err    error
	raw    net.Conn // after a hijack: close-delimited
	headed bool
}

func newEventWriter(ctx context.Context, w http.ResponseWriter, c Clock, f faultSet, d dialect) *eventWriter {
	return &eventWriter{ctx: ctx, w: w, fl: http.NewResponseController(w), clock: c, f: f, d: d}
}

// head sends the response header; with close_delimited the body ends where the connection does.
func (e *eventWriter) head() {
	if e.headed {
		return
	}
	e.headed = true
	h := e.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	if e.f.has("bad_type") {
		h.Set("Content-Type", "text/plain")
	}
	h.Set("Cache-Control", "no-cache")
	if e.f.has("gzip_members") {
		h.Set("Content-Encoding", "gzip")
	}
	if e.f.has("close_delimited") {
		e.hijack(h)
		return
	}
	e.w.WriteHeader(http.StatusOK)
	if e.f.has("bom") {
		e.buf = append(e.buf, "\xef\xbb\xbf"...)
	}
}

func (e *eventWriter) hijack(h http.Header) {
	conn, _, err := http.NewResponseController(e.w).Hijack()
	if err != nil {
		e.err = err
		return
	}
	e.raw = conn
	// Nobody watches a hijacked connection for us.
	go func() {
		conn.Read(make([]byte, 1))
		e.cancel()
	}()
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\n")
	h.Set("Connection", "close")
	h.Write(&b)
	b.WriteString("\r\n")
	e.buf = append(b.Bytes(), e.buf...)
}

// event appends one event; name is empty in chat.
func (e *eventWriter) event(name string, data []byte) {
	if e.err != nil {
		return
	}
	if e.err = e.before(); e.err != nil {
		return
	}
	e.n++
	nl, sp := "\n", " "
	switch {
	case e.f.has("crlf"):
		nl = "\r\n"
	case e.f.has("cr"):
		nl = "\r"
	}
	if e.f.has("nospace") {
		sp = ""
	}
	if f, ok := e.f["malformed"]; ok && e.n == max(2, f.n) {
		data = data[:len(data)/2]
	}
	if e.f.has("comments") {
		e.buf = append(e.buf, ": ping"+nl+nl...)
	}
	if f, ok := e.f["huge_comment"]; ok && e.n == 1 {
		e.buf = append(append(append(e.buf, ": "...), strings.Repeat("x", f.n)...), nl...)
	}
	if e.f.has("unknown_event") && e.n == 2 {
		e.buf = fmt.Appendf(e.buf, "event: sim.unknown%sdata: {\"type\":\"sim.unknown\"}%s%s", nl, nl, nl)
	}
	if name != "" {
		e.buf = append(append(append(e.buf, "event:"+sp...), name...), nl...)
	}
	if i := bytes.IndexByte(data, ','); i > 0 && e.f.has("multi_data") {
		e.buf = append(append(append(e.buf, "data:"+sp...), data[:i+1]...), nl...)
		data = data[i+1:]
	}
	e.buf = append(append(append(e.buf, "data:"+sp...), data...), nl...)
	e.buf = append(e.buf, nl...)
}

// before applies the faults that strike after n events.
func (e *eventWriter) before() error {
	if len(e.f) == 0 {
		return nil
	}
	at := func(kind string) bool { f, ok := e.f[kind]; return ok && e.n == f.n }
	switch {
	case at("hang"):
		e.flush()
		<-e.ctx.Done()
		return e.ctx.Err()
	case at("cut"):
		e.flush()
		return errCut
	case at("reset"):
		e.flush()
		return errReset
	case at("end"):
		return errEnd
	case at("error_event"):
		return e.errorEvent()
	}
	if f, ok := e.f["stall"]; ok && e.n == 2 {
		e.flush()
		return e.clock.Wait(e.ctx, e.clock.Now().Add(f.d))
	}
	return nil
}

// errorEvent ends the stream with the dialect's own error event.
func (e *eventWriter) errorEvent() error {
	delete(e.f, "error_event")
	const msg = "The server had an error while processing your request. Sorry about that!"
	switch e.d {
	case messages:
		e.event("error", (&apiError{status: 529, msg: "Overloaded"}).body(messages, ""))
	case responses:
		e.event("error", fmt.Appendf(nil, `{"type":"error","code":"server_error","message":%s,"param":null,"sequence_number":%d}`, quote(msg), e.n))
	default:
		e.event("", (&apiError{status: 500, typ: "server_error", msg: msg}).body(chat, ""))
	}
	return errEnd
}

// flush puts everything on the wire now, unless the fault one_write holds it back to the end.
func (e *eventWriter) flush() error {
	if e.f.has("one_write") && e.err == nil && len(e.buf) < 1<<20 {
		return nil
	}
	return e.send()
}

func (e *eventWriter) send() error {
	if len(e.buf) == 0 {
		return e.err
	}
	out := e.buf
	e.buf = e.buf[:0]
	if e.f.has("gzip_members") {
		var z bytes.Buffer
		g := gzip.NewWriter(&z)
		g.Write(out)
		g.Close()
		out = z.Bytes()
	}
	step := len(out)
	if f, ok := e.f["pieces"]; ok && f.n > 0 {
		step = f.n
	}
	for len(out) > 0 {
		n := min(step, len(out))
		if err := e.put(out[:n]); err != nil {
			if e.err == nil {
				e.err = err
			}
			return err
		}
		out = out[n:]
	}
	return e.err
}

func (e *eventWriter) put(b []byte) error {
	if e.raw != nil {
		_, err := e.raw.Write(b)
		return err
	}
	if _, err := e.w.Write(b); err != nil {
		return err
	}
	return e.fl.Flush()
}

// early sends the header before there is a token.
func (e *eventWriter) early() {
	e.head()
	if e.raw != nil || len(e.buf) > 0 {
		e.send()
		return
	}
	e.fl.Flush()
}

// close ends a connection that is ours alone.
func (e *eventWriter) close() {
	if e.raw != nil {
		e.raw.Close()
	}
}

// finish sends what is left.
func (e *eventWriter) finish() error { return e.send() }
