package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tiktoken-go/tokenizer"
)

// A library counts and reads each JSON text once. Two texts of one library are equal if their pointers are. It belongs to one
// goroutine at a time.
type library struct {
	codec tokenizer.Codec
	known map[string]*text
	s     *session
}

// A text is a message or the tools, read.
type text struct {
	raw    string
	tokens int // with the comma behind it

	role     string
	calls    []string // ids of tool calls
	answers  string   // the call that a tool message answers
	empty    bool     // neither content nor calls
	spelled  []int    // pins that stand in it in their escaped bytes
	pins     []int    // pins that stand in it, decoded
	ids      []int    // codes that stand in it, decoded
	encoding []uint   // its tokens, made when somebody compares it
}

func newLibrary(s *session) (*library, error) {
	codec, err := tokenizer.Get(tokenizer.O200kBase)
	if err != nil {
		return nil, fmt.Errorf("context: %w", err)
	}
	return &library{codec: codec, known: map[string]*text{}, s: s}, nil
}

// text reads a message or the tools.
func (l *library) text(raw string) *text {
	if t := l.known[raw]; t != nil {
		return t
	}
	t := &text{raw: strings.Clone(raw)}
	t.tokens = len(l.encode(t))
	t.read()
	plain, _ := unescape(raw)
	for i, p := range l.s.Pins {
		if strings.Contains(raw, p.escaped) {
			t.spelled = append(t.spelled, i)
		}
		if strings.Contains(plain, p.Text) {
			t.pins = append(t.pins, i)
		}
	}
	for i, d := range l.s.IDs {
		if strings.Contains(plain, d.Code) {
			t.ids = append(t.ids, i)
		}
	}
	l.known[t.raw] = t
	return t
}

// read takes what validity needs. Tools are an array, which leaves all fields as they are.
func (t *text) read() {
	var m struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
		Answers string          `json:"tool_call_id"`
		Calls   []struct {
			ID string `json:"id"`
		} `json:"tool_calls"`
	}
	if json.Unmarshal([]byte(t.raw), &m) != nil {
		return
	}
	t.role, t.answers = m.Role, m.Answers
	for _, c := range m.Calls {
		t.calls = append(t.calls, c.ID)
	}
	switch string(m.Content) {
	case "", "null", `""`, "[]":
		t.empty = len(t.calls) == 0
	}
}

// encode is the tokens of a text and its comma. What is no UTF-8 has a token for each byte.
func (l *library) encode(t *text) []uint {
	if t.encoding != nil {
		return t.encoding
	}
	var err error
	if t.encoding, _, err = l.codec.Encode(t.raw + ","); err != nil {
		t.encoding = make([]uint, 0, len(t.raw)+1)
		for _, b := range []byte(t.raw + ",") {
			t.encoding = append(t.encoding, uint(b))
		}
	}
	return t.encoding
}

// A sent request is one that reached the upstream.
type sent struct {
	tools    *text // nil without
	messages []*text
	same     bool // byte for byte what the agent sent
}

// size is the request's tokens.
func (r *sent) size() int {
	n := 0
	if r.tools != nil {
		n = r.tools.tokens
	}
	for _, m := range r.messages {
		n += m.tokens
	}
	return n
}

// hits is how many of a request's tokens are a prefix of the one before.
func (l *library) hits(before, r *sent) int {
	if r.tools != before.tools {
		if r.tools == nil || before.tools == nil {
			return 0
		}
		return common(l.encode(before.tools), l.encode(r.tools))
	}
	n := 0
	if r.tools != nil {
		n = r.tools.tokens
	}
	for i, m := range r.messages {
		if i == len(before.messages) {
			break
		}
		if m != before.messages[i] {
			return n + common(l.encode(before.messages[i]), l.encode(m))
		}
		n += m.tokens
	}
	return n
}

func common[T comparable](a, b []T) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// parse reads a body that reached the upstream.
func (l *library) parse(body []byte) (*sent, error) {
	var b struct {
		Messages []json.RawMessage `json:"messages"`
		Tools    json.RawMessage   `json:"tools"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, fmt.Errorf("context: the upstream got no JSON: %w", err)
	}
	r := &sent{messages: make([]*text, len(b.Messages))}
	for i, m := range b.Messages {
		r.messages[i] = l.text(string(m))
	}
	if b.Tools != nil {
		r.tools = l.text(string(b.Tools))
	}
	return r, nil
}
