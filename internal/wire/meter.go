package wire

import (
	"bytes"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// Usage is what the upstream says it counted, in tokens. Input is the whole prompt, cached tokens included, in all
// dialects: for messages it is input_tokens + cache_read_input_tokens + cache_creation_input_tokens. Output includes
// Reasoning.
type Usage struct {
	Input, Output, CachedInput, CacheWrite, Reasoning int64
	Known                                             bool // the upstream reported usage at all
}

// An Answer is what a response said, as far as it has been read.
type Answer struct {
	ID, Model string
	// Finish has the finish or stop reason of each choice once, in the order in which they came. For responses it is the
	// status, or why an answer is incomplete.
	Finish                             []string
	Usage                              Usage
	Terminal                           bool // the dialect's terminal event, or a whole JSON body, was seen
	ErrorType, ErrorCode, ErrorMessage string
	OutputChars                        int64 // characters of text, tool arguments and reasoning: for estimates
	Events                             int   // SSE events that carried data
	ToolCalls                          int
}

// Failed reports whether the answer is, or ended in, an error.
func (a *Answer) Failed() bool { return a.ErrorType != "" || a.ErrorCode != "" || a.ErrorMessage != "" }

// A Meter reads an answer as it passes. The zero value reads nothing: Reset it first. It keeps no bytes it is given and may be
// pooled. Not for concurrent use.
//
// Text in an answer can say anything, "usage" and [DONE] included, so every event is walked by its structure. What makes
// that cheap: an event that differs from the one before only in its text and a counter or two needs no walk (template).
type Meter struct {
	// FirstToken says whether the last Event carried the answer's first content, tool call or reasoning.
	FirstToken bool
	// UsageOnly says whether the last Event was chat's usage chunk (no choices), to be kept from an agent that did not ask.
	UsageOnly bool

	d       Dialect
	a       Answer
	s       scanner
	started bool     // a token has come
	seen    uint64   // choices that have finished
	calls   []uint64 // choice and index of the tool calls counted
	lastID  uint64   // hash of the id of the last call counted without index
	raw     rawUsage

	ev   event
	typ  []byte
	like template

	reasons [2]string // room for Answer.Finish
}

// An event collects what the walk of one event found.
type event struct {
	tokens  bool
	call    bool // an item or block that is a tool call
	holes   [maxHoles]hole
	n       int
	other   bool // something that no template can stand for: usage, a reason, a tool call, an error
	hasType bool
}

// rawUsage keeps the numbers by their own names, because messages reports them in two events.
type rawUsage struct{ input, output, read, write, reasoning int64 }

// Reset makes the meter ready for another answer.
func (m *Meter) Reset(d Dialect) {
	*m = Meter{
		d: d, calls: m.calls[:0], like: template{literal: m.like.literal[:0]},
		s: scanner{stack: m.s.stack[:0], lim: Limits{Depth: 512}, lax: true},
	}
	m.a.Finish = m.reasons[:0]
}

// Answer is what was read so far; valid until Reset.
func (m *Meter) Answer() *Answer { return &m.a }

// Event reads one SSE event; terminal says whether it was the dialect's terminal event. The bytes are not kept.
func (m *Meter) Event(name, data []byte) (terminal bool) {
	m.FirstToken, m.UsageOnly = false, false
	if len(data) == 0 {
		return false
	}
	m.a.Events++
	if chars := m.like.fits(data); chars >= 0 {
		m.a.OutputChars += chars
		return false
	}
	if m.d == Other {
		return false
	}
	if len(data) < 16 && string(bytes.TrimSpace(data)) == "[DONE]" {
		terminal = m.d != Messages && m.d != Responses
		m.a.Terminal = m.a.Terminal || terminal
		return terminal
	}
	m.ev, m.typ = event{}, name
	m.begin(data)
	terminal = m.walk()
	if m.ev.tokens && !m.started {
		m.started, m.FirstToken = true, true
	}
	m.a.Terminal = m.a.Terminal || terminal
	m.like.learn(data, &m.ev, m.s.err == nil && (m.d == Chat || m.d == Completions || m.ev.hasType))
	return terminal
}

// Body reads a whole JSON answer.
func (m *Meter) Body(b []byte) {
	if m.d == Other {
		return
	}
	m.ev, m.typ = event{}, nil
	m.begin(b)
	m.root(inBody)
	m.s.peek()
	m.a.Terminal = m.s.err == nil && m.s.i == len(b)
	m.s.b, m.typ = nil, nil
}

func (m *Meter) begin(data []byte) {
	s := &m.s
	s.b, s.i, s.depth, s.err = data, 0, 0, nil
}

// walk reads the event that begin was given.
func (m *Meter) walk() (terminal bool) {
	m.root(inEvent)
	switch string(m.typ) {
	case "response.output_item.added", "content_block_start":
		if m.ev.call {
			m.a.ToolCalls++
		}
	case "response.completed", "response.failed", "response.incomplete":
		terminal = m.d == Responses
	case "message_stop":
		terminal = m.d == Messages
	case "error":
		terminal = m.d == Messages || m.d == Responses
	}
	m.s.b, m.typ = nil, nil
	return terminal
}

// text counts a raw JSON string of the answer.
func (m *Meter) text(sp Span) {
	if sp.End-sp.Start <= 2 {
		return
	}
	m.ev.hole(sp, textHole)
	m.ev.tokens = true
	m.a.OutputChars += characters(m.s.b[sp.Start+1 : sp.End-1])
}

// characters counts the characters of a raw JSON string.
func characters(raw []byte) int64 {
	n := int64(utf8.RuneCount(raw))
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 || i+1 >= len(raw) {
			return n
		}
		skip := 2
		if raw[i+1] == 'u' {
			skip = min(6, len(raw)-i)
		}
		n -= int64(skip) - 1
		raw = raw[i+skip:]
	}
}

// finish notes why a choice ended, once for each.
func (m *Meter) finish(choice int64, reason []byte) {
	m.ev.other = true
	bit := uint64(1) << uint(min(max(choice, 0), 63))
	if m.seen&bit != 0 {
		return
	}
	m.seen |= bit
	m.a.Finish = append(m.a.Finish, intern(reason))
}

// intern saves the allocation for the reasons there are.
func intern(b []byte) string {
	switch string(b) {
	case "stop":
		return "stop"
	case "tool_calls":
		return "tool_calls"
	case "length":
		return "length"
	case "end_turn":
		return "end_turn"
	case "tool_use":
		return "tool_use"
	case "completed":
		return "completed"
	}
	return string(b)
}

// lastModel is the model of an answer before: mostly the next one is of the same, and shares its name.
var lastModel atomic.Pointer[string]

// internModel is String for the name of a model.
func internModel(raw []byte) string {
	if s := lastModel.Load(); s != nil && len(raw) == len(*s)+2 && string(raw[1:len(raw)-1]) == *s {
		return *s
	}
	s := String(raw)
	if len(s) == len(raw)-2 && len(s) <= 64 && strings.IndexByte(s, '\\') < 0 { // nothing was unescaped
		lastModel.Store(&s)
	}
	return s
}
