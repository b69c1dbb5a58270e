package assemble

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/trapgate/trapgate/internal/wire"
)

// DefaultLimit is how much an Assembler keeps of one answer unless told otherwise, in bytes.
const DefaultLimit = 64 << 20

var (
	// ErrIncomplete says that the stream ended, or was cut, before the answer did. Nothing has reached the agent: the call
	// may be tried again.
	ErrIncomplete = errors.New("assemble: the stream ended before the answer did")
	// ErrTooLarge says that the answer went over the limit.
	ErrTooLarge = errors.New("assemble: the answer is above the limit")
)

// A FormError says that the events do not make an answer of the dialect: they are no JSON, or stand in an order that means
// nothing. Another try would end the same way; the upstream should be asked without streaming.
type FormError struct {
	Event int    // the number of the event with data, from 1
	Msg   string // what is wrong with it
}

func (e *FormError) Error() string { return fmt.Sprintf("assemble: event %d: %s", e.Event, e.Msg) }

// An Assembler puts one streamed answer together. The zero value is not ready: Reset it first. It keeps no bytes it is
// given and may be pooled. Not for concurrent use.
type Assembler struct {
	// Limit bounds what is kept of one answer, in bytes with an allowance for structure; 0 means DefaultLimit.
	Limit int

	d      wire.Dialect
	s      scanner
	err    error
	done   bool
	events int
	left   int // of the limit

	top     node   // members of the answer: of chat's chunks, of message_start's message
	list    array  // chat's choices, messages' content blocks
	raw     []byte // responses: the terminal event's response
	tmp     []byte
	refusal bool  // chat: a delta spoke of refusal
	llama   bool  // the engine is llama.cpp
	last    int64 // chat: the choice that finished last
	owner   int64 // chat: the choice that the usage belongs to, -1 when none was told
	begun   bool  // messages: message_start was seen
	base    int   // where in the event's data the text of s begins
	like    template
}

// Reset makes the assembler ready for another answer: of wire.Chat, wire.Responses or wire.Messages.
func (a *Assembler) Reset(d wire.Dialect) {
	limit := a.Limit
	if limit == 0 {
		limit = DefaultLimit
	}
	like := a.like
	*a = Assembler{Limit: a.Limit, d: d, left: limit, last: -1, owner: -1, raw: small(a.raw), tmp: small(a.tmp)}
	a.like.before, a.like.after = small(like.before), small(like.after)
	a.top.kind = object
}

// small keeps a buffer for the next answer unless it is large.
func small(b []byte) []byte {
	if cap(b) > 64<<10 {
		return nil
	}
	return b[:0]
}

// Event takes one SSE event: its name, empty when it has none, and its data; nothing for a comment. The bytes are not
// kept. What comes after the terminal event is ignored.
//
// The error is an *UpstreamError when the upstream reported one in the stream, a *FormError, or ErrTooLarge, and stays.
func (a *Assembler) Event(name, data []byte) error {
	if a.err != nil || a.done || len(data) == 0 {
		return a.err
	}
	a.events++
	if len(data) < 16 && string(bytes.TrimSpace(data)) == "[DONE]" {
		a.done = a.d == wire.Chat
		return nil
	}
	if inside, ok := a.like.fits(name, data); ok {
		if a.charge(len(inside)) {
			*a.like.into = append(*a.like.into, inside...)
		}
		return a.err
	}
	a.s, a.base = scanner{b: data}, 0
	a.like.begin()
	switch a.d {
	case wire.Chat:
		a.chunk(name)
	case wire.Responses:
		a.response(name)
	case wire.Messages:
		a.message(name)
	default:
		return a.fail(fmt.Errorf("assemble: no streams of dialect %s", a.d))
	}
	if a.s.bad && a.err == nil {
		a.form("not JSON, or not what the dialect has in this place")
	}
	if a.s.b = nil; a.err == nil {
		a.like.learn(name, data)
	}
	return a.err
}

// Done reports whether the terminal event was seen. Only an assembler without error is ever done.
func (a *Assembler) Done() bool { return a.done && a.err == nil }

// Body appends the answer to dst[:0] and returns it. Before the terminal event it is ErrIncomplete, after an error that error.
func (a *Assembler) Body(dst []byte) ([]byte, error) {
	switch {
	case a.err != nil:
		return nil, a.err
	case !a.done:
		return nil, ErrIncomplete
	}
	dst = dst[:0]
	switch a.d {
	case wire.Chat:
		return a.chatBody(dst)
	case wire.Messages:
		return a.messageBody(dst)
	}
	return append(dst, a.raw...), nil
}

// fail keeps the first error.
func (a *Assembler) fail(err error) error {
	if a.err == nil {
		a.err = err
	}
	return a.err
}

func (a *Assembler) form(msg string) { a.fail(&FormError{Event: a.events, Msg: msg}) }

// charge takes n bytes from what is left of the limit.
func (a *Assembler) charge(n int) bool {
	if a.left -= n; a.left < 0 {
		a.fail(ErrTooLarge)
		a.s.bad = true
		return false
	}
	return true
}
