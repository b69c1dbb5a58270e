package digest

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A sentence is a part of escaped content: a sentence of prose, a list item, a heading, or what stands alone in a line.
type sentence struct {
	From, To int
	Item     int  // where the list item begins that it is or stands in, or -1
	Fenced   bool // inside a ``` block
}

// sentences splits escaped content and calls yield with the parts in order. Hard-wrapped lines are joined: a line break ends a
// sentence unless a long line is followed by one that begins in lower case.
func sentences(raw []byte, yield func(sentence)) {
	s := splitter{raw: raw, yield: yield}
	s.line(0)
	for {
		for s.at < len(raw) && !ends[raw[s.at]] {
			s.at++
		}
		if s.at >= len(raw) {
			break
		}
		switch c := raw[s.at]; {
		case c == '\\' && s.at+1 < len(raw) && raw[s.at+1] == 'n':
			s.lineBreak()
		case c == '.' || c == '!' || c == '?':
			s.stop()
		default:
			s.other()
		}
	}
	s.emit(len(raw))
}

// ends are the bytes that a sentence may end with, or an escape or character begin that it may end with.
var ends = [256]bool{
	'\\': true, '.': true, '!': true, '?': true,
	0xD6: true, 0xD8: true, 0xDB: true, 0xE0: true, 0xE1: true, 0xE2: true, 0xE3: true, 0xEF: true,
}

// stops are the characters other than those of ASCII that end a sentence, whether a blank follows or not.
const stops = "。！？｡．।॥۔؟։᠃‼⁇⁈⁉"

// closers belong to the sentence before them.
const closers = "」』）】》〉”’»］" + stops

type splitter struct {
	raw    []byte
	yield  func(sentence)
	at     int
	from   int // where the sentence begins
	begin  int // where the line begins
	item   int // where the list item begins, or -1
	fenced bool
}

func (s *splitter) emit(to int) {
	to = max(to, s.from)
	part := s.raw[s.from:to]
	if body := trim(part); len(body) > 0 {
		from := s.from + lead(part)
		s.yield(sentence{From: from, To: from + len(body), Item: s.item, Fenced: s.fenced})
	}
	s.from = to
}

// line notes that a line begins at i.
func (s *splitter) line(i int) {
	s.begin, s.item = i, -1
	j := i + indent(s.raw[i:])
	if bytes.HasPrefix(s.raw[j:], []byte("```")) {
		s.fenced = !s.fenced
	}
	if n := marker(s.raw[j:]); n > 0 {
		s.item = j
		s.at, s.from = j+n, j+n
	}
}

// lineBreak handles the escaped line break at s.at.
func (s *splitter) lineBreak() {
	next := s.at + 2
	rest := s.raw[next:]
	j := indent(rest)
	wrapped := s.at-s.begin >= 50 && j < len(rest) && rest[j] >= 'a' && rest[j] <= 'z' && !s.fenced && marker(rest[j:]) == 0
	if wrapped && s.from < s.at {
		s.begin, s.at = next, next
		return
	}
	s.emit(s.at)
	s.from, s.at = next, next
	s.line(next)
}

// other handles the escape or the character of several bytes at s.at.
func (s *splitter) other() {
	r, n := character(s.raw[s.at:])
	switch {
	case r == '…':
		s.stop()
	case r < utf8.RuneSelf || !strings.ContainsRune(stops, r):
		s.at += n
	default:
		s.at += n
		for s.at < len(s.raw) {
			if r, n = character(s.raw[s.at:]); r != '!' && r != '?' && r != ')' && !strings.ContainsRune(closers, r) {
				break
			}
			s.at += n
		}
		s.emit(s.at)
	}
}

// character is the one that escaped content begins with, written as it is or as \uXXXX, and its length. It is U+FFFD for escapes
// of other kinds and for halves of pairs.
func character(raw []byte) (rune, int) {
	n := step(raw)
	switch {
	case raw[0] < utf8.RuneSelf && raw[0] != '\\':
		return rune(raw[0]), n
	case raw[0] != '\\':
		r, _ := utf8.DecodeRune(raw)
		return r, n
	case n != 6:
		return utf8.RuneError, n
	}
	code, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	if err != nil {
		return utf8.RuneError, n
	}
	return rune(code), n
}

