package simmodel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

type dialect uint8

const (
	chat dialect = iota
	responses
	messages
	completions
	embeddings
)

func (d dialect) String() string {
	return [...]string{"chat", "responses", "messages", "completions", "embeddings"}[d]
}

// A request is what the three dialects have in common once parsed.
type request struct {
	dialect      dialect
	body         []byte
	model        string
	stream       bool
	includeUsage bool
	max          int // output tokens; 0 means the agent set no bound
	stop         []string
	turns        []turn
	tools        []tool
	choice       string // "", auto, none, required
	choiceName   string // a tool that must be called
	noParallel   bool
	schema       json.RawMessage // structured output; nil when free text
	marked       bool            // messages: cache_control present
	resp         *respRequest

	rendered []byte // prompt text, without ids
	prompt   int    // tokens
	hash     uint64 // of the body
	nth      int    // how often this body came before
}

// A turn is one message, or one run of response items of the same side.
type turn struct {
	role    string // system, developer, user, assistant, tool
	text    string
	calls   []callRef
	results []resultRef
}

type callRef struct{ id, name, args, kind string }

type resultRef struct{ id, text string }

type tool struct {
	name, namespace string
	kind            string // function, custom, local_shell, shell, or another type that is never called
	schema          json.RawMessage
}

func (t *tool) full() string {
	if t.namespace == "" {
		return t.name
	}
	return t.namespace + "." + t.name
}

// tokens is the documented estimator: a token is four bytes of text.
func tokens(n int) int { return (n + 3) / 4 }

// render writes the prompt as an engine's template would: tools first, then the turns. Tool call ids and cache marks are
// not part of it, and arguments are compacted, so that a history that means the same is the same prefix.
func (q *request) render() {
	var b bytes.Buffer
	for i := range q.tools {
		t := &q.tools[i]
		fmt.Fprintf(&b, "<|tool|>%s %s %s\n", t.kind, t.full(), t.schema)
	}
	for i := range q.turns {
		q.turns[i].render(&b)
	}
	q.rendered = b.Bytes()
	q.prompt = max(1, tokens(len(q.rendered)))
}

func (t *turn) render(b *bytes.Buffer) {
	for i := range t.results {
		renderHead(b, "tool")
		b.WriteString(t.results[i].text)
		b.WriteString("<|end|>\n")
	}
	if len(t.results) > 0 && t.text == "" {
		return
	}
	renderHead(b, t.role)
	b.WriteString(t.text)
	for i := range t.calls {
		renderCall(b, t.calls[i].name, t.calls[i].args)
	}
	b.WriteString("<|end|>\n")
}

func renderHead(b *bytes.Buffer, role string) {
	b.WriteString("<|")
	b.WriteString(role)
	b.WriteString("|>")
}

func renderCall(b *bytes.Buffer, name, args string) {
	b.WriteString("<|call|>")
	b.WriteString(name)
	b.WriteByte(' ')
	if json.Compact(b, []byte(args)) != nil {
		b.WriteString(args)
	}
}

// system returns all instructions of the request as one text.
func (q *request) system() string {
	var b strings.Builder
	for i := range q.turns {
		if r := q.turns[i].role; r == "system" || r == "developer" {
			b.WriteString(q.turns[i].text)
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// lastResult returns the text of the newest tool result, or of smolagents' "Observation:" message.
func (q *request) lastResult() string {
	for i := len(q.turns) - 1; i >= 0; i-- {
		t := &q.turns[i]
		if n := len(t.results); n > 0 {
			return strings.TrimSpace(t.results[n-1].text)
		}
		if rest, ok := strings.CutPrefix(strings.TrimSpace(t.text), "Observation:"); ok && t.role == "user" {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// contentText flattens a content value: a string, null, or an array of parts with text.
func contentText(raw json.RawMessage) (string, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return "", nil
	}
	switch raw[0] {
	case '"':
		return unquote(raw)
	case '[':
		var parts []json.RawMessage
		if err := json.Unmarshal(raw, &parts); err != nil {
			return "", err
		}
		var texts []string
		for _, p := range parts {
			s, err := partText(p)
			if err != nil {
				return "", err
			}
			texts = append(texts, s)
		}
		return strings.Join(texts, "\n"), nil
	}
	return "", fmt.Errorf("content must be a string or an array")
}

// unquote decodes a JSON string that has been checked; most long ones are text as it is.
func unquote(raw json.RawMessage) (string, error) {
	if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return string(raw[1 : len(raw)-1]), nil
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err
}

// imageText stands for a picture: 765 tokens, the same for the same picture.
func imageText(raw []byte) string {
	return strings.Repeat(fmt.Sprintf("%016x", hash64(raw)), 765*4/16)
}

func partText(raw json.RawMessage) (string, error) {
	if len(raw) > 0 && raw[0] == '"' {
		return unquote(raw)
	}
	var p struct {
		Type     string          `json:"type"`
		Text     *string         `json:"text"`
		Refusal  string          `json:"refusal"`
		Thinking string          `json:"thinking"`
		Content  json.RawMessage `json:"content"`
		Stdout   *string         `json:"stdout"`
		Stderr   string          `json:"stderr"`
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return "", err
	}
	switch {
	case p.Text != nil:
		return *p.Text, nil
	case p.Stdout != nil:
		return *p.Stdout + p.Stderr, nil
	case p.Refusal != "":
		return p.Refusal, nil
	case p.Thinking != "":
		return p.Thinking, nil
	case p.Type == "image_url" || p.Type == "input_image" || p.Type == "image" || p.Type == "input_audio" || p.Type == "file" || p.Type == "input_file" || p.Type == "document":
		return imageText(raw), nil
	}
	return contentText(p.Content)
}

// renderMore returns the rendered prompt with one more turn; the prompt itself stays as it is.
func (q *request) renderMore(t *turn) []byte {
	var b bytes.Buffer
	b.Grow(len(q.rendered) + 256)
	b.Write(q.rendered)
	t.render(&b)
	return b.Bytes()
}
