package telemetry

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of the buffered log. A line waits at most logDelay; nobody's request waits for the reader of stderr.
const (
	logDelay = 100 * time.Millisecond
	logBatch = 16 << 10  // written at once when so much is waiting
	logLimit = 256 << 10 // beyond it lines are dropped and counted
)

// NewLogger returns a logger whose lines are collected and written to w by another goroutine, and the function that writes
// what is left; after it, lines are written at once. format is "json", else text. The lines of exchanges are encoded without
// slog's own machinery when the logger given to New is this one, with the same result.
func NewLogger(w io.Writer, format string, level slog.Leveler) (*slog.Logger, func() error) {
	s := &sink{w: w}
	s.timer = time.AfterFunc(time.Hour, func() { _ = s.flush() })
	s.timer.Stop()
	h := &lineHandler{sink: s, json: format == "json", plain: true}
	o := &slog.HandlerOptions{Level: level}
	if h.json {
		h.Handler = slog.NewJSONHandler(s, o)
	} else {
		h.Handler = slog.NewTextHandler(s, o)
	}
	return slog.New(h), s.close
}

// A lineHandler is slog's own handler over a sink, recognised by New.
type lineHandler struct {
	slog.Handler
	sink  *sink
	json  bool
	plain bool // no attributes or group of a WithAttrs or WithGroup in front
	stamp atomic.Pointer[stamp]
}

func (h *lineHandler) WithAttrs(a []slog.Attr) slog.Handler {
	return &lineHandler{Handler: h.Handler.WithAttrs(a), sink: h.sink, json: h.json, plain: h.plain && len(a) == 0}
}

func (h *lineHandler) WithGroup(name string) slog.Handler {
	return &lineHandler{Handler: h.Handler.WithGroup(name), sink: h.sink, json: h.json, plain: h.plain && name == ""}
}

func (h *lineHandler) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelError {
		h.sink.hurry()
	}
	return err
}

// A sink collects lines. Its timer runs only while something waits.
type sink struct {
	w       io.Writer
	timer   *time.Timer
	dropped atomic.Uint64

	mu     sync.Mutex // guards the buffers; never held during a write
	buf    []byte
	spare  []byte
	armed  bool // the timer runs
	urgent bool // it was told to run now
	closed bool

	writing sync.Mutex // one writer at a time, so that lines keep their order
}

// Write takes one line. It never fails and never waits for w, except after close.
func (s *sink) Write(line []byte) (int, error) {
	s.mu.Lock()
	switch {
	case s.closed:
		s.mu.Unlock()
		s.writing.Lock()
		defer s.writing.Unlock()
		return s.w.Write(line)
	case len(s.buf)+len(line) > logLimit:
		s.mu.Unlock()
		s.dropped.Add(1)
		return len(line), nil
	}
	if s.buf == nil {
		s.buf = make([]byte, 0, logBatch+logBatch/2)
	}
	s.buf = append(s.buf, line...)
	if !s.armed {
		s.armed = true
		s.timer.Reset(logDelay)
	}
	if len(s.buf) >= logBatch && !s.urgent {
		s.urgent = true
		s.timer.Reset(0)
	}
	s.mu.Unlock()
	return len(line), nil
}

// hurry has what waits written now, by the timer's goroutine.
func (s *sink) hurry() {
	s.mu.Lock()
	if s.armed && !s.urgent {
		s.urgent = true
		s.timer.Reset(0)
	}
	s.mu.Unlock()
}

func (s *sink) flush() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	out, burst := s.buf, s.urgent
	s.buf, s.spare = s.spare, nil
	s.armed, s.urgent = false, false
	s.timer.Stop()
	s.mu.Unlock()
	var err error
	if len(out) > 0 {
		_, err = s.w.Write(out)
	}
	if burst || cap(out) <= 2*logBatch { // what has grown in a burst is kept as long as that lasts
		s.mu.Lock()
		s.spare = out[:0]
		s.mu.Unlock()
	}
	return err
}

func (s *sink) close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	return s.flush()
}
