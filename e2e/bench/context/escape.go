package main

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// unescape undoes the escapes of all strings in a JSON text, whose other bytes stay. at[i] is where in raw what became byte i begins;
// it has one more entry, the length of raw.
func unescape(raw string) (plain string, at []int) {
	out := make([]byte, 0, len(raw))
	at = make([]int, 0, len(raw)+1)
	for i := 0; i < len(raw); {
		n := 1
		if raw[i] != '\\' || i+1 == len(raw) {
			out = append(out, raw[i])
		} else {
			var r rune
			r, n = escaped(raw[i:])
			out = utf8.AppendRune(out, r)
		}
		for len(at) < len(out) {
			at = append(at, i)
		}
		i += n
	}
	return string(out), append(at, len(raw))
}

// escaped reads the escape at the beginning of s, a surrogate pair as one, and says how long it is.
func escaped(s string) (rune, int) {
	switch s[1] {
	case 'u':
		r := unit(s)
		if utf16.IsSurrogate(r) && len(s) >= 8 && s[6] == '\\' && s[7] == 'u' {
			if pair := utf16.DecodeRune(r, unit(s[6:])); pair != utf8.RuneError {
				return pair, 12
			}
		}
		return r, min(6, len(s))
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	}
	return rune(s[1]), 2
}

// unit reads \uXXXX.
func unit(s string) rune {
	if len(s) < 6 {
		return utf8.RuneError
	}
	v, err := strconv.ParseUint(s[2:6], 16, 16)
	if err != nil {
		return utf8.RuneError
	}
	return rune(v)
}

// spelled finds how a JSON text spells words that it says.
func spelled(raw, words string) (string, bool) {
	plain, at := unescape(raw)
	i := strings.Index(plain, words)
	if i < 0 {
		return "", false
	}
	return raw[at[i]:at[i+len(words)]], true
}
