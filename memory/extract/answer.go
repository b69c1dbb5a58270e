package extract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of an answer.
const (
	maxAnswer   = 64 << 10 // bytes
	maxElements = 16       // of the array: what comes after them is rejected
	maxNesting  = 4        // of arrays and objects
	maxName     = 64       // bytes of a subject or predicate
	maxWords    = 4        // of a predicate: more is a sentence, and nobody said it
	maxObject   = 200
	maxQuote    = 1000
)

// An element is one of an answer.
type element struct {
	Op    string `json:"op"`
	ID    *int   `json:"id"`
	Fact  *fact  `json:"fact"`
	Quote string `json:"quote"`
}

type fact struct {
	Subject   string `json:"subject"`
	Predicate string `json:"predicate"`
	Object    string `json:"object"`
}

// parse reads the array. One element that has another form is a malformed one (nil), and no reason to lose the others.
func parse(answer string) ([]*element, error) {
	answer = unframe(answer)
	if len(answer) > maxAnswer || !utf8.ValidString(answer) || deep(answer) {
		return nil, ErrForm
	}
	var raw []json.RawMessage
	if err := json.Unmarshal([]byte(answer), &raw); err != nil || raw == nil {
		return nil, fmt.Errorf("%w: it begins with %.40q", ErrForm, answer)
	}
	list := make([]*element, len(raw))
	for i := range raw {
		d := json.NewDecoder(bytes.NewReader(raw[i]))
		d.DisallowUnknownFields()
		var e *element
		if d.Decode(&e) == nil {
			list[i] = e
		}
	}
	return list, nil
}

// deep reports whether a text may nest deeper than an answer does. Brackets in strings count: they seldom follow each other.
func deep(text string) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > maxNesting {
				return true
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return false
}

// unframe cuts off what models write around an answer: what they thought, and a frame of backquotes.
func unframe(text string) string {
	if _, answer, ok := strings.Cut(text, "</think>"); ok {
		text = answer
	}
	text = strings.TrimSpace(text)
	if rest, ok := strings.CutPrefix(text, "```"); ok && strings.HasSuffix(rest, "```") {
		_, rest, _ = strings.Cut(rest, "\n")
		text = strings.TrimSpace(strings.TrimSuffix(rest, "```"))
	}
	return text
}

// clean checks the form of a fact and brings it into the one that rules write: names in lower case, the object on one line.
func (f *fact) clean() bool {
	if f == nil {
		return false
	}
	f.Subject, f.Predicate = name(f.Subject), name(f.Predicate)
	f.Object = strings.TrimSpace(f.Object)
	return f.Subject != "" && f.Predicate != "" && strings.Count(f.Predicate, "_") < maxWords &&
		f.Object != "" && len(f.Object) <= maxObject &&
		!strings.ContainsFunc(f.Object, unicode.IsControl)
}

// name is a subject or predicate in small letters with underscores, "" for what is none.
func name(text string) string {
	text = strings.ToLower(strings.Join(strings.Fields(text), "_"))
	ok := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r) || strings.ContainsRune("_.:-'", r)
	}
	wrong := strings.ContainsFunc(text, func(r rune) bool { return !ok(r) })
	if wrong || len(text) > maxName || !strings.ContainsFunc(text, unicode.IsLetter) {
		return ""
	}
	return text
}
