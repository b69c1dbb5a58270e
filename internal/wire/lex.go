package wire

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// A scanner reads JSON once, from left to right, and checks all of it: what it lets pass every parser reads alike.
type scanner struct {
	b     []byte
	i     int // next byte
	depth int // open objects and arrays
	lim   Limits
	count int // elements so far
	odd   int // \u and \/ escapes so far
	err   *SyntaxError
	lax   bool // do not check UTF-8

	keys  []uint64 // folded hashes of unknown keys in the open checked objects
	stack []byte   // of skip
	tmp   []byte   // decoded keys
	start headState
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

func (s *scanner) fail(at int, code, msg string) bool {
	if s.err == nil {
		s.err = &SyntaxError{Offset: at, Code: code, Msg: msg}
	}
	return false
}

// unexpected fails at the next byte.
func (s *scanner) unexpected(want string) bool {
	if s.i >= len(s.b) {
		return s.fail(len(s.b), CodeInvalidJSON, "unexpected end, expected "+want)
	}
	if c := s.b[s.i]; c >= utf8.RuneSelf {
		if r, n := utf8.DecodeRune(s.b[s.i:]); r == utf8.RuneError && n <= 1 {
			return s.fail(s.i, CodeInvalidUTF8, "invalid UTF-8")
		}
	}
	return s.fail(s.i, CodeInvalidJSON, "unexpected character, expected "+want)
}

// peek skips white space and returns the next byte without taking it; 0 at the end.
func (s *scanner) peek() byte {
	b, i := s.b, s.i
	for uint(i) < uint(len(b)) {
		c := b[i]
		if c > ' ' || c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			s.i = i
			return c
		}
		i++
	}
	s.i = i
	return 0
}

func (s *scanner) open() bool {
	s.depth++
	if s.depth > s.lim.Depth {
		return s.fail(s.i, CodeTooDeep, "nested too deeply")
	}
	s.i++
	return true
}

func (s *scanner) close() {
	s.depth--
	s.i++
}

func (s *scanner) element() bool {
	s.count++
	if s.count > s.lim.Elements {
		return s.fail(s.i, CodeTooMany, "too many messages, content blocks and tools")
	}
	return true
}

// str takes the string whose opening quote is next. Eight bytes at a time are searched for quotes, backslashes and control
// bytes. In an agent's body an escape comes every 15 to 30 bytes, so calls to IndexByte would be the slower way; and the
// words are read at a fixed stride, so that the processor need not wait for one escape to know where to look for the next.
// What is longer than some words is read by skipBlocks, where there is one.
func (s *scanner) str() bool {
	b := s.b
	start := s.i
	p := start + 1
	var high, escaped uint64 // escaped covers the first byte of the word when the word before ended in a backslash
	for words := p + blockLen; ; words = p + blockLen {
		if !vector {
			words = len(b)
		}
		for p >= 0 && p < words && p+8 <= len(b) { // p >= 0 spares the bounds check
			w := binary.LittleEndian.Uint64(b[p : p+8])
			high |= w
			m := special(w) &^ escaped
			escaped = 0
			for m != 0 {
				k := bits.TrailingZeros64(m) >> 3
				at := p + k
				if b[at] != '\\' {
					return s.endOrControl(start, at, high)
				}
				if at+1 >= len(b) || !short[b[at+1]] && !s.escape(at) {
					return s.fail(at, CodeInvalidJSON, "invalid escape in a string")
				}
				m &= ^uint64(0) << (8*uint(k) + 16)
				escaped = uint64(k+1) >> 3 * 0xff
			}
			p += 8
		}
		if p+blockLen > len(b) && p+8 > len(b) {
			break
		}
		if p+blockLen <= len(b) {
			passed, carry, over := skipBlocks(&b[p], (len(b)-p)&^(blockLen-1), escaped&1)
			if p += passed; passed > 0 && carry != 0 && (p >= len(b) || !short[b[p]] && !s.escape(p-1)) {
				return s.fail(p-1, CodeInvalidJSON, "invalid escape in a string") // its letter was not passed
			}
			escaped = carry * 0xff
			if over != 0 {
				high |= highs
			}
		}
	}
	if escaped != 0 {
		p++
	}
	for p < len(b) {
		c := b[p]
		switch {
		case plain[c]:
			high |= uint64(c)
			p++
		case c != '\\':
			return s.endOrControl(start, p, high)
		case p+1 >= len(b) || !short[b[p+1]] && !s.escape(p):
			return s.fail(p, CodeInvalidJSON, "invalid escape in a string")
		default:
			p += 2
		}
	}
	return s.fail(len(b), CodeInvalidJSON, "string without an end")
}

// blockLen is what skipBlocks passes at a time, in bytes, and after how many words it is worth a call.
const blockLen = 64

// special has the top bit of each byte that is a quote, a backslash or a control byte.
func special(w uint64) uint64 {
	low := w &^ highs
	return ^(((low^'"'*ones)+0x7f*ones)&((low^'\\'*ones)+0x7f*ones)&(low+0x60*ones) | w) & highs
}

