package digest

import (
	"regexp"

	"github.com/trapgate/trapgate/internal/wire"
)

// Options say what to keep and how much of it. Budgets are in tokens; a budget of 0 leaves its section out.
type Options struct {
	Pin       []string                  // the operator's rules, plain text: always kept verbatim, never over budget
	Protected []string                  // names of tools whose calls and results are pinned
	Forgotten func(message []byte) bool // whether nothing of a message (raw JSON) may be kept; nil: of none
	Patterns  []*regexp.Regexp          // the operator's patterns: sentences of system, developer and user text that match are pinned

	RecentUser int // newest evicted user messages, verbatim
	PinBudget  int // rules found in the conversation
	// FactBudget is for phrases of the ledger; besides, as much goes to values without theirs, 5/4 of it to files, a 24th each to
	// decisions and to errors.
	FactBudget int
	StubBudget int // stubs of offloaded results; half as much, and no less than 40, goes to the work done besides
}

// ForWindow gives the budgets for a usable window of that many tokens.
func ForWindow(tokens int) Options {
	return Options{RecentUser: tokens / 400, PinBudget: tokens / 25, FactBudget: tokens / 25, StubBudget: tokens / 256}
}

// A Digest is what survives of the messages evicted so far. It is immutable and safe for concurrent use; nil and the zero
// value are the digest of nothing. It owns its bytes.
type Digest struct {
	state  state
	text   []byte // escaped content
	tokens int
}

// An Offload is a content that left the request, to be kept by the caller under its handle.
type Offload struct {
	Handle  string // "ctx:" and 12 hex digits of a SHA-256 of the content
	Content []byte // raw JSON, a copy: the content of a tool result, or evicted messages joined by commas
	Tool    string // name of the tool that was called; empty for spans
	Args    string // its arguments as the agent wrote them, plain text
	Message int    // index of the message, or the first of the span
	Kind    Kind
}

// A Kind says what an Offload holds.
type Kind uint8

// The kinds of Offload.
const (
	Result Kind = iota // one tool result
	Span               // all messages that an Extend evicted
	Index              // handles of older spans, one in each line: plain text, not JSON
	Ledger             // facts or files that left the text, one in each line, behind "older: HANDLE" where there is an older list: plain text
)

// A Section is one part of the text, for people to read.
type Section struct {
	Name   string
	Text   string // plain text
	Tokens int
}

// Extend is the digest of prev and the messages [from, to) of v. keep says which of these stay raw in the request: their text
// is not repeated; nil keeps none. The offloads are owned by the caller and share one copy of the evicted bytes.
func Extend(prev *Digest, v *wire.View, from, to int, keep func(i int) bool, opt *Options) (*Digest, []Offload) {
	if prev == nil {
		prev = &Digest{}
	}
	if opt == nil {
		opt = &Options{}
	}
	from, to = max(from, 0), min(to, len(v.Msgs))
	c := collector{v: v, opt: opt, state: prev.state.clone()}
	msgs := make([]int, 0, max(to-from, 0))
	for i := from; i < to; i++ {
		switch {
		case keep != nil && keep(i):
		case opt.Forgotten != nil && opt.Forgotten(v.Raw(v.Msgs[i].Span)):
			c.state.Messages++
		default:
			msgs = append(msgs, i)
		}
	}
	c.messages(msgs)
	c.finish(msgs)
	d := &Digest{state: c.state}
	d.render()
	return d, c.offloads
}

// Text is the digest as escaped content: valid inside a JSON string, to be inserted before the closeLen quote of the task
// message's text. It begins with a separator and a line that says what it is, and is empty for the digest of nothing. Not to
// be modified.
func (d *Digest) Text() []byte {
	if d == nil {
		return nil
	}
	return d.text
}

// Tokens is the estimated number of tokens of Text.
func (d *Digest) Tokens() int {
	if d == nil {
		return 0
	}
	return d.tokens
}

// Span is the handle of the messages that were left out last, "" for none.
func (d *Digest) Span() string {
	if n := len(d.state.Spans); n > 0 {
		return d.state.Spans[n-1]
	}
	return ""
}

// Dropped lists rules that were over budget, as plain text: a warning for the agent's operator.
func (d *Digest) Dropped() []string {
	if d == nil {
		return nil
	}
	return append([]string(nil), d.state.Dropped...)
}
