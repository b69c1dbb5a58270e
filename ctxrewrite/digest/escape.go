package digest

import (
	"bytes"
	"unicode/utf8"

	"github.com/trapgate/trapgate/internal/wire"
)

// unescape decodes escaped content. Without escapes the result aliases raw.
func unescape(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	q := make([]byte, 0, len(raw)+2)
	q = append(append(append(q, '"'), raw...), '"')
	return wire.Unquote(make([]byte, 0, len(raw)), q)
}

// plain decodes escaped content. The result is good until the next call, and aliases raw when that has no escapes.
func (c *collector) plain(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	c.quoted = append(append(append(c.quoted[:0], '"'), raw...), '"')
	c.decoded = wire.Unquote(c.decoded, c.quoted)
	return c.decoded
}

// escape makes escaped content of plain text.
func escape(plain string) []byte {
	q := wire.Quote(nil, plain)
	return q[1 : len(q)-1]
}

// inside is the escaped content of a raw JSON string, nil for other values.
func inside(raw []byte) []byte {
	if len(raw) < 2 || raw[0] != '"' {
		return nil
	}
	return raw[1 : len(raw)-1]
}

// respell gives ASCII characters that need not be written as \u00XX their usual spelling, so that a line break is found however it
// is written. Content without such escapes, which is nearly all, comes back as it is.
func respell(raw []byte) []byte {
	if !bytes.Contains(raw, []byte(`\u00`)) {
		return raw
	}
	out := make([]byte, 0, len(raw))
	for len(raw) > 0 {
		n := step(raw)
		if n == 6 && raw[2] == '0' && raw[3] == '0' {
			if plain := unescape(raw[:n]); len(plain) == 1 {
				out = append(out, escape(string(plain))...)
				raw = raw[n:]
				continue
			}
		}
		out = append(out, raw[:n]...)
		raw = raw[n:]
	}
	return out
}

// HighSurrogate reports whether an escape of the form \uXXXX, of at least four bytes, is the first half of a pair.
func HighSurrogate(escape []byte) bool {
	return escape[2]|0x20 == 'd' && (escape[3] == '8' || escape[3] == '9' || escape[3]|0x20 == 'a' || escape[3]|0x20 == 'b')
}

// step is the length of the character, escaped or not, that raw begins with. A surrogate pair of escapes counts as one, and
// so does a multi-byte character, so that a cut after it is always valid.
func step(raw []byte) int {
	c := raw[0]
	switch {
	case c == '\\':
		if len(raw) < 2 || raw[1] != 'u' {
			return min(2, len(raw))
		}
		if len(raw) >= 12 && HighSurrogate(raw) && raw[6] == '\\' && raw[7] == 'u' {
			return 12
		}
		return min(6, len(raw))
	case c < 0xC0:
		return 1
	case c < 0xE0:
		return min(2, len(raw))
	case c < 0xF0:
		return min(3, len(raw))
	}
	return min(4, len(raw))
}

// head is the longest beginning of raw, of at most n bytes, that cuts no character and preferably no word.
func head(raw []byte, n int) []byte {
	if len(raw) <= n {
		return raw
	}
	i, word := 0, 0
	for i < n {
		k := step(raw[i:])
		if i+k > n {
			break
		}
		if raw[i] == ' ' {
			word = i
		}
		i += k
	}
	if word > n*2/3 {
		i = word
	}
	return raw[:i]
}

// tail is the longest end of raw, of at most n bytes, that cuts no character. It begins at a character found by walking, as
// escapes cannot be told apart backwards.
func tail(raw []byte, n int) []byte {
	from := len(raw) - n
	if from <= 0 {
		return raw
	}
	i := max(from-64, 0)
	for i > 0 && raw[i-1] != ' ' { // behind a space nothing is open
		i--
	}
	for i < from {
		i += step(raw[i:])
	}
	return raw[min(i, len(raw)):]
}

// oneLine makes raw a single line: line breaks and runs of blanks become one space each.
func oneLine(dst, raw []byte) []byte {
	if n := len(raw); n > 0 && raw[0] != ' ' && raw[n-1] != ' ' && bytes.IndexByte(raw, '\\') < 0 && !bytes.Contains(raw, []byte("  ")) {
		return append(dst, raw...) // it is one
	}
	space := true
	for i := 0; i < len(raw); {
		k := step(raw[i:])
		blank := raw[i] == ' ' || (k == 2 && raw[i] == '\\' && bytes.IndexByte([]byte("ntr"), raw[i+1]) >= 0)
		if !blank {
			dst = append(dst, raw[i:i+k]...)
		} else if !space {
			dst = append(dst, ' ')
		}
		space = blank
		i += k
	}
	return bytes.TrimRight(dst, " ")
}

// trim cuts blanks and escaped line breaks off both ends.
func trim(raw []byte) []byte {
	raw = raw[lead(raw):]
	for len(raw) > 0 {
		n := len(raw)
		if raw[n-1] == ' ' && !(n > 1 && raw[n-2] == '\\') {
			raw = raw[:n-1]
		} else if n > 1 && isBreak(raw[n-1]) && oddSlash(raw[:n-1]) {
			raw = raw[:n-2]
		} else {
			break
		}
	}
	return raw
}

// lead is the length of the blanks and escaped line breaks that raw begins with.
func lead(raw []byte) int {
	i := 0
	for i < len(raw) {
		if raw[i] == ' ' {
			i++
		} else if i+1 < len(raw) && raw[i] == '\\' && isBreak(raw[i+1]) {
			i += 2
		} else {
			break
		}
	}
	return i
}

func isBreak(c byte) bool { return c == 'n' || c == 'r' || c == 't' }

// oddSlash reports whether raw ends with a backslash that begins an escape.
func oddSlash(raw []byte) bool {
	n := len(raw)
	for n > 0 && raw[n-1] == '\\' {
		n--
	}
	return (len(raw)-n)%2 == 1
}

// content reports whether raw is escaped content: what a JSON string may have between its quotes.
func content(raw []byte) bool {
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c < ' ' || c == '"' {
			return false
		}
		if c != '\\' {
			continue
		}
		if i++; i >= len(raw) {
			return false
		}
		switch raw[i] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		case 'u':
			if i+4 >= len(raw) || !hexes(raw[i+1:i+5]) {
				return false
			}
			i += 4
		default:
			return false
		}
	}
	return utf8.Valid(raw)
}

func hexes(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && ((c|0x20) < 'a' || (c|0x20) > 'f') {
			return false
		}
	}
	return true
}
