package digest

import (
	"bytes"
	"encoding/binary"
)

// A word is lower case, with ' for every apostrophe.
type word struct {
	s string
	token
}

// A token is a word before its string is made, as most sentences are judged without.
type token struct {
	from, to int32
	begin    bool // a stop, comma, colon, dash or bracket stands before it
	sets     words
}

func (w token) in(sets words) bool { return w.sets&sets != 0 }

// A clauseWords is a sentence in words. It may be used again, as its memory is worth keeping.
type clauseWords struct {
	text   []byte
	padded []byte // text in lower case, and pad
	tokens []token
	w      []word
}

// split finds the words of text, and returns the sets that any of them is in.
func (s *clauseWords) split(text []byte) (all words) {
	s.text, s.tokens = text, s.tokens[:0]
	s.padded = append(lowered(s.padded[:0], text), pad...)
	low, begin := s.padded[:len(s.padded)-len(pad)], true
	for i := 0; i < len(low) && len(s.tokens) < 300; {
		switch glyphs[low[i]] {
		case 0:
			i++
			continue
		case breaks:
			begin = begin || low[i] != '-' || i+1 < len(low) && low[i+1] == ' '
			i++
			continue
		case dashes:
			begin = begin || bytes.HasPrefix(low[i:], []byte("—")) || bytes.HasPrefix(low[i:], []byte("–"))
			i += 3
			continue
		}
		j := i + 1
		for j < len(low) && (glyphs[low[j]] == letters || (low[j] == '-' || low[j] == '.') && glyphs[s.padded[j+1]] == letters) {
			j++
		}
		sets := lookup(s.padded[i:], j-i)
		all |= sets
		s.tokens = append(s.tokens, token{int32(i), int32(j), begin, sets})
		i, begin = j, false
	}
	return all
}

// spell makes words of the tokens.
func (s *clauseWords) spell() {
	low := string(s.padded)
	s.w = s.w[:0]
	for _, t := range s.tokens {
		s.w = append(s.w, word{low[t.from:t.to], t})
	}
}

// refers reports whether the sentence begins with a word that says nothing without the sentence before.
func (s *clauseWords) refers() bool {
	return len(s.tokens) > 0 && backward[string(s.padded[s.tokens[0].from:s.tokens[0].to])]
}

var backward = set("it they this that these those such he she them")

// What a byte is to split.
const (
	letters uint8 = iota + 1
	breaks        // a clause begins behind it
	dashes        // it may begin a dash
)

var glyphs = func() (t [256]uint8) {
	for c := range t {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '\'' || c == '_' || c == '$' || c == 0xC3 || c >= 0x80 && c < 0xC0 {
			t[c] = letters
		}
	}
	for _, c := range ",;:()[]!?.>|\"*`#-" {
		t[c] = breaks
	}
	t[0xE2] = dashes
	return t
}()

// lowered appends text in lower case (ASCII), with ' for ’.
func lowered(dst, text []byte) []byte {
	if bytes.Contains(text, []byte("’")) {
		text = bytes.ReplaceAll(text, []byte("’"), []byte("'"))
	}
	at := len(dst)
	dst = append(dst, text...)
	for ; at+8 <= len(dst); at += 8 {
		x := binary.LittleEndian.Uint64(dst[at:])
		binary.LittleEndian.PutUint64(dst[at:], x|between(x, 'A', 'Z')>>2)
	}
	for ; at < len(dst); at++ {
		if c := dst[at]; c >= 'A' && c <= 'Z' {
			dst[at] |= 0x20
		}
	}
	return dst
}
