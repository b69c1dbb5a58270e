package filters

import (
	"context"

	"github.com/trapgate/trapgate/internal/wire"
)

// A Filter is built once for a configuration snapshot and is safe for concurrent use.
type Filter interface {
	// Name is the word used in Server-Timing, spans, metrics and /debug/state. It never changes.
	Name() string
	// Open sees the complete request, may edit it, and returns the observer of the response,
	// or nil when it has no interest in it. A *Reply error answers the agent instead; with any error the returned stream is
	// not used, so a filter that fails gives back itself what it took.
	// ctx ends when the agent leaves, when the host stops, or when the exchange is over. A filter that waits, here or later
	// in End, returns context.Cause(ctx) then.
	Open(ctx context.Context, x *Exchange) (Stream, error)
}

// A Stream belongs to one exchange (outer ring) or one attempt (inner ring) and is never used concurrently.
//
// The order of calls is Head, Event..., End, again from Head for each further call of the exchange, then Close. Any of the
// first three may be missing: only Close is certain.
type Stream interface {
	// Head sees the status and headers before they leave. It is called once for each call whose answer reaches the stream;
	// a stream outside of the one that asked for another call sees the head of the first only. A *Reply error still answers
	// the agent when no byte has left.
	Head(h *ResponseHead) error
	// Event sees one whole SSE event, or the one whole JSON body, and emits none, one or many.
	// e's bytes are valid only during the call and must not be changed; whoever holds an event back keeps a Clone.
	Event(e Event, out *Emitter) error
	// End is a clean end of the answer: release what was held back, or ask for another call with out.Again.
	End(out *Emitter) error
	// Close is called exactly once, on every path, in reverse order of Open. cause is nil after a clean end, else
	// ErrAgentGone, ErrTruncated, ErrShutdown, or what went wrong. A stream without its dialect's terminal event ends with
	// End and then Close(ErrTruncated). What was held back and not emitted is gone.
	Close(cause error)
}

// HeadOnly may be implemented by a Stream that wants nothing but Head and Close: it gets neither Event nor End, and does
// not by itself make the host parse the answer. It is asked once, right after Open.
type HeadOnly interface{ HeadOnly() bool }

// Observer may be implemented by a Stream that emits every event just as it came, at once, and asks for no other call.
// As long as all streams do, the host relays the bytes themselves and shows the events beside. It is asked once, right after Open.
type Observer interface{ Observes() bool }

// An Event is one unit of a response. Raw is what goes out when the event is emitted: the bytes of the SSE frame with its
// blank line, or the whole JSON body. Name and Data say what is in it, for the filters further out and for the host, which
// knows the terminal event by them: whoever makes or changes an event sets all that apply.
//
// The slices belong to whoever emits the event and are valid until Emit returns.
type Event struct {
	Raw  []byte
	Name []byte // the SSE event field, empty when absent
	Data []byte // the SSE data (lines joined by \n), nil for a comment; or the whole JSON body
	Body bool   // a whole JSON body rather than an SSE event
}

// Clone returns a copy that shares no memory with e, for a stream that holds events back.
func (e Event) Clone() Event {
	buf := make([]byte, 0, len(e.Raw)+len(e.Name)+len(e.Data))
	take := func(b []byte) []byte {
		if b == nil {
			return nil
		}
		n := len(buf)
		buf = append(buf, b...)
		return buf[n:len(buf):len(buf)]
	}
	e.Raw, e.Name, e.Data = take(e.Raw), take(e.Name), take(e.Data)
	return e
}

// A ResponseHead is the status line and headers of an answer, before they leave for the agent. The value and everything in
// it belong to the host and are valid only during Head.
type ResponseHead struct {
	Status int
	Stream bool // the body is text/event-stream
	// Fields are the upstream's own, as they came. They are not to be changed: what the upstream said goes out.
	Fields Fields
	// Added are header lines of ours, appended after the upstream's own. A filter appends; the host copies.
	Added []Field
}

// Edits of the request: exchange edits belong to the agent's conversation and are the same for every attempt; call edits
// are computed for one attempt over both and thrown away.
type Edits = wire.Edits
