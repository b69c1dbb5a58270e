// Package head reads HTTP/1.1 header blocks without changing them: names keep their case and order, values their bytes.
//
// The one rule: a Fields value aliases the block it was parsed from; whoever keeps it longer than the block must copy.
package head

import (
	"bytes"
	"errors"
)

// A Field is one header line. Name and Value alias the block; Value has no surrounding white space.
type Field struct{ Name, Value []byte }

// Fields are header lines in the order in which they came.
type Fields []Field

// Get returns the value of the first field with that name in any case, or nil.
func (f Fields) Get(name string) []byte {
	for i := range f {
		if Is(f[i].Name, name) {
			return f[i].Value
		}
	}
	return nil
}

// Has reports whether a field with that name is present.
func (f Fields) Has(name string) bool {
	for i := range f {
		if Is(f[i].Name, name) {
			return true
		}
	}
	return false
}

// Clone returns a copy that shares no memory with f.
func (f Fields) Clone() Fields {
	out := make(Fields, len(f))
	for i := range f {
		out[i] = Field{bytes.Clone(f[i].Name), bytes.Clone(f[i].Value)}
	}
	return out
}

// Is compares a field name with a lower-case name, ignoring ASCII case.
func Is(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := range b {
		c := b[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// ErrMalformed is returned for a block that is not a list of header lines.
var ErrMalformed = errors.New("head: malformed header line")

// Parse appends the fields of a header block (lines, the closing empty line optional) to dst. Folded lines, empty names,
// white space before the colon and control bytes are refused: parsers disagree about them.
func Parse(dst Fields, block []byte) (Fields, error) {
	for len(block) > 0 {
		nl := bytes.IndexByte(block, '\n')
		line := block
		if nl >= 0 {
			line, block = block[:nl], block[nl+1:]
		} else {
			block = nil
		}
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
		if len(line) == 0 {
			break
		}
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 || !token(line[:colon]) {
			return dst, ErrMalformed
		}
		value := trim(line[colon+1:])
		for _, c := range value {
			if c < ' ' && c != '\t' || c == 0x7f {
				return dst, ErrMalformed
			}
		}
		dst = append(dst, Field{line[:colon], value})
	}
	return dst, nil
}

// tokens marks the bytes of a field name (RFC 9110, section 5.6.2).
var tokens = func() (t [256]bool) {
	for c := byte('!'); c < 0x7f; c++ {
		t[c] = true
	}
	for _, c := range []byte(`()<>@,;:\"/[]?={}`) {
		t[c] = false
	}
	return t
}()

func token(b []byte) bool {
	for _, c := range b {
		if !tokens[c] {
			return false
		}
	}
	return true
}

// trim removes the white space around a value.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// Nominates reports whether a Connection line names other lines, which then belong to this connection only.
func (f Fields) Nominates() bool {
	for i := range f {
		if Is(f[i].Name, "connection") && !Is(f[i].Value, "keep-alive") && !Is(f[i].Value, "close") {
			return true
		}
	}
	return false
}

// Connection reports whether any Connection line lists the option, such as close, or a field's name.
func (f Fields) Connection(option []byte) bool {
	for i := range f {
		if Is(f[i].Name, "connection") && Lists(f[i].Value, option) {
			return true
		}
	}
	return false
}

// Lists reports whether a comma-separated list holds an element, ignoring case.
func Lists(list, element []byte) bool {
	for part := range bytes.SplitSeq(list, []byte{','}) {
		if bytes.EqualFold(trim(part), element) {
			return true
		}
	}
	return false
}

// Same compares two field names, ignoring ASCII case.
func Same(a []byte, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := a[i], b[i]
		if 'A' <= x && x <= 'Z' {
			x |= 0x20
		}
		if 'A' <= y && y <= 'Z' {
			y |= 0x20
		}
		if x != y {
			return false
		}
	}
	return true
}
