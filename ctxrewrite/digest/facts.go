package digest

import (
	"bytes"
	"strings"

	"github.com/trapgate/trapgate/internal/wire"
)

// trimValue cuts punctuation off both ends.
func trimValue(raw []byte, v value) value {
	for v.To > v.From && tab[raw[v.To-1]]&joint != 0 && raw[v.To-1] != '/' {
		v.To--
	}
	for v.From < v.To && tab[raw[v.From]]&joint != 0 && raw[v.From] != '/' && raw[v.From] != '~' && raw[v.From] != '.' {
		v.From++
	}
	for v.From+1 < v.To && raw[v.From] == '.' && raw[v.From+1] == '.' && (v.From+2 == v.To || raw[v.From+2] == '.') {
		v.From++
	}
	if w := raw[v.From:v.To]; bytes.IndexByte(w, '/') < 0 && bytes.IndexByte(w, '?') < 0 { // "code=X", "code:X"
		if k := max(bytes.LastIndexByte(w, '='), bytes.LastIndexByte(w, ':')); k > 0 && tab[w[0]]&(lower|upper) != 0 && !clock(w) {
			v.From += k + 1
		}
	}
	return v
}

// distinctive reports whether a word looks like a code that was made to be unique: letters and digits mixed, long or in
// groups, and not mostly made of words, as "credit_card_42" is.
func distinctive(w []byte) bool {
	if len(w) < 7 || bytes.IndexByte(w, '=') >= 0 || bytes.Contains(w, []byte("..")) {
		return false
	}
	var digits, letters, words, groups, mixed int
	for i := 0; i < len(w); {
		j := i
		var d, l, small int
		for j < len(w) && tab[w[j]]&joint == 0 {
			switch t := tab[w[j]]; {
			case t&digit != 0:
				d++
			case t&upper != 0:
				l++
			default:
				l++
				small++
			}
			j++
		}
		if d > 0 && l > 0 {
			mixed++
		}
		if d == 0 && small > 0 && small >= l-1 {
			words += l
		}
		if j > i {
			groups++
		}
		digits, letters = digits+d, letters+l
		i = j + 1
	}
	switch {
	case digits < 2 || letters == 0 || words >= digits+1 || clock(w) || letters <= 2 && bytes.IndexByte(w, '.') > 0: // or a version
		return false
	case groups > 1:
		return digits >= 3 && (mixed > 0 || letters-words > 0) && len(w) >= 8
	}
	return len(w) >= 8 && digits >= 3
}

// clock reports whether a word is a date or a time such as 2024-05-15T15:00:00Z or 11:30AM.
func clock(w []byte) bool {
	var d, l int
	for _, c := range w {
		switch t := tab[c]; {
		case t&digit != 0:
			d++
		case t&(upper|lower) != 0:
			l++
		}
	}
	return l <= 3 && (bytes.IndexByte(w, ':') > 0 || bytes.Count(w, []byte("-")) == 2 && d >= 8 && w[4] == '-') && (l == 0 || w[len(w)-1]|0x20 == 'm' || bytes.IndexByte(w, 'T') > 0)
}

// named reports whether the value stands in a sentence that says what it is, rather than in JSON, a table or code: a word or
// "word:" stands before it.
func named(raw []byte, v value) bool {
	i := v.From
	for i > 0 && (raw[i-1] == '*' || raw[i-1] == '`' || raw[i-1] == '\'' || raw[i-1] == '(' || raw[i-1] == '[' || raw[i-1] == '#' || raw[i-1] == '"') {
		if raw[i-1] == '"' {
			i--
		}
		i--
	}
	if i <= 1 || raw[i-1] != ' ' && raw[i-1] != ':' && raw[i-1] != '=' {
		return false
	}
	for i > 0 && strings.IndexByte(" *:=#,->", raw[i-1]) >= 0 {
		i--
	}
	return i > 0 && (tab[raw[i-1]]&(lower|upper|digit) != 0 || raw[i-1] == ')' || raw[i-1] >= 0x80)
}

// opening reports whether the value begins its sentence, and prose follows: "ZQ-1 opens the locker".
func opening(raw []byte, v value, from int) bool {
	return len(trim(raw[from:v.From])) == 0 && v.To+2 < len(raw) && raw[v.To] == ' ' && tab[raw[v.To+1]] == lower && tab[raw[v.To+2]]&(lower|upper) != 0
}

// phraseOf is what the ledger says of a value: the value with the words of its sentence that name it, at
// most so many of those before it.
func phraseOf(raw []byte, v value, most int) []byte {
	from, to := around(raw, v.From, v.To)
	before := raw[from:v.From]
	count, i := 0, len(before)
	for i > 0 {
		if before[i-1] == ' ' && i < len(before) {
			if count++; count == most {
				break
			}
		}
		i--
	}
	before = before[i:]
	for _, end := range []string{": ", ", "} {
		if k := bytes.LastIndex(before, []byte(end)); k >= 0 && bytes.Count(before[k+2:], []byte(" ")) >= 3 {
			before = before[k+2:] // "Note: the code of ...", "Sure, my id is ..."
		}
	}
	short := bytes.Count(before, []byte(" ")) < 4
	end := v.To
	if rest := raw[v.To:to]; short || len(rest) < 24 {
		end = v.To + len(firstWords(rest))
	}
	p := trim(raw[v.From-len(before) : end])
	for _, lead := range []string{"Note: ", "note: ", "Also, ", "and ", "the ", "The ", "- ", "* "} {
		p = bytes.TrimPrefix(p, []byte(lead))
	}
	return p
}

