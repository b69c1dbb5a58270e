package wire

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// Unquote decodes a raw JSON string that a View or another checked source gave. Without a backslash inside, the result
// aliases raw; else it is appended to dst[:0]. Anything but a JSON string gives nil. Half a surrogate pair becomes U+FFFD, as
// encoding/json does it.
func Unquote(dst, raw []byte) []byte {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return nil
	}
	raw = raw[1 : len(raw)-1]
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	return appendUnescaped(dst[:0], raw)
}

// String is Unquote into a new string.
func String(raw []byte) string { return string(Unquote(nil, raw)) }

// appendUnescaped appends the decoded inside of a JSON string. A broken escape, which no View lets through, stays as it is.
func appendUnescaped(dst, raw []byte) []byte {
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return append(dst, raw...)
		}
		dst = append(dst, raw[:i]...)
		raw = raw[i:]
		n := 2
		if len(raw) < 2 {
			return append(dst, raw...)
		}
		switch c := raw[1]; c {
		case 'n':
			dst = append(dst, '\n')
		case 't':
			dst = append(dst, '\t')
		case 'r':
			dst = append(dst, '\r')
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case '"', '\\', '/':
			dst = append(dst, c)
		case 'u':
			var r rune
			r, n = unicodeEscape(raw)
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, raw[:2]...)
		}
		raw = raw[n:]
	}
}

// unicodeEscape decodes the \u escape, or pair of them, that raw begins with.
func unicodeEscape(raw []byte) (rune, int) {
	if len(raw) < 6 {
		return utf8.RuneError, len(raw)
	}
	r := hex4(raw[2:6])
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(raw) >= 12 && raw[6] == '\\' && raw[7] == 'u' {
		if both := utf16.DecodeRune(r, hex4(raw[8:12])); both != utf8.RuneError {
			return both, 12
		}
	}
	return utf8.RuneError, 6
}

// Quote appends s as a JSON string, invalid UTF-8 replaced by U+FFFD. Nothing is escaped that need not be.
func Quote[S string | []byte](dst []byte, s S) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, s)
	return append(dst, '"')
}

// appendEscaped appends the inside of a JSON string in its canonical spelling: short escapes where there are any.
func appendEscaped[S string | []byte](dst []byte, s S) []byte {
	const hex = "0123456789abcdef"
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if r == utf8.RuneError && n <= 1 {
				dst = append(append(dst, s[from:i]...), "\uFFFD"...)
				from = i + 1
				n = 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[from:i]...)
		switch c {
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '"', '\\':
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		from = i
	}
	return append(dst, s[from:]...)
}

// ModelName is the decoded model, or "".
func (v *View) ModelName() string { return String(v.Model.Of(v.Body)) }

// User is the decoded user field, or "".
func (v *View) User() string { return String(v.UserField.Of(v.Body)) }

// PreviousResponse is the decoded previous_response_id, or "".
func (v *View) PreviousResponse() string { return String(v.PreviousID.Of(v.Body)) }

// IncludeUsage reports whether the agent itself asked for usage in the stream (stream_options.include_usage).
func (v *View) IncludeUsage() bool {
	return !v.Options.Empty() && gjson.GetBytes(v.Options.Of(v.Body), "include_usage").Type == gjson.True
}

// MaxTokensValue is the limit on the answer that the agent set, or 0.
func (v *View) MaxTokensValue() int64 {
	raw := v.MaxTokens.Of(v.Body)
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		f, _ := strconv.ParseFloat(string(raw), 64)
		n = int64(min(max(f, 0), 1<<53))
	}
	return max(n, 0)
}

// Raw returns the bytes of a span of the body; it aliases the body.
func (v *View) Raw(s Span) []byte { return s.Of(v.Body) }

// Text returns the decoded text of a raw JSON string in the body, as a new string.
func (v *View) Text(s Span) string { return String(s.Of(v.Body)) }
