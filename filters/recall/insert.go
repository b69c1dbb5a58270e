package recall

import (
	"bytes"

	"github.com/trapgate/trapgate/internal/wire"
)

// A place is where a note stands in a user's message: at the end of its text, or as a block behind its blocks. It is chosen by what the
// message says and not by how it is written, because agents write the same message now as a string, now as a block with a cache mark.
type place struct {
	at    int32 // the note is put before this byte
	block bool
}

// placeOf finds the place in message i. There is none in what is no message of a user's own: the results of tools, messages that
// hold nothing else, system text; nor inside of what somebody else edits.
func placeOf(v *wire.View, edits *wire.Edits, i int) (p place, ok bool) {
	m := &v.Msgs[i]
	if !ownWords(v, m) {
		return place{}, false
	}
	c := m.Content
	switch v.Body[c.Start] {
	case '"':
		p.at = c.End - 1
	case '[':
		if p.at = onlyText(v, m); p.at == 0 {
			p = place{c.End - 1, true}
		}
	default:
		return place{}, false
	}
	return p, free(edits, p.at)
}

// ownWords reports whether a message is a user's and has text that is not the result of a tool.
func ownWords(v *wire.View, m *wire.Message) bool {
	if m.Kind != wire.Msg || m.Role != wire.User || m.Content.Empty() {
		return false
	}
	for t := m.Text.From; t < m.Text.To; t++ {
		if s := v.Texts[t]; s.End-s.Start > 2 && !inResult(v, m, t) {
			return true
		}
	}
	return false
}

// inResult reports whether a text of a message is in one of its results.
func inResult(v *wire.View, m *wire.Message, text int32) bool {
	for _, r := range v.Results[m.Result.From:m.Result.To] {
		if r.Text.From <= text && text < r.Text.To {
			return true
		}
	}
	return false
}

// onlyText is the place of the closing quote of the text of a content that has one block, which says nothing but this text; 0: it is
// not so.
func onlyText(v *wire.View, m *wire.Message) int32 {
	if m.Text.To-m.Text.From != 1 || m.Result.To > m.Result.From || several(m.Content.Of(v.Body)) {
		return 0
	}
	return v.Texts[m.Text.From].End - 1
}

// several reports whether a JSON array has more than one element.
func several(array []byte) bool {
	depth := 0
	for i := 0; i < len(array); i++ {
		switch array[i] {
		case '"':
			i += len(inside(array[i:])) + 1
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth == 1 {
				return true
			}
		}
	}
	return false
}

// inside is what stands between the quotes of the JSON string that raw begins with; without a closing quote, all of the rest.
func inside(raw []byte) []byte {
	for i := 1; i < len(raw); i++ {
		n := bytes.IndexByte(raw[i:], '"')
		if n < 0 {
			break
		}
		i += n
		slashes := 0
		for raw[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return raw[1:i]
		}
	}
	return raw[1:]
}

// free reports whether no edit replaces what is around a byte.
func free(edits *wire.Edits, at int32) bool {
	ok := true
	edits.All(func(s wire.Span, _ []byte) { ok = ok && !(s.Start < at && at < s.End) })
	return ok
}

// A note's bytes in a body: its text, escaped, behind an empty line.
const apart = `\n\n`

// escape makes them of a note's text.
func escape(text string) []byte {
	b := append(make([]byte, 0, len(apart)+len(text)+len(text)/8), apart...)
	q := wire.Quote(b, text) // "...": the quotes go
	copy(q[len(apart):], q[len(apart)+1:])
	return q[: len(q)-2 : len(q)-2]
}

// insert puts an escaped note into a body.
func (p place) insert(d wire.Dialect, edits *wire.Edits, note []byte) {
	if p.block {
		kind := "text"
		if d == wire.Responses {
			kind = "input_text"
		}
		b := append(make([]byte, 0, len(note)+40), `,{"type":"`...)
		b = append(append(b, kind...), `","text":"`...)
		b = append(b, note[len(apart):]...)
		note = append(b, `"}`...)
	}
	edits.Insert(p.at, note)
}