// firstWords is the beginning of raw with at most 8 words.
func firstWords(raw []byte) []byte {
	n := 0
	for i := 1; i < len(raw); i++ {
		if raw[i] == ' ' {
			if n++; n == 8 {
				return raw[:i]
			}
		}
	}
	return raw
}

// A reader goes through one text: it finds facts, and on the way the sentences that decide or complain.
type reader struct {
	c      *collector
	raw    []byte
	class  class
	skip   []wire.Span // parts that stay verbatim as pins, ascending
	found  [24]value
	n      int
	until  int // the end of the last error line or decision
	faults int
	failed bool // the first line is an error
}

// read looks for facts in one text, and reports whether it is an error as a whole.
func (c *collector) read(raw []byte, class class, skip []wire.Span) bool {
	r := reader{c: c, raw: raw, class: class, skip: skip}
	r.scan()
	for i, v := range r.found[:r.n] {
		if bulk(raw, r.found[:r.n], i) {
			continue
		}
		k := class
		if v.Flags != 0 {
			k = plainValue
		}
		c.addFact(raw, v, k)
	}
	return r.failed
}

// visit looks at one word that scan chose.
func (r *reader) visit(v value) {
	if r.n == len(r.found) || v.To-v.From > 200 || r.skips(v.From) {
		return
	}
	raw := r.raw
	if v = trimValue(raw, v); v.To-v.From < 2 {
		return
	}
	if distinctive(raw[v.From:v.To]) {
		v.Flags = 0
		if !named(raw, v) && r.class != userText {
			if from, _ := around(raw, v.From, v.To); !opening(raw, v, from) {
				return
			}
		}
	} else if r.class != userText || !worth(raw, v) {
		return
	}
	r.found[r.n] = v
	r.n++
}

// bulk reports whether more than four values of the same length and class stand in one text: a listing.
func bulk(raw []byte, all []value, i int) bool {
	same := 0
	for _, o := range all {
		if o.To-o.From == all[i].To-all[i].From && (o.Flags == 0) == (all[i].Flags == 0) {
			same++
		}
	}
	return same > 4
}

// skips reports whether a pin holds at; it is asked in ascending order.
func (r *reader) skips(at int) bool {
	for len(r.skip) > 0 && int(r.skip[0].End) <= at {
		r.skip = r.skip[1:]
	}
	return len(r.skip) > 0 && int(r.skip[0].Start) <= at
}

// worth reports whether a word of user text that is no code has a value to remember: an id, path, address or amount.
func worth(raw []byte, v value) bool {
	w := raw[v.From:v.To]
	switch {
	case bytes.Contains(w, []byte("://")):
		return len(w) > 10
	case bytes.IndexByte(w, '@') > 0:
		return bytes.LastIndexByte(w, '.') > bytes.IndexByte(w, '@')
	case isPath(w):
		return true
	case v.Flags&digit == 0:
		return false
	case v.Flags&(upper|lower) != 0:
		return len(w) >= 5 && !clock(w) && v.Flags&upper != 0 || len(w) >= 8 && bytes.IndexByte(w, '_') > 0
	}
	return v.From > 0 && raw[v.From-1] == '$' || units[string(bytes.ToLower(wordAt(raw, v.To)))]
}

// wordAt is the word behind the blank at i.
func wordAt(raw []byte, i int) []byte {
	if i >= len(raw) || raw[i] != ' ' {
		return nil
	}
	j := i + 1
	for j < len(raw) && j < i+12 && tab[raw[j]]&(lower|upper) != 0 {
		j++
	}
	return raw[i+1 : j]
}

var units = set(`dollars dollar euros euro usd eur gbp pounds percent hours hour days day weeks months years minutes seconds ms kb mb
	gb tb kg km miles tokens requests users rows items kib mib gib`)

// isPath reports whether a word is the path of a file: a slash between names, or a name with a usual extension.
func isPath(w []byte) bool {
	slash := bytes.IndexByte(w, '/')
	if slash >= 0 {
		last := w[bytes.LastIndexByte(w, '/')+1:]
		letters := 0
		for _, c := range w {
			if tab[c]&(lower|upper) != 0 {
				letters++
			}
		}
		return len(w) >= 5 && letters >= 3 && (slash == 0 || w[0] == '.' || w[0] == '~' || extension(last)) && !bytes.Contains(w, []byte("//"))
	}
	return extension(w)
}

// extension reports whether a name ends in a dot and two to four letters, or one that is usual.
func extension(name []byte) bool {
	dot := bytes.LastIndexByte(name, '.')
	return dot > 0 && extensions[string(name[dot+1:])]
}

var extensions = set(`go py js ts tsx jsx rs c h cc cpp hpp java kt rb php swift scala sh bash zsh sql md rst txt json yaml yml toml
	xml html css scss ini cfg conf env lock csv tsv pdf png jpg svg ipynb log proto tf gradle mod sum ps1 lua vue`)