// endOrControl ends the string at its closing quote, or fails at a control byte.
func (s *scanner) endOrControl(start, at int, high uint64) bool {
	if s.b[at] != '"' {
		return s.fail(at, CodeInvalidJSON, "control character in a string")
	}
	s.i = at + 1
	if high&highs != 0 && !s.lax {
		if bad := invalidUTF8(s.b[start:at]); bad >= 0 {
			return s.fail(start+bad, CodeInvalidUTF8, "invalid UTF-8")
		}
	}
	return true
}

// short has the letters of the escapes that are the only way, or the shortest, to write their character; plain the bytes
// that stand for themselves in a string.
var short, plain = func() (s, p [256]bool) {
	for _, c := range "n\"\\trbf" {
		s[c] = true
	}
	for c := range p {
		p[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return s, p
}()

// escape checks an escape that is not short. The digits of \u need no skipping: none of them is special.
func (s *scanner) escape(p int) bool {
	rest := s.b[p+1:]
	if rest[0] == '/' || rest[0] == 'u' && len(rest) > 4 && hex4(rest[1:5]) >= 0 {
		s.odd++
		return true
	}
	return false
}

// hex4 decodes four hexadecimal digits, -1 when they are not.
func hex4(b []byte) rune {
	var r rune
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// invalidUTF8 returns the offset of the first byte that is not UTF-8, or -1. Unlike utf8.Valid it goes back to eight bytes
// at a time after each run of other letters.
func invalidUTF8(b []byte) int {
	i := 0
	for i < len(b) {
		if i+8 <= len(b) {
			m := binary.LittleEndian.Uint64(b[i:]) & highs
			if m == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(m) >> 3
		}
		for i < len(b) && b[i] >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n <= 1 {
				return i
			}
			i += n
		}
		if i+8 > len(b) {
			for i < len(b) && b[i] < utf8.RuneSelf {
				i++
			}
		}
	}
	return -1
}

// num takes a number.
func (s *scanner) num() bool {
	b, i := s.b, s.i
	if i < len(b) && b[i] == '-' {
		i++
	}
	switch {
	case i < len(b) && b[i] == '0':
		i++
	case i < len(b) && '1' <= b[i] && b[i] <= '9':
		i = digits(b, i)
	default:
		s.i = i
		return s.unexpected("a digit")
	}
	if i < len(b) && b[i] == '.' {
		j := digits(b, i+1)
		if j == i+1 {
			s.i = j
			return s.unexpected("a digit")
		}
		i = j
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		j := digits(b, i)
		if j == i {
			s.i = j
			return s.unexpected("a digit")
		}
		i = j
	}
	s.i = i
	return true
}

func digits(b []byte, i int) int {
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return i
}

// literal takes true, false or null.
func (s *scanner) literal(word string) bool {
	if len(s.b)-s.i < len(word) || string(s.b[s.i:s.i+len(word)]) != word {
		return s.unexpected("a value")
	}
	s.i += len(word)
	return true
}

// scalar takes a value that is no object and no array; c is its first byte.
func (s *scanner) scalar(c byte) bool {
	switch c {
	case '"':
		return s.str()
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return s.num()
	}
	return s.unexpected("a value")
}

// skip takes any value and checks it. Keys are not compared: this is for what is nobody's business.
func (s *scanner) skip() bool {
	c := s.peek()
	if c != '{' && c != '[' {
		return s.scalar(c)
	}
	s.stack = s.stack[:0]
	for {
		switch c {
		case '{', '[':
			if !s.open() {
				return false
			}
			s.stack = append(s.stack, c)
			next := s.peek()
			if next == c+2 { // the closing bracket stands two after the opening one in ASCII, for both kinds
				break
			}
			if c == '{' && !s.name() {
				return false
			}
			c = s.peek()
			continue
		default:
			if !s.scalar(c) {
				return false
			}
		}
		for { // behind a value
			top := s.stack[len(s.stack)-1]
			c = s.peek()
			if c == ',' {
				s.i++
				if top == '{' && !s.name() {
					return false
				}
				c = s.peek()
				break
			}
			if c != top+2 {
				return s.unexpected("a comma or the end of an object or array")
			}
			s.close()
			s.stack = s.stack[:len(s.stack)-1]
			if len(s.stack) == 0 {
				return true
			}
		}
	}
}

// name takes a key and its colon.
func (s *scanner) name() bool {
	if s.peek() != '"' {
		return s.unexpected("a key")
	}
	if !s.str() {
		return false
	}
	return s.colon()
}

func (s *scanner) colon() bool {
	if s.peek() != ':' {
		return s.unexpected("a colon")
	}
	s.i++
	return true
}

// value takes any value and returns its span; first is its first byte.
func (s *scanner) value() (sp Span, first byte, ok bool) {
	first = s.peek()
	at := s.i
	ok = s.skip()
	return Span{int32(at), int32(s.i)}, first, ok
}
