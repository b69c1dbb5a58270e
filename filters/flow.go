package filters

import (
	"errors"
	"time"
)

// An Op is a step in the life of a stream.
type Op uint8

const (
	OpOpen Op = iota
	OpHead
	OpEvent
	OpEnd
	OpClose
)

var opNames = [...]string{"open", "head", "event", "end", "close"}

// String returns the word used in errors and logs.
func (o Op) String() string { return opNames[o] }

// A Sink takes events on their way to the agent. The sink of the inner ring is the outer ring's Flow; the sink of the
// outer ring is the host's writer. The event's bytes are valid until Emit returns; an error ends the exchange.
type Sink interface{ Emit(e Event) error }

// A Flow is a ring opened for one exchange (outer) or one attempt (inner), seen from the response's side. Heads, events and
// ends pass its streams in reverse order of Open. It belongs to one goroutine at a time.
//
// After an error every further Emit, Head and End returns that error; only Close is left to do.
type Flow struct {
	chain *Chain
	x     *Exchange
	sink  Sink
	links []Emitter // in order of Open
	last  *Emitter  // the innermost stream that wants events
	err   error
	from  int // Head reaches links[from:]: 0 at first, then the stream that asked for another call
	at    int // whose code runs now, for the name in a panic: an index of links, or hostCode
	op    Op

	edits         bool // a stream may change what passes
	ended, closed bool
}

var _ Sink = (*Flow)(nil)

// SetSink says where events go that pass the whole ring. It must be set before the first event; a host whose writer comes to
// be only with the response head sets it then.
func (f *Flow) SetSink(s Sink) {
	if s == nil {
		s = noSink{}
	}
	f.sink = s
}

// noSink is what takes events before SetSink: they must not be lost without a word.
type noSink struct{}

func (noSink) Emit(Event) error { return errNoSink }

// hostCode stands for the host and the sink where links are numbered.
const hostCode = -1

// Wants reports whether any stream is interested in events. When no ring is, the host relays bytes and parses nothing;
// Head, End and Close are due all the same.
func (f *Flow) Wants() bool { return f.last != nil }

// Edits reports whether any stream may change, hold back or add events. When no ring does, the host relays the bytes as they
// came, also those of an unfinished event, and emits events only to be observed: what reaches the sink is then not sent.
func (f *Flow) Edits() bool { return f.edits }

// Err returns the error that broke the flow, or nil.
func (f *Flow) Err() error { return f.err }

// Head shows a response head to the streams, the last filter's first. For the second and later calls of an exchange it
// reaches the stream that asked for the call and those inside of it: the others have seen the head that the agent gets.
func (f *Flow) Head(h *ResponseHead) (err error) {
	if f.err != nil {
		return f.err
	}
	if len(f.links) == 0 {
		return nil
	}
	before := f.x.where.Load()
	defer f.x.where.Store(before)
	defer f.rescue(&err)
	start := clock()
	for i := len(f.links) - 1; i >= f.from; i-- {
		o := &f.links[i]
		if o.stream == nil {
			continue
		}
		f.op, f.at = OpHead, i
		f.x.where.Store(&f.chain.names[i])
		err := o.stream.Head(h)
		end := clock()
		o.spent, start = o.spent+end-start, end
		if err != nil {
			return f.fail(o, OpHead, err)
		}
	}
	f.at = hostCode
	return nil
}

// Emit passes an event to the innermost stream, and what that emits further out, until the sink has it.
func (f *Flow) Emit(e Event) (err error) {
	if f.err != nil {
		return f.err
	}
	defer f.rescue(&err)
	f.op = OpEvent
	if to := f.last; to == nil {
		if err := f.sink.Emit(e); err != nil {
			f.stop(err)
		}
	} else {
		f.at = to.index
		if err := to.stream.Event(e, to); err != nil {
			f.fail(to, OpEvent, err)
		}
		f.at = hostCode
	}
	// Not the stream's own answer: it may have swallowed the error of what it emitted, and an exchange does not recover
	// from that.
	return f.err
}

