package memory

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/zeebo/xxh3"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// An Imported says what an import took.
type Imported struct {
	Records int // entries of an export, taken as they are; those that stand already, or were forgotten, are left out silently
	Chats   int // conversations of chat logs
	Turns   int // their messages, which were decided on as captured ones are
	Skipped int // values that are neither, and entries that lack something
}

// Import reads JSON values, one after another or in an array: entries that Export wrote, which keep their IDs, and chat logs in
// OpenAI's form ({"messages": [...]}, with "user", "session" and "time" if they are known; a message may have a "time" of its own).
// The scope gives the tenant, and the user and session of what has none; its user stands above the file's. Importing a file again
// changes nothing. On an error what was read before is kept.
func (e *Engine) Import(ctx context.Context, r io.Reader, s record.Scope) (Imported, error) {
	if s.Tenant == "" {
		return Imported{}, ErrScope
	}
	im := importer{e: e, ctx: ctx, scope: s}
	err := eachValue(r, im.value)
	return im.done, errors.Join(err, im.flush())
}

type importer struct {
	e       *Engine
	ctx     context.Context
	scope   record.Scope
	pending []*record.Record
	done    Imported
}

// eachValue calls do with every value of a stream: those of an array if it is one. The bytes are borrowed.
func eachValue(r io.Reader, do func([]byte) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	array, err := beginsArray(in)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(in)
	if array {
		if _, err := dec.Token(); err != nil {
			return fmt.Errorf("import: %w", err)
		}
	}
	for n := 1; !array || dec.More(); n++ {
		var value json.RawMessage
		if err := dec.Decode(&value); err == io.EOF && !array {
			return nil
		} else if err != nil {
			return fmt.Errorf("import: value %d: %w", n, err)
		}
		if err := do(value); err != nil {
			return fmt.Errorf("import: value %d: %w", n, err)
		}
	}
	return nil
}

// beginsArray reports whether the first thing that is no white space is a bracket.
func beginsArray(in *bufio.Reader) (bool, error) {
	for {
		b, err := in.ReadByte()
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if !unicode.IsSpace(rune(b)) {
			return b == '[', in.UnreadByte()
		}
	}
}

// value takes an entry or a chat log.
func (im *importer) value(raw []byte) error {
	var what struct {
		Kind     string          `json:"kind"`
		Messages json.RawMessage `json:"messages"`
	}
	if json.Unmarshal(raw, &what) != nil {
		im.done.Skipped++
		return nil
	}
	switch {
	case what.Messages != nil:
		return im.chat(raw)
	case what.Kind != "":
		return im.entry(raw)
	}
	im.done.Skipped++
	return nil
}

func (im *importer) entry(raw []byte) error {
	var n Entry
	if json.Unmarshal(raw, &n) != nil {
		im.done.Skipped++
		return nil
	}
	if n.User == "" && n.Session == "" {
		n.Session = im.scope.Session
	}
	r, err := n.record(im.scope)
	if err != nil {
		im.done.Skipped++
		return nil
	}
	im.done.Records++
	if im.pending = append(im.pending, r); len(im.pending) < pageSize {
		return nil
	}
	return im.flush()
}

// flush stores the entries that were read.
func (im *importer) flush() error {
	if len(im.pending) == 0 {
		return nil
	}
	e := im.e
	e.committing.Lock()
	defer e.committing.Unlock()
	c := store.Changes{Tenant: im.scope.Tenant, At: e.opt.Now(), Add: im.pending}
	im.pending = nil
	if err := e.opt.Store.Apply(im.ctx, c); err != nil {
		return err
	}
	e.stored(c.Tenant, &c)
	return nil
}

// A chatLog is a conversation in OpenAI's form.
type chatLog struct {
	Messages []chatMessage `json:"messages"`
	User     string        `json:"user"`
	Session  string        `json:"session"`
	Time     logTime       `json:"time"`
}

type chatMessage struct {
	Role    string      `json:"role"`
	Name    string      `json:"name"`
	Content chatContent `json:"content"`
	Time    logTime     `json:"time"`
}

// chat learns a conversation, in the way of a captured one.
func (im *importer) chat(raw []byte) error {
	var log chatLog
	if json.Unmarshal(raw, &log) != nil {
		im.done.Skipped++
		return nil
	}
	s := im.scope
	if s.User == "" {
		s.User = log.User
	}
	if log.Session != "" {
		s.Session = log.Session
	}
	if s.Session == "" {
		s.Session = fmt.Sprintf("import-%016x", xxh3.Hash(bytes.TrimSpace(raw)))
	}
	t := Turn{Scope: s, Imported: true}
	at := time.Time(log.Time)
	if at.IsZero() {
		at = im.e.opt.Now()
	}
	for i := range log.Messages {
		if m, ok := log.Messages[i].message(int64(i), &at); ok {
			t.Messages = append(t.Messages, m)
		}
	}
	im.done.Chats++
	im.done.Turns += len(t.Messages)
	return im.e.LearnNow(im.ctx, t)
}

// message is what is learned of a message of a log; at is when the one before was said, unless it has a time of its own.
func (c *chatMessage) message(seq int64, at *time.Time) (Message, bool) {
	if t := time.Time(c.Time); !t.IsZero() {
		*at = t
	}
	m := Message{Name: c.Name, Text: clip(string(c.Content), false), Seq: seq, At: *at}
	switch c.Role {
	case "user":
		m.Role = record.User
	case "assistant":
		m.Role = record.Assistant
	case "tool", "function":
		m.Role, m.Document = record.Tool, true
	default: // instructions are nobody's memory
		return m, false
	}
	return m, strings.TrimSpace(m.Text) != ""
}

// chatContent is a message's text: a string, or the text parts of an array. Everything else is no text.
type chatContent string

// UnmarshalJSON never fails on valid JSON: a message without text is one with nothing to learn.
func (c *chatContent) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*c = chatContent(text)
		return nil
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if json.Unmarshal(b, &parts) != nil {
		return nil
	}
	var texts []string
	for _, p := range parts {
		if p.Text != "" {
			texts = append(texts, p.Text)
		}
	}
	*c = chatContent(strings.Join(texts, "\n"))
	return nil
}

// logTime is RFC 3339, or seconds since 1970. What is neither is not known.
type logTime time.Time

// UnmarshalJSON never fails on valid JSON.
func (t *logTime) UnmarshalJSON(b []byte) error {
	var seconds float64
	if json.Unmarshal(b, &seconds) == nil && seconds > 0 && seconds < 1<<33 {
		*t = logTime(time.Unix(int64(seconds), 0).UTC())
		return nil
	}
	var text string
	if json.Unmarshal(b, &text) == nil {
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			*t = logTime(at)
		}
	}
	return nil
}
