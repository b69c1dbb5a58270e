package tokens

import "unicode/utf8"

// block is a range of runes whose tokens are alike: a script, or a part of one.
type block struct {
	last  rune   // the range begins behind the block before
	start uint16 // weight of a rune behind one of another block, in units of 1/tableUnit token
	inner uint16 // and of one behind its like
}

// In the alphabets and syllabaries from Greek to Georgian, the first two letters of a word are one token more often than not: start is
// for both.
const (
	firstShort = 0x370
	lastShort  = 0x10ff
)

// first is the weight of what a text begins with, and where that ends: it follows a quotation mark, as in JSON.
func first(text []byte) (sum uint64, last int) {
	if b := text[0]; b < utf8.RuneSelf {
		return uint64(byteWeights[uint16(b)<<8|'"']), 0
	}
	return runes(text, -1, -1, 0)
}

// runes adds the weights of what follows the byte at i, up to the byte at stop or, where that is not ASCII, to the next that is. It
// returns the new sum and the last byte that is in it.
func runes(text []byte, i, stop int, sum uint64) (uint64, int) {
	like, run := -1, 0 // the block of the rune before, and whether it was the second or later of a word
	for i+1 < len(text) && (i < stop || text[i+1] >= utf8.RuneSelf) {
		b := text[i+1]
		if b < utf8.RuneSelf {
			sum += uint64(byteWeights[uint16(b)<<8|uint16(text[i])])
			like = -1
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i+1:])
		at := blockOf(r, n)
		switch {
		case at != like:
			sum += uint64(blocks[at].start)
			like, run = at, 0
		case run > 0 || r < firstShort || r > lastShort:
			sum += uint64(blocks[at].inner)
		default:
			run = 1
		}
		i += n
	}
	return sum, i
}

// blockOf is the place of a rune's block; of a byte that is no part of a rune, it is 0.
func blockOf(r rune, size int) int {
	if size == 1 {
		return 0
	}
	if r < 1<<16 {
		return int(blockTable[r])
	}
	at := int(blockTable[1<<16-1])
	for r > blocks[at].last {
		at++
	}
	return at
}

// blockTable has the blocks of the basic plane.
var blockTable = func() (table [1 << 16]uint8) {
	at := 0
	for r := range table {
		for rune(r) > blocks[at].last {
			at++
		}
		table[r] = uint8(at)
	}
	return table
}()
