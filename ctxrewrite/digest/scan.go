package digest

import (
	"bytes"
	"strings"
)

func set(list string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(list) {
		m[w] = true
	}
	return m
}

// Classes of bytes in tab. A word for the fact scanner is a run of bytes whose class is not 0.
const (
	upper uint8 = 1 << iota
	lower
	digit
	joint // inside ids
	mark  // inside paths, addresses and labels
)

var tab = func() (t [256]uint8) {
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-32] = lower, upper
	}
	for c := '0'; c <= '9'; c++ {
		t[c] = digit
	}
	for _, c := range "-_#+~%&=?" {
		t[c] = joint
	}
	for _, c := range "./:@" {
		t[c] = joint | mark
	}
	return t
}()

// A value is a word of escaped content that may be worth a place in the ledger.
type value struct {
	From, To int
	Flags    uint8
}

// scan calls visit with the words that have digits and letters; in user text with numbers, too, and with those that are joined
// like paths and addresses. Escapes separate words, those of a JSON text inside the text as well.
func (r *reader) scan() {
	switch r.class {
	case userText:
		r.values()
	case assistantText:
		r.codes()
		r.cues(reasonAnchors)
	default:
		r.codes()
		r.cues(faultAnchors)
	}
}

// values goes from one digit or mark to the next.
func (r *reader) values() {
	for i := nextMark(r.raw, 0); i < len(r.raw); {
		v := valueAt(r.raw, i)
		if v.Flags&digit != 0 || v.Flags&mark != 0 && v.Flags&(upper|lower) != 0 && v.To-v.From >= 6 {
			r.visit(v)
		}
		i = nextMark(r.raw, v.To)
	}
}

// minCode is the length of the shortest word that is looked at as a code.
const minCode = 7

// codes goes from digit to digit, as most of the text is not near one.
func (r *reader) codes() {
	for i := nextDigit(r.raw, 0); i < len(r.raw) && r.n < len(r.found); {
		v := valueAt(r.raw, i)
		if v.To-v.From >= minCode && v.Flags&digit != 0 && v.Flags&(upper|lower) != 0 && !r.bare(v) {
			r.visit(v)
		}
		i = nextDigit(r.raw, v.To)
	}
}

// cues looks at the words without digits at the anchors.
func (r *reader) cues(a *anchors) {
	for at, rest := a.next(r.raw, 0); at >= 0; at, rest = a.next(r.raw, rest) {
		switch v := valueAt(r.raw, at); {
		case v.Flags&digit != 0 || r.bare(v):
		case r.class == assistantText:
			r.decision(v)
		default:
			r.fault(v)
		}
	}
}

// valueAt is the word whose byte i is. It is empty, and ends behind i, when that byte is part of an escape.
func valueAt(raw []byte, i int) value {
	v := value{From: i, To: i + 1, Flags: tab[raw[i]]}
	for v.To < len(raw) && tab[raw[v.To]] != 0 {
		v.Flags |= tab[raw[v.To]]
		v.To++
	}
	for v.From > 0 && tab[raw[v.From-1]] != 0 {
		v.From--
		v.Flags |= tab[raw[v.From]]
	}
	if v.From > 0 && raw[v.From-1] == '\\' {
		v.cut(raw)
	}
	return v
}

// cut takes off v what belongs to the escape before it, perhaps of the inner text.
func (v *value) cut(raw []byte) {
	switch odd := oddSlash(raw[:v.From]); {
	case odd && raw[v.From] == 'u':
		v.From = min(v.From+5, v.To)
	case odd || isBreak(raw[v.From]):
		v.From++
	}
	v.Flags = 0
	for _, c := range raw[v.From:v.To] {
		v.Flags |= tab[c]
	}
}

// bare reports whether a word of a tool result stands in a quotation without blanks, and so is a key or a single value of JSON,
// where no fact is looked for: most of a tool result. A word quoted in a sentence is not.
func (r *reader) bare(v value) bool {
	const longest = 64
	if r.class != toolValue {
		return false
	}
	raw, from := r.raw, v.From
	for from > 0 && v.From-from <= longest && raw[from-1] != '"' && raw[from-1] != ' ' && raw[from-1] != '\\' {
		from--
	}
	if from < 2 || raw[from-1] != '"' || prose(raw, from-2) {
		return false
	}
	n := bytes.IndexByte(raw[from:min(from+longest+1, len(raw))], '\\')
	return n > 0 && bytes.IndexByte(raw[v.To:from+n], ' ') < 0
}
