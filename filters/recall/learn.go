package recall

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/memory"
	"github.com/trapgate/trapgate/memory/record"
)

// Bounds on what is given to memory, in bytes: of one text, of which beginning and end are kept, and of one turn.
const (
	maxText = 64 << 10
	maxTurn = 1 << 20
)

// learn gives memory the messages that it has not seen, and the answer when it was finished. What an upstream has refused was said to
// nobody: the agent says it again, or not. What was said with memory off is given too, so that it is not learned when it comes again.
func (s *stream) learn(finished bool) {
	defer s.rescue("close")
	if s.known == nil || s.HeadOnly() || s.status >= 400 && s.status < 500 {
		return
	}
	r := s.known.reach(s.chains) // again: another exchange may have given them
	now := time.Now()
	list := s.messages(r, now)
	if finished || s.off {
		for i, text := range s.answer.texts() {
			list = append(list, memory.Message{Role: record.Assistant, Text: text, Seq: r.first + int64(len(s.chains)+i), At: now})
		}
	}
	if len(list) == 0 {
		s.known.gave(s.chains, r, finished || s.off)
		return
	}
	if s.off {
		s.known.gave(s.chains, r, true) // whatever becomes of it
		s.give(list)
		return
	}
	s.x.Trail.Append(Name, "upsert_memory",
		filters.Attr{Key: "messages", Value: int64(len(list))}, filters.Attr{Key: "answer", Value: finished})
	if !s.give(list) {
		s.x.Trail.Append(Name, "memory_busy") // the next request gives them again
		return
	}
	s.known.gave(s.chains, r, finished)
}

// give passes messages on, a long history in turns.
func (s *stream) give(list []memory.Message) bool {
	for len(list) > 0 {
		n, size := 0, 0
		for n < len(list) && (n == 0 || size+len(list[n].Text) <= maxTurn) {
			size += len(list[n].Text)
			n++
		}
		if !s.f.engine.Learn(memory.Turn{Scope: s.scope, Messages: list[:n], Unlearned: s.off}) {
			return false
		}
		list = list[n:]
	}
	return true
}

// messages are the new messages of the request: what users and the model say, and what tools return. System text is nobody's memory. In a
// child's conversation it is the parent's model that speaks as the user: its words are a model's.
func (s *stream) messages(r reach, now time.Time) (list []memory.Message) {
	v := s.x.View
	asker := record.User
	if s.x.Identity.Parent != "" {
		asker = record.Assistant
	}
	known := r.answered // the model's next words are those of an answer that was given
	for i := r.from; i < len(v.Msgs); i++ {
		m := &v.Msgs[i]
		add := func(role record.Role, chain uint64, text string) {
			if text != "" {
				list = append(list, memory.Message{
					Role: role, Name: s.speaker(m), Text: text, Chain: chain, Seq: r.first + int64(i), At: now, Document: role == record.Tool,
				})
			}
		}
		switch {
		case m.Kind == wire.ResultItem, m.Kind == wire.Msg && m.Role == wire.Tool:
			add(record.Tool, s.chains[i], strings.Join(texts(nil, v, m.Text), "\n\n"))
		case m.Kind == wire.Msg && m.Role == wire.User:
			for _, res := range v.Results[m.Result.From:m.Result.To] {
				add(record.Tool, 0, strings.Join(texts(nil, v, res.Text), "\n\n"))
			}
			add(asker, s.chains[i], strings.Join(ownTexts(nil, v, m), "\n\n"))
		case m.Kind == wire.Msg && m.Role == wire.Assistant:
			if !known {
				add(record.Assistant, s.chains[i], strings.Join(texts(nil, v, m.Text), "\n\n"))
			}
			continue
		default:
			continue // and what the model says behind it is still the same answer
		}
		known = false
	}
	return list
}

// speaker is the name that a chat message carries, "" for none.
func (s *stream) speaker(m *wire.Message) string {
	v := s.x.View
	if v.Dialect != wire.Chat || m.Kind != wire.Msg || m.Role == wire.Tool || !bytes.Contains(v.Raw(m.Span), nameKey) {
		return ""
	}
	name := gjson.GetBytes(v.Raw(m.Span), "name").Str
	if len(name) > 128 {
		return ""
	}
	return name
}

var nameKey = []byte(`"name"`)

// texts appends decoded texts to dst.
func texts(dst []string, v *wire.View, r wire.Range) []string {
	for _, t := range v.Texts[r.From:r.To] {
		if text := decoded(v.Raw(t)); text != "" {
			dst = append(dst, text)
		}
	}
	return dst
}

// ownTexts appends the decoded texts of a user's message that are no results of tools, nor reminders of the agent's program.
func ownTexts(dst []string, v *wire.View, m *wire.Message) []string {
	for t := m.Text.From; t < m.Text.To; t++ {
		if inResult(v, m, t) {
			continue
		}
		if text := decoded(v.Raw(v.Texts[t])); text != "" && !reminder(text) {
			dst = append(dst, text)
		}
	}
	return dst
}

// reminder reports whether a text is nothing but one of the blocks that Claude Code adds to what its user says.
func reminder(text string) bool {
	const opens, closes = "<system-reminder>", "</system-reminder>"
	text = strings.TrimSpace(text)
	return strings.HasPrefix(text, opens) && strings.Index(text, closes) == len(text)-len(closes)
}

// decoded is the text of a raw JSON string. Of one that is too long, beginning and end.
func decoded(raw []byte) string {
	if len(raw) <= maxText {
		return wire.String(raw)
	}
	const half = maxText / 2
	cut := append(make([]byte, 0, maxText+16), raw[:half]...)
	cut = append(cut, '"')
	head := wire.Unquote(nil, cut)
	tail := raw[len(raw)-half:]
	tail = tail[max(bytes.IndexByte(tail, ' '), 0):] // not in the middle of an escape
	tail = wire.Unquote(nil, append([]byte{'"'}, tail...))
	return strings.ToValidUTF8(string(head)+" … "+string(tail), "")
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// escapeAll writes what is not ASCII in the way of Python's json.dumps.
func escapeAll(b []byte) []byte {
	const hex = "0123456789abcdef"
	out := make([]byte, 0, 2*len(b))
	for _, r := range string(b) {
		if r < utf8.RuneSelf {
			out = append(out, byte(r))
			continue
		}
		for _, u := range utf16Units(r) {
			out = append(out, '\\', 'u', hex[u>>12&15], hex[u>>8&15], hex[u>>4&15], hex[u&15])
		}
	}
	return out
}
