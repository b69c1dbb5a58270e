package embed

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"unicode/utf8"
)

// A charsmap is SentencePiece's table of what to write for a sequence of characters: NFKC, mostly. It is a double-array trie whose
// values are places in a text of replacements that end with a zero byte.
type charsmap struct {
	units   []uint32
	written string
}

// readCharsmap reads the precompiled form, in base64: the trie's bytes (uint32, little-endian), the trie, the text.
func readCharsmap(encoded string) (*charsmap, error) {
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("the charsmap is no base64")
	}
	if len(raw) < 4 {
		return nil, errors.New("the charsmap is too short")
	}
	n, raw := uint64(binary.LittleEndian.Uint32(raw)), raw[4:]
	if n%4 != 0 || n == 0 || n > uint64(len(raw)) {
		return nil, errors.New("the charsmap's trie is not in it")
	}
	m := &charsmap{units: make([]uint32, n/4), written: string(raw[n:])}
	for i := range m.units {
		m.units[i] = binary.LittleEndian.Uint32(raw[4*i:])
	}
	return m, nil
}

// offset is how far a unit's children are from it.
func offset(unit uint32) uint32 { return unit >> 10 << (unit & (1 << 9) >> 6) }

// longest finds the longest sequence that the text begins with, and what is written for it.
func (m *charsmap) longest(text string) (written string, length int) {
	at := offset(m.units[0])
	for i := range len(text) {
		at ^= uint32(text[i])
		if uint64(at) >= uint64(len(m.units)) {
			break
		}
		unit := m.units[at]
		if text[i] == 0 || unit&(1<<31|0xff) != uint32(text[i]) {
			break
		}
		at ^= offset(unit)
		if unit>>8&1 == 1 && uint64(at) < uint64(len(m.units)) {
			if place := m.units[at] & (1<<31 - 1); uint64(place) < uint64(len(m.written)) {
				written, _, _ = strings.Cut(m.written[place:], "\x00")
				length = i + 1
			}
		}
	}
	return written, length
}

func (m *charsmap) normalize(text string) string {
	var b strings.Builder
	b.Grow(len(text) + 8)
	for len(text) > 0 {
		written, n := m.longest(text)
		if n == 0 {
			_, n = utf8.DecodeRuneInString(text)
			written = text[:n]
		}
		b.WriteString(written)
		text = text[n:]
	}
	return b.String()
}
