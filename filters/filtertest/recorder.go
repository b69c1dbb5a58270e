package filtertest

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/trapgate/trapgate/filters"
)

// A Recorder passes everything on and writes what happens to a Log. The other filters of this package are Recorders with
// a habit.
type Recorder struct {
	Label string
	Log   *Log
	// Blind makes Open return no stream. It is recorded as opened, and there is nothing to close.
	Blind bool
	// HeadOnly makes the stream want no events.
	HeadOnly bool
}

// Name returns the label.
func (r Recorder) Name() string { return r.Label }

// Open returns a stream that records, or none when Blind.
func (r Recorder) Open(_ context.Context, x *filters.Exchange) (filters.Stream, error) {
	if r.Blind {
		r.refuse(x)
		return nil, nil
	}
	return r.start(x, habit{}), nil
}

// refuse records an Open that gives no stream.
func (r Recorder) refuse(x *filters.Exchange) {
	r.Log.opened(nil, Record{Filter: r.Label, Op: filters.OpOpen, Call: x.Call, Attempt: x.Attempt.Number, Failed: true})
}

// start makes and records a stream.
func (r Recorder) start(x *filters.Exchange, h habit) filters.Stream {
	s := &stream{name: r.Label, log: r.Log, x: x, habit: h, headOnly: r.HeadOnly}
	r.Log.opened(s, Record{Filter: r.Label, Op: filters.OpOpen, Call: x.Call, Attempt: x.Attempt.Number})
	return s
}

// A habit is what a stream does other than pass things on. Absent functions mean just that.
type habit struct {
	head  func(h *filters.ResponseHead) error
	event func(e filters.Event, out *filters.Emitter) error
	end   func(out *filters.Emitter) error
	close func(cause error)
}

// A stream records what it is asked, watches the order in which it is asked, and follows its habit.
type stream struct {
	habit
	name     string
	open     int
	log      *Log
	x        *filters.Exchange
	headOnly bool

	busy atomic.Bool
	last filters.Op // the last thing it was shown; OpOpen at first
	dead bool
}

var _ filters.HeadOnly = (*stream)(nil)

func (s *stream) String() string { return fmt.Sprintf("stream %d of %s", s.open, s.name) }

// HeadOnly is as the Recorder says.
func (s *stream) HeadOnly() bool { return s.headOnly }

// enter watches the order of calls: Head, Event..., End, and again from Head, nothing after Close.
func (s *stream) enter(op filters.Op) (leave func()) {
	if !s.busy.CompareAndSwap(false, true) {
		s.log.fault("%s: %s while another call was under way", s, op)
	}
	switch {
	case s.dead && op != filters.OpClose:
		s.log.fault("%s: %s after close", s, op)
	case s.headOnly && (op == filters.OpEvent || op == filters.OpEnd):
		s.log.fault("%s: %s though it wants the head only", s, op)
	case op == filters.OpHead && s.last != filters.OpOpen && s.last != filters.OpEnd && !s.headOnly:
		s.log.fault("%s: a head after %s, without an end", s, s.last)
	case op == filters.OpEvent && s.last != filters.OpHead && s.last != filters.OpEvent:
		s.log.fault("%s: an event after %s", s, s.last)
	case op == filters.OpEnd && s.last != filters.OpHead && s.last != filters.OpEvent:
		s.log.fault("%s: an end after %s", s, s.last)
	}
	s.last = op
	return func() { s.busy.Store(false) }
}

func (s *stream) record(r Record) Record {
	r.Filter, r.Open, r.Call, r.Attempt = s.name, s.open, s.x.Call, s.x.Attempt.Number
	return r
}

// Head records and passes on.
func (s *stream) Head(h *filters.ResponseHead) error {
	defer s.enter(filters.OpHead)()
	s.log.add(s.record(Record{Op: filters.OpHead, Status: h.Status}))
	if s.head != nil {
		return s.head(h)
	}
	return nil
}

// Event records and passes on.
func (s *stream) Event(e filters.Event, out *filters.Emitter) error {
	defer s.enter(filters.OpEvent)()
	s.log.add(s.record(Record{Op: filters.OpEvent, Raw: string(e.Raw)}))
	if s.event != nil {
		return s.event(e, out)
	}
	return out.Emit(e)
}

// End records and passes on.
func (s *stream) End(out *filters.Emitter) error {
	defer s.enter(filters.OpEnd)()
	s.log.add(s.record(Record{Op: filters.OpEnd}))
	if s.end != nil {
		return s.end(out)
	}
	return nil
}

// Close records.
func (s *stream) Close(cause error) {
	defer s.enter(filters.OpClose)()
	s.dead = true
	s.log.closed(s, s.record(Record{Op: filters.OpClose, Cause: cause}))
	if s.close != nil {
		s.close(cause)
	}
}
