package identity

import (
	"bytes"

	"github.com/zeebo/xxh3"

	"github.com/trapgate/trapgate/internal/wire"
)

// maxRecentCalls is how many of the newest tool calls of a history are looked at to find whose they are.
const maxRecentCalls = 8

// longID is the length of a tool call id, in bytes, from which on it is taken to be the only one of its kind. Some servers
// just count.
const longID = 16

// A query is what a request says about its conversation, worked out before any lock is taken.
type query struct {
	claim
	id, user string
	retried  bool // the agent's SDK counts it as a retry; find sets it for every retry
	retryOf  string
	body     uint64 // keyed hash of the path and the body

	// who scopes all keys within the tenant: the user, and what tells two agents with equal messages apart.
	who     uint64
	scope   uint64 // who without what a hand-off changes
	userKey uint64 // the user alone
	root    string // a program and the name of its first session, from the body; "" when there is none

	response *place // what previous_response_id leads to
	start    uint64 // the chain before the first message: not 0 when the messages before it are at the provider

	chains, plain []uint64 // after each message, with and without system text
	assistant     bool     // the model has already spoken in this history
	tools         bool
	always        bool // this agent declares tools in every request of its conversation
	style         style

	place place  // the request's own, while find is at work
	begun *place // where it will stay, when find has begun a conversation

	recent     [maxRecentCalls]recentCall // newest first, up to the first without a key
	unanswered []toolCall                 // calls of the history without a result
	view       *wire.View
}

type recentCall struct {
	key  uint64
	long bool
}

// read works out the chains and what else the history shows.
func (q *query) read(agent string) {
	v := q.view
	n := len(v.Msgs)
	q.chains = v.Chain(q.start, 0, make([]uint64, 0, n), wire.ChainOptions{}) // the exchange keeps them
	q.plain = v.Chain(q.start, 0, q.plain[:0], wire.ChainOptions{SkipSystem: true})
	q.who = mix(mixString(q.scope, agent), v.SystemHash())
	q.tools = len(v.Tools) > 0
	q.style = styleOf(v)
	for i := n - 1; i >= 0 && !q.assistant; i-- {
		q.assistant = speaks(&v.Msgs[i])
	}
	q.readCalls()
}

// speaks reports whether a message is the model's.
func speaks(m *wire.Message) bool { return m.Role == wire.Assistant || m.Kind == wire.CallItem }

// answers counts the model's answers behind message i. Calls and their results one after the other may be one answer or
// several, so they count as one.
func (q *query) answers(i int) (n int) {
	within := false
	for _, m := range q.view.Msgs[i+1:] {
		switch {
		case speaks(&m) && !within:
			n++
			within = true
		case m.Role == wire.User, m.Role == wire.Tool:
			within = false
		}
	}
	return n
}

// readCalls looks at the newest tool calls of the history.
func (q *query) readCalls() {
	v := q.view
	at := 0
	for i := len(v.Calls) - 1; i >= 0 && at < len(q.recent); i-- {
		c := &v.Calls[i]
		id := wire.Unquote(nil, c.ID.Of(v.Body))
		if len(id) == 0 {
			continue
		}
		q.recent[at] = recentCall{callKey(q.scope, id), len(id) >= longID}
		at++
		if !q.answered(c) {
			q.unanswered = append(q.unanswered, toolCall{id: string(id), args: arguments(c.Args.Of(v.Body))})
		}
	}
}

// answered reports whether a call of the history has its result. Results follow their call closely: with more than some
// behind it, nobody looks on.
func (q *query) answered(c *wire.ToolCall) bool {
	v := q.view
	id := c.ID.Of(v.Body)
	for i, n := len(v.Results)-1, 0; i >= 0 && v.Results[i].Span.Start > c.Span.Start; i, n = i-1, n+1 {
		if n == 64 || bytes.Equal(v.Results[i].ID.Of(v.Body), id) {
			return true
		}
	}
	return false
}

// callKey is the key of a tool call's id; never 0.
func callKey(scope uint64, id []byte) uint64 { return mix(scope, xxh3.HashSeed(id, scope)) | 1 }

// How much of both ends of the system text makes a style, beside tools and where there are none. Shorter texts make none: too little
// to know by.
const (
	styleSpan = 48
	bareSpan  = 256
)

func styleOf(v *wire.View) (s style) {
	span := bareSpan
	if raw := v.ToolsSpan.Of(v.Body); len(v.Tools) > 0 && len(raw) > 0 {
		s.tools, span = xxh3.Hash(raw)|1, styleSpan
	}
	text := v.System.Of(v.Body)
	for i := 0; i < len(v.Msgs) && len(text) == 0; i++ {
		if m := &v.Msgs[i]; m.Role == wire.System || m.Role == wire.Developer {
			text = m.Content.Of(v.Body)
		}
	}
	if text = bytes.Trim(text, `[]{}" `); len(text) >= 2*span {
		s.size, s.head, s.tail = len(text), xxh3.Hash(text[:span]), xxh3.Hash(text[len(text)-span:])
	}
	return s
}

// firstUser returns the texts of the first user message, decoded; those of an agent that splits it come one by one.
func (q *query) firstUser() [][]byte {
	v := q.view
	for i := range v.Msgs {
		m := &v.Msgs[i]
		if m.Role != wire.User || m.Kind != wire.Msg {
			continue
		}
		var texts [][]byte
		for t := m.Text.From; t < m.Text.To && len(texts) < 4; t++ {
			texts = append(texts, wire.Unquote(nil, v.Texts[t].Of(v.Body)))
		}
		return texts
	}
	return nil
}
