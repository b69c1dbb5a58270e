package assemble

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// maxDepth is how deep values may be nested.
const maxDepth = 128

// A scanner reads one JSON value from left to right and checks what it passes, UTF-8 excepted: upstreams cut characters
// between events. After a fault bad is set, every loop ends, and what was returned means nothing.
type scanner struct {
	b     []byte
	i     int // next byte
	depth int
	bad   bool
}

// peek skips white space and returns the next byte without taking it, 0 at the end.
func (s *scanner) peek() byte {
	for s.i < len(s.b) {
		c := s.b[s.i]
		if c > ' ' || c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c
		}
		s.i++
	}
	return 0
}

func (s *scanner) fail() bool {
	s.bad = true
	s.i = len(s.b)
	return false
}

// first enters the object or array that is next and reports whether it has a member; another does so behind one. Both take
// the closing bracket.
func (s *scanner) first() bool {
	closing := s.b[s.i] + 2 // } and ] are two behind { and [
	s.i++
	if s.depth++; s.depth > maxDepth {
		return s.fail()
	}
	if s.peek() == closing {
		s.i++
		s.depth--
		return false
	}
	return true
}

func (s *scanner) another(closing byte) bool {
	switch c := s.peek(); {
	case s.bad:
		return false
	case c == ',':
		s.i++
		return true
	case c == closing:
		s.i++
		s.depth--
		return false
	}
	return s.fail()
}

// key takes a member's key and colon and returns the key as it stands between its quotes; the value is next.
func (s *scanner) key() []byte {
	if s.peek() != '"' {
		s.fail()
		return nil
	}
	key := s.str()
	if s.peek() != ':' {
		s.fail()
		return nil
	}
	s.i++
	s.peek()
	return key
}

// str takes the string that is next and returns what stands between its quotes.
func (s *scanner) str() []byte {
	b, at := s.b, s.i+1
	for p := at; p < len(b); {
		if p+8 <= len(b) {
			m := special(binary.LittleEndian.Uint64(b[p:]))
			if m == 0 {
				p += 8
				continue
			}
			p += bits.TrailingZeros64(m) >> 3
		}
		switch c := b[p]; {
		case c == '"':
			s.i = p + 1
			return b[at:p:p]
		case c == '\\':
			n := escape(b[p:])
			if n == 0 {
				s.fail()
				return nil
			}
			p += n
		case c < ' ':
			s.fail()
			return nil
		default:
			p++
		}
	}
	s.fail()
	return nil
}

// special has the top bit of each byte that is a quote, a backslash or a control byte.
func special(w uint64) uint64 {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	low := w &^ highs
	quote, slash := low^('"'*ones), low^('\\'*ones)
	plain := (quote + 0x7f*ones) & (slash + 0x7f*ones) & (low + 0x60*ones)
	return ^(plain | w) & highs
}

// escape is the length of the escape that b begins with, 0 when it is none.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	if b[1] != 'u' {
		if bytes.IndexByte([]byte(`"\/bfnrt`), b[1]) < 0 {
			return 0
		}
		return 2
	}
	if len(b) < 6 {
		return 0
	}
	for _, c := range b[2:6] {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return 0
		}
	}
	return 6
}

// value takes the value that is next and returns its bytes, none after a fault.
func (s *scanner) value() []byte {
	s.peek()
	at := s.i
	s.skip()
	if s.bad {
		return nil
	}
	return s.b[at:s.i:s.i]
}

func (s *scanner) skip() {
	switch c := s.peek(); c {
	case '{':
		for more := s.first(); more; more = s.another('}') {
			s.key()
			s.skip()
		}
	case '[':
		for more := s.first(); more; more = s.another(']') {
			s.skip()
		}
	case '"':
		s.str()
	case 'n':
		s.word("null")
	case 't':
		s.word("true")
	case 'f':
		s.word("false")
	default:
		s.number()
	}
}

func (s *scanner) word(w string) {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		s.fail()
		return
	}
	s.i += len(w)
}

// number takes a number: -? (0 | [1-9] digits) (. digits)? ([eE] [+-]? digits)?
func (s *scanner) number() {
	if s.i < len(s.b) && s.b[s.i] == '-' {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == '0' {
		s.i++
	} else if !s.digits() {
		return
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if !s.digits() {
			return
		}
	}
	if s.i < len(s.b) && s.b[s.i]|0x20 == 'e' {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		s.digits()
	}
}

func (s *scanner) digits() bool {
	at := s.i
	for s.i < len(s.b) && '0' <= s.b[s.i] && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > at || s.fail()
}

// integer takes the value that is next; ok says that it was an integer that is not negative and fits.
func (s *scanner) integer() (n int64, ok bool) {
	raw := s.value()
	if len(raw) == 0 || len(raw) > 18 {
		return 0, false
	}
	for _, c := range raw {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// end reports whether the whole text was one value.
func (s *scanner) end() bool { return s.peek() == 0 && !s.bad && s.i == len(s.b) }

// valid reports whether b is one JSON value.
func valid(b []byte) bool {
	s := scanner{b: b}
	s.skip()
	return s.end()
}

// find returns the value of a member of the object that is next, nil when it has none, and stays where it is.
func (s *scanner) find(name string) []byte {
	was := *s
	var found []byte
	for more := s.peek() == '{' && s.first(); more; more = s.another('}') {
		key := s.key()
		if v := s.value(); string(key) == name {
			found = v
			break
		}
	}
	bad := s.bad
	*s = was
	if s.bad = bad; bad {
		return nil
	}
	return found
}

// indexOf is find of an integer `index`, -1 when the object has none.
func (s *scanner) indexOf() int64 {
	raw := s.find("index")
	if n := (scanner{b: raw}); raw != nil {
		if i, ok := n.integer(); ok {
			return i
		}
	}
	return -1
}

// unquoted is what stands between the quotes of a raw string, nil of anything else.
func unquoted(raw []byte) []byte {
	if len(raw) < 2 || raw[0] != '"' {
		return nil
	}
	return raw[1 : len(raw)-1]
}