// End tells the streams of a clean end, the innermost first. When one of them asks for another call, End stops there and
// returns again: the streams further out have not ended, and what they held they hold. The host then makes the call and
// starts over with Head; End of that call begins at the innermost stream once more.
func (f *Flow) End() (again bool, err error) {
	switch {
	case f.err != nil:
		return false, f.err
	case f.ended:
		return false, errEnded
	case len(f.links) == 0:
		f.ended = true
		return false, nil
	}
	before := f.x.where.Load()
	defer f.x.where.Store(before)
	defer f.rescue(&err)
	for i := len(f.links) - 1; i >= 0; i-- {
		o := &f.links[i]
		if o.stream == nil || o.headOnly {
			continue
		}
		f.x.where.Store(&f.chain.names[i])
		f.op, f.at = OpEnd, i
		o.ending, o.again = true, false
		err := o.stream.End(o)
		o.ending = false
		if err == nil {
			err = f.err
		}
		if err != nil {
			return false, f.fail(o, OpEnd, err)
		}
		if o.again {
			f.at, f.from = hostCode, i
			return true, nil
		}
	}
	f.at, f.ended = hostCode, true
	return false, nil
}

// Close closes every opened stream in reverse order of Open; the second and later calls do nothing. cause is nil after a
// clean end only; when the flow is broken and cause is nil, the streams are told what broke it. A panic of one stream does
// not keep the others from being closed: all of them come back joined, for the log.
func (f *Flow) Close(cause error) error {
	if f.closed {
		return nil
	}
	f.closed = true
	if cause == nil {
		cause = f.err
	}
	f.err = errClosed
	if len(f.links) == 0 {
		return nil
	}
	before := f.x.where.Load()
	var errs []error
	for i := len(f.links) - 1; i >= 0; i-- {
		if o := &f.links[i]; o.stream != nil {
			f.x.where.Store(&f.chain.names[i])
			if err := f.close(o, cause); err != nil {
				errs = append(errs, err)
			}
		}
	}
	f.x.where.Store(before)
	return errors.Join(errs...)
}

func (f *Flow) close(o *Emitter, cause error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &FilterError{Filter: f.chain.names[o.index], Op: OpClose, Err: caught(v)}
		}
	}()
	o.stream.Close(cause)
	return nil
}

// fail records the first failure, with the name of the filter it came from, and returns it.
func (f *Flow) fail(o *Emitter, op Op, err error) error {
	if f.err == nil {
		f.err = &FilterError{Filter: f.chain.names[o.index], Op: op, Err: err}
	}
	return f.err
}

// rescue turns a panic of a filter, or of the sink, into the flow's error. To be deferred.
func (f *Flow) rescue(err *error) {
	v := recover()
	if v == nil {
		return
	}
	if f.at != hostCode {
		o := &f.links[f.at]
		op := f.op
		if op == OpEnd && !o.ending { // an event that an inner stream released in its End
			op = OpEvent
		}
		*err = f.fail(o, op, caught(v))
		return
	}
	*err = f.stop(caught(v))
}

// stop records the first error that is not a filter's, and returns the flow's.
func (f *Flow) stop(err error) error {
	if f.err == nil {
		f.err = err
	}
	return f.err
}

// A Timing is the time that one filter took of an exchange before its head could leave: Open and Head.
type Timing struct {
	Name  string
	Start time.Time // of Open
	Spent time.Duration
}

// Timings appends the timing of every filter that was opened to dst, in order of Open. The host writes them as
// Server-Timing and gives them to telemetry. It may be called until after Close.
func (f *Flow) Timings(dst []Timing) []Timing {
	for i := range f.links {
		o := &f.links[i]
		if o.flow == nil { // a filter before it refused
			break
		}
		dst = append(dst, Timing{f.chain.names[i], epoch.Add(o.start), o.spent})
	}
	return dst
}
