package tokens

import (
	"encoding/binary"
	"unicode/utf8"
)

// Estimate is about the number of o200k tokens of a text, which may be raw JSON: prose, code, escapes, any script, base64. It leans
// to a slight overestimate. It reads each byte once and allocates nothing, and it is additive: the estimates of two parts sum to about
// that of the whole, so they can be kept for each message.
//
// The estimator is linear: each byte adds a weight that depends on its class and on the class of the byte before it. The classes follow
// the pre-tokenizer of o200k (letters, digits by threes, runs of marks, white space) and what byte-pair encoding does inside those
// pieces: pairs of letters that are frequent in words cost less than others, changes of case and digits among letters cost more,
// repeated blanks and rules next to nothing. The weights are fitted (fit_test.go) for pairs of classes, and looked up by pairs of bytes.
// What is not ASCII is weighed by runes (runes.go).
func Estimate(text []byte) int {
	if len(text) == 0 {
		return 0
	}
	weights := &byteWeights
	sum, i := first(text)
	for i+8 <= len(text) {
		x := binary.LittleEndian.Uint64(text[i:])
		a := uint32(weights[uint16(x)]) + uint32(weights[uint16(x>>8)])
		b := uint32(weights[uint16(x>>16)]) + uint32(weights[uint16(x>>24)])
		c := uint32(weights[uint16(x>>32)]) + uint32(weights[uint16(x>>40)])
		n := a + b + c + uint32(weights[uint16(x>>48)])
		if n >= notASCII { // one test for seven bytes: seven weights of ASCII are less
			sum, i = runes(text, i, i+7, sum)
			continue
		}
		sum += uint64(n)
		i += 7
	}
	sum, _ = runes(text, i, len(text)-1, sum)
	return max(1, int((sum+tableUnit/2)/tableUnit))
}

const (
	classBits  = 6
	pairs      = 1 << (2 * classBits)
	weightUnit = 1 << 13 // one token, in the unit of the weights
)

// tableUnit is one token in byteWeights and of runes: coarser than weightUnit, so that no seven bytes of ASCII weigh notASCII.
const (
	tableUnit = weightUnit / 4
	notASCII  = 1<<16 - 1
)

// byteWeights has the weight of a byte (the high one of the index) after another (the low one); notASCII for bytes that are part of
// a longer rune.
var byteWeights = func() (table [1 << 16]uint16) {
	for i := range table {
		before, b := byte(i), byte(i>>8)
		if b >= utf8.RuneSelf {
			table[i] = notASCII
			continue
		}
		table[i] = min((pairWeights[int(classOf[before])<<classBits|int(classOf[b])]+2)/4, notASCII/8)
		if apart(before, b) {
			table[i] = max(table[i], leastApart)
		}
	}
	return table
}()

// The classes of bytes: 0 to 25 are the small letters.
const (
	upperVowel uint8 = 26 + iota
	upper
	digit
	space
	tab
	newline
	quote      // which opens and closes what JSON holds
	apostrophe // which a word takes with it
	backslash
	comma
	colon
	opening // brackets
	closing
	dot
	slash // which joins a run of marks
	underscore
	hyphen
	rule     // the other marks that stand in long runs
	mark     // all other marks, and control characters
	follow80 // the continuation bytes of UTF-8, by quarters
	follow90
	followA0
	followB0
	latin      // first bytes from here on: Latin-1
	latinMore  // other Latin, IPA, combining marks
	greek      //
	cyrillic   // U+0400 to U+043F
	cyrillicHi // U+0440 on: the second half of the alphabet
	semitic    // Hebrew, Arabic and what stands beside them
	indic      // U+0800 to U+1FFF: India, Thai, Ethiopic, Georgian and more
	symbol     // general punctuation, arrows, boxes; full-width forms
	kana       // and the marks of Chinese and Japanese
	han4       // by their first bytes, from 0xe4, 0xe6 and 0xe8 on
	han6
	han8
	hangul //
	emoji  // beyond the basic plane
)

var classOf = func() (table [256]uint8) {
	for b := range table {
		table[b] = highClass(byte(b))
	}
	for b := range 0x80 {
		table[b] = mark
	}
	for i := range uint8(26) {
		table['a'+i], table['A'+i] = i, upper
	}
	for class, set := range map[uint8]string{
		upperVowel: "AEIOU", digit: "0123456789", space: " ", tab: "\t", newline: "\n\r", quote: `"`, apostrophe: "'",
		backslash: `\`, comma: ",", colon: ":", opening: "{[(<", closing: "}])>", dot: ".", slash: "/", underscore: "_", hyphen: "-", rule: "=*#~",
	} {
		for _, b := range set {
			table[b] = class
		}
	}
	return table
}()

// highClass is the class of a byte from 0x80 on.
func highClass(b byte) uint8 {
	for _, r := range []struct {
		last  byte
		class uint8
	}{
		{0x8f, follow80},
		{0x9f, follow90},
		{0xaf, followA0},
		{0xbf, followB0},
		{0xc3, latin},
		{0xcd, latinMore},
		{0xcf, greek},
		{0xd0, cyrillic},
		{0xd5, cyrillicHi},
		{0xdf, semitic},
		{0xe1, indic},
		{0xe2, symbol},
		{0xe3, kana},
		{0xe5, han4},
		{0xe7, han6},
		{0xe9, han8},
		{0xee, hangul},
		{0xef, symbol},
	} {
		if b <= r.last {
			return r.class
		}
	}
	return emoji
}
