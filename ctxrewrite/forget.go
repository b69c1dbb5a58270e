package ctxrewrite

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Forget removes what was made from texts of a tenant, or shows them: epochs, rules and cuts, and contents that left requests. The
// next request of such a conversation finds other bytes in front, once. A text is found in whatever case, spacing and escaping; of
// one of several sentences, each of at least three words. It returns how many entries went.
//
// What the agent still sends in its own history is the agent's: it is not touched.
func (e *Engine) Forget(ctx context.Context, tenant string, texts []string) (removed int, err error) {
	var parts [][]byte
	for _, text := range texts {
		parts = append(parts, needles(text)...)
	}
	if tenant == "" || len(parts) == 0 {
		return 0, nil
	}
	says := func(text []byte) bool {
		words := wordsOf(text)
		return slices.ContainsFunc(parts, func(part []byte) bool { return bytes.Contains(words, part) })
	}
	e.running.Wait() // what is being stored is there then
	e.sessions.forget(tenant, says)
	return e.store.Purge(ctx, tenant, says)
}

// forget drops from memory what says the text.
func (s *sessions) forget(tenant string, says func([]byte) bool) {
	s.mu.Lock()
	all := s.byKey.Values()
	s.mu.Unlock()
	for _, c := range all {
		if c.key.Tenant != tenant {
			continue
		}
		c.mu.Lock()
		c.epochs = slices.DeleteFunc(c.epochs, func(ep *Epoch) bool { return says(ep.Text) || c.orphan(ep, says) })
		c.trims = slices.DeleteFunc(c.trims, func(t trimmed) bool { return says(t.with) })
		c.last = nil
		if kept := slices.DeleteFunc(slices.Clone(c.pins), func(p string) bool { return says([]byte(p)) }); len(kept) < len(c.pins) {
			c.pins, c.pinSum = nil, 0
			for _, p := range kept {
				c.pin(p)
			}
		}
		c.mu.Unlock()
	}
}

// orphan says that one of the epochs that ep follows is forgotten.
func (c *conversation) orphan(ep *Epoch, says func([]byte) bool) bool {
	for up := ep.parent; up != nil; up = up.parent {
		if says(up.Text) {
			return true
		}
	}
	return false
}

// A sentence of a longer text has so many words, or letters, at least to be looked for alone.
const (
	leastWords   = 3
	leastLetters = 12
)

// needles are what is looked for: the whole text, and its sentences.
func needles(text string) (all [][]byte) {
	if words := wordsOf([]byte(text)); len(words) > 2 {
		all = append(all, words)
	}
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(".!?\n\r;。！？", r) }) {
		if words := wordsOf([]byte(part)); bytes.Count(words, []byte{' '}) > leastWords || utf8.RuneCount(words) > leastLetters+2 {
			all = append(all, words)
		}
	}
	return all
}

// wordsOf is a text's letters and digits in lower case, each word between single spaces, with one in front and one behind. JSON
// escapes, of whatever depth, are read as what they stand for, so that a text is found inside a string inside a string.
func wordsOf(text []byte) []byte {
	out := make([]byte, 1, len(text)+2)
	out[0] = ' '
	for i := 0; i < len(text); {
		if text[i] == '\\' {
			r, n := escaped(text[i:])
			out, i = appendWord(out, r), i+n
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		out, i = appendWord(out, r), i+n
	}
	if out[len(out)-1] != ' ' {
		out = append(out, ' ')
	}
	return out
}

func appendWord(out []byte, r rune) []byte {
	switch {
	case unicode.IsLetter(r) || unicode.IsDigit(r):
		return utf8.AppendRune(out, unicode.ToLower(r))
	case r == '\'' || r == '’' || out[len(out)-1] == ' ': // an apostrophe divides no word
		return out
	}
	return append(out, ' ')
}

// escaped reads backslashes and what they stand in front of.
func escaped(text []byte) (r rune, size int) {
	for size < len(text) && text[size] == '\\' {
		size++
	}
	if size == len(text) {
		return ' ', size
	}
	switch text[size] {
	case 'n', 'r', 't', 'b', 'f':
		return ' ', size + 1
	case 'u':
		if len(text) < size+5 {
			break
		}
		if r, err := strconv.ParseUint(string(text[size+1:size+5]), 16, 32); err == nil {
			return rune(r), size + 5
		}
	}
	return ' ', size
}