// stop handles a full stop, an ellipsis, an exclamation or a question mark at s.at.
func (s *splitter) stop() {
	raw, first := s.raw, s.at
	dot := raw[first] != '!' && raw[first] != '?'
	s.at += step(raw[first:])
	for s.at < len(raw) { // what closes belongs to the sentence
		switch c := raw[s.at]; {
		case c == '.' || c == '!' || c == '?' || c == ')' || c == '*' || c == '\'':
			s.at++
			continue
		case c == '\\' && s.at+1 < len(raw) && raw[s.at+1] == '"':
			s.at += 2
			continue
		}
		break
	}
	if s.at == len(raw) {
		return
	}
	if raw[s.at] != ' ' {
		if r, _ := character(raw[s.at:]); r >= 0x2E80 && r < utf8.RuneError {
			s.emit(s.at) // a script without blanks
		}
		return // "example.com", or a line break, which lineBreak sees
	}
	j := s.at
	for j < len(raw) && raw[j] == ' ' {
		j++
	}
	if dot && j < len(raw) && (raw[j] >= 'a' && raw[j] <= 'z' || abbreviation(raw[s.from:first], raw[j])) {
		return
	}
	s.emit(s.at)
	s.from, s.at = j, j
}

// abbreviation reports whether the dot behind text ends a title or "No." before a number rather than a sentence.
func abbreviation(text []byte, next byte) bool {
	word := text[bytes.LastIndexByte(text, ' ')+1:]
	switch string(word) {
	case "No", "no", "Nr", "Art", "Sec", "Fig", "pp", "p", "ca":
		return next >= '0' && next <= '9'
	case "Mr", "Mrs", "Ms", "Dr", "Prof", "St", "vs", "e.g", "i.e", "cf", "approx":
		return true
	}
	return false
}

// indent is the length of blanks at the beginning of a line.
func indent(raw []byte) int {
	i := 0
	for i < len(raw) {
		if raw[i] == ' ' {
			i++
		} else if i+1 < len(raw) && raw[i] == '\\' && (raw[i+1] == 't' || raw[i+1] == 'r') {
			i += 2
		} else {
			break
		}
	}
	return i
}

// marker is the length of the list marker that a line begins with: "- ", "* ", "• ", "3. ", "b) ".
func marker(raw []byte) int {
	if len(raw) < 2 {
		return 0
	}
	if (raw[0] == '-' || raw[0] == '*' || raw[0] == '+') && raw[1] == ' ' {
		return 2
	}
	if bytes.HasPrefix(raw, []byte("• ")) {
		return len("• ")
	}
	i := 0
	for i < len(raw) && i < 3 && raw[i] >= '0' && raw[i] <= '9' {
		i++
	}
	if i == 0 && (raw[0]|0x20) >= 'a' && (raw[0]|0x20) <= 'z' && raw[1] == ')' {
		i = 1
	}
	if i > 0 && i+1 < len(raw) && (raw[i] == '.' || raw[i] == ')') && raw[i+1] == ' ' {
		return i + 2
	}
	return 0
}

// around is the sentence of escaped content that holds [from, to): it ends at line breaks, at stops, and at what encloses
// values in JSON. At most 240 bytes to each side are looked at.
func around(raw []byte, from, to int) (int, int) {
	low, high := max(from-240, 0), min(to+240, len(raw))
	i := from
	for i > low {
		c := raw[i-1]
		if c == '}' || c == ']' || c == '{' {
			break
		}
		if isBreak(c) && oddSlash(raw[:i-1]) || c == '"' && oddSlash(raw[:i-1]) && i-1 > low && !prose(raw, i-2) {
			break
		}
		if c == ' ' && i-1 > low && (raw[i-2] == '.' || raw[i-2] == '!' || raw[i-2] == '?') {
			break
		}
		i--
	}
	if i == low && low > 0 { // nothing found: begin at a word
		if k := bytes.IndexByte(raw[i:from], ' '); k >= 0 {
			i += k + 1
		} else {
			i = from
		}
	}
	j := to
	for j < high {
		c := raw[j]
		if c == '\\' && j+1 < len(raw) && (isBreak(raw[j+1]) || raw[j+1] == '"') || c == '{' || c == '}' {
			break
		}
		if (c == '.' || c == '!' || c == '?') && (j+1 >= len(raw) || raw[j+1] == ' ' || raw[j+1] == '\\') {
			break
		}
		k := step(raw[j:])
		if j+k > high {
			break
		}
		j += k
	}
	return i, j
}

// prose reports whether the quotation mark whose escape begins at i opens or closes a quotation in a sentence rather than a
// JSON string: a word and a blank stand before it.
func prose(raw []byte, i int) bool {
	return i >= 2 && raw[i-1] == ' ' && tab[raw[i-2]]&(upper|lower) != 0
}
