package wire

import (
	"bytes"
	"math"
	"strconv"
	"sync"

	"github.com/zeebo/xxh3"
)

// A canon hashes JSON values by what they mean: white space, key order, escapes and the spelling of numbers do not matter.
type canon struct {
	s        scanner
	skip     ignore
	tmp, out []byte
	args     []byte
}

var canons = sync.Pool{New: func() any { return new(canon) }}

// An ignore says which members of objects do not count.
type ignore uint8

const (
	ignoreNothing    ignore = iota
	ignoreDecoration        // cache_control and null members
	ignoreItem              // those, and the id and status that only the provider's store knows, at the top
)

// hash hashes a value that has been checked before.
func (c *canon) hash(raw []byte, skip ignore) uint64 {
	h, ok := c.run(raw, skip)
	if !ok {
		return mix(tagInvalid, xxh3.Hash(raw))
	}
	return h
}

// tryHash hashes a value that may be no JSON at all.
func (c *canon) tryHash(raw []byte) (uint64, bool) { return c.run(raw, ignoreNothing) }

func (c *canon) run(raw []byte, skip ignore) (uint64, bool) {
	c.s = scanner{b: raw, lim: Limits{Depth: 512}, keys: c.s.keys[:0], stack: c.s.stack[:0], tmp: c.s.tmp[:0]}
	c.skip = skip
	h, ok := c.value()
	if ok {
		c.s.peek()
		ok = c.s.i == len(raw)
	}
	c.s.b = nil
	return h, ok
}

// text hashes the inside of a raw JSON string in its canonical spelling.
func (c *canon) text(raw []byte) uint64 {
	if !odd(raw) {
		return xxh3.Hash(raw)
	}
	c.tmp = appendUnescaped(c.tmp[:0], raw)
	c.out = appendEscaped(c.out[:0], c.tmp)
	h := xxh3.Hash(c.out)
	const most = 1 << 20
	if cap(c.tmp) > most {
		c.tmp, c.out = nil, nil
	}
	return h
}

// odd reports whether raw has an escape that is not the shortest way to write its character.
func odd(raw []byte) bool {
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 || i+1 >= len(raw) {
			return false
		}
		if raw[i+1] == 'u' || raw[i+1] == '/' {
			return true
		}
		raw = raw[i+2:]
	}
}

func (c *canon) value() (uint64, bool) {
	s := &c.s
	at := s.peek()
	from := s.i
	switch at {
	case '{':
		return c.object()
	case '[':
		return c.array()
	case '"':
		if !s.str() {
			return 0, false
		}
		return mix(tagText, c.text(s.b[from+1:s.i-1])), true
	default:
		if !s.scalar(at) {
			return 0, false
		}
		raw := s.b[from:s.i]
		if at == 't' || at == 'f' || at == 'n' {
			return mix(tagLiteral, uint64(at)), true
		}
		return number(raw), true
	}
}

// object adds up its members, so that their order does not matter.
func (c *canon) object() (uint64, bool) {
	s := &c.s
	top := s.depth == 0
	if !s.open() {
		return 0, false
	}
	var sum uint64
	n := uint64(0)
	for more := s.peek() != '}'; more; {
		if s.peek() != '"' {
			return 0, false
		}
		from := s.i
		if !s.str() {
			return 0, false
		}
		key := s.b[from+1 : s.i-1]
		name := c.text(key)
		if !s.colon() {
			return 0, false
		}
		null := s.peek() == 'n'
		h, ok := c.value()
		if !ok {
			return 0, false
		}
		if !c.ignored(key, null, top) {
			sum += mix(name, h)
			n++
		}
		switch s.peek() {
		case ',':
			s.i++
		case '}':
			more = false
		default:
			return 0, false
		}
	}
	s.close()
	return mix(mix(tagObject, n), sum), true
}

func (c *canon) ignored(key []byte, null, top bool) bool {
	switch c.skip {
	case ignoreNothing:
		return false
	case ignoreItem:
		if top && (string(key) == "id" || string(key) == "status") {
			return true
		}
	}
	return null || string(key) == "cache_control"
}

func (c *canon) array() (uint64, bool) {
	s := &c.s
	if !s.open() {
		return 0, false
	}
	h := tagArray
	for more := s.peek() != ']'; more; {
		e, ok := c.value()
		if !ok {
			return 0, false
		}
		h = mix(h, e)
		switch s.peek() {
		case ',':
			s.i++
		case ']':
			more = false
		default:
			return 0, false
		}
	}
	s.close()
	return h, true
}

// number hashes 1, 1.0 and 1e0 alike, as a JavaScript agent would write them again. Integers too big for a double keep
// all their digits.
func number(raw []byte) uint64 {
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return mix(tagInteger, uint64(n))
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	switch {
	case !bytes.ContainsAny(raw, ".eE") || err != nil:
		return mix(tagBigInteger, xxh3.Hash(raw))
	case f == math.Trunc(f) && math.Abs(f) <= 1<<53:
		return mix(tagInteger, uint64(int64(f)))
	}
	return mix(tagFloat, math.Float64bits(f))
}
