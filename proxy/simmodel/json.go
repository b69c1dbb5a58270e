package simmodel

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/zeebo/xxh3"
)

func hash64(b []byte) uint64 { return xxh3.Hash(b) }

// mix draws a number from a seed and some values; the same values draw the same number.
func mix(seed uint64, vals ...uint64) uint64 {
	x := seed ^ 0x9e3779b97f4a7c15
	for _, v := range vals {
		x ^= v
		x ^= x >> 30
		x *= 0xbf58476d1ce4e5b9
		x ^= x >> 27
		x *= 0x94d049bb133111eb
		x ^= x >> 31
	}
	return x
}

// lower sets a header under its name in lower case, which http.Header.Set would change.
func lower(h http.Header, name, value string) { h[name] = []string{value} }

func quote(s string) []byte { return appendQuoted(nil, s) }

// appendQuoted appends s as a JSON string the way model APIs write it: no HTML escapes, UTF-8 as it is.
func appendQuoted(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, s[start:i]...), `\ufffd`...)
				start = i + 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}

func appendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }

func validJSON(s string) bool { return json.Valid([]byte(s)) }

// compact takes line breaks out of a value, because one event is one line.
func compact(v json.RawMessage) []byte {
	if bytes.IndexByte(v, '\n') < 0 && bytes.IndexByte(v, '\r') < 0 {
		return v
	}
	var b bytes.Buffer
	if json.Compact(&b, v) != nil {
		return []byte("null")
	}
	return b.Bytes()
}
