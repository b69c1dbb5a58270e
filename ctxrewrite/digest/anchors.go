package digest

import (
	"encoding/binary"
	"math/bits"
)

// An anchor is a string at which a word of interest stands, and where in it a byte of that word is.
type anchor struct {
	text string
	word int
}

// anchors find any of at most 16 strings of equal length with one look at every third or fourth byte of a text: each string has
// some blocks of three bytes, of which one stands at a place that is looked at. It is the filter of Wu and Manber (A Fast
// Algorithm for Multi-Pattern Searching, TR 94-17, University of Arizona, 1994) with steps of one length, as steps that do not
// wait for each other are faster than longer ones that do.
type anchors struct {
	stride int
	list   []anchor
	blocks [1 << 12]uint16 // by hash of a block, the anchors that have it, one bit each
}

const block = 3

func newAnchors(list ...anchor) *anchors {
	a := &anchors{stride: len(list[0].text) - block + 1, list: list}
	for k, l := range list {
		for i := range a.stride {
			a.blocks[blockHash(blockOf([]byte(l.text[i:])))] |= 1 << k
		}
	}
	return a
}

func blockHash(b uint32) uint32 { return b * 0x9E3779B1 >> 20 }

// blockOf is the block that b begins with.
func blockOf(b []byte) uint32 { return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 }

// next looks from i on for an anchor, and returns the place of a byte of its word and where to go on; -1 when there is none.
func (a *anchors) next(raw []byte, i int) (at, rest int) {
	for ; i+block < len(raw); i += a.stride {
		if set := a.blocks[blockHash(binary.LittleEndian.Uint32(raw[i:])&0xFFFFFF)]; set != 0 {
			if at := a.match(raw, i, set); at >= 0 {
				return at, i + a.stride
			}
		}
	}
	if i+block == len(raw) {
		return a.match(raw, i, a.blocks[blockHash(blockOf(raw[i:]))]), len(raw)
	}
	return -1, len(raw)
}

// match finds which anchor of the set has its block at i.
func (a *anchors) match(raw []byte, i int, set uint16) int {
	for ; set != 0; set &= set - 1 {
		l := &a.list[bits.TrailingZeros16(set)]
		for from := max(i-a.stride+1, 0); from <= i; from++ {
			if raw[from] != l.text[0] {
				continue
			}
			if to := from + len(l.text); to <= len(raw) && string(raw[from:to]) == l.text {
				return from + l.word
			}
		}
	}
	return -1
}

// faultAnchors stand at the words that announce an error (announces says which do).
var faultAnchors = newAnchors(anchor{"rror: ", 0}, anchor{"ption:", 0}, anchor{"fatal:", 0}, anchor{"panic:", 0},
	anchor{"FAILED", 0}, anchor{"such f", 0}, anchor{"t foun", 2})

// reasonAnchors stand at the words that say what was decided and why (reason says which do).
var reasonAnchors = newAnchors(anchor{"ecaus", 0}, anchor{"ecide", 0}, anchor{"nstea", 0}, anchor{"erefo", 0}, anchor{"ather", 0},
	anchor{"oot c", 0}, anchor{"opted", 0}, anchor{"chose", 0}, anchor{"sugge", 0}, anchor{"o tha", 0})

const ones, high = 0x0101010101010101, 0x8080808080808080 // one bit in each byte of a number

// between sets the high bit of each byte of x that is in [from, to], both ASCII.
func between(x uint64, from, to uint64) uint64 {
	low := x & ^uint64(high)
	return (low + (0x80-from)*ones) & ^(low + (0x7F-to)*ones) & ^x & high
}

// nextDigit is the place of the first ASCII digit of raw at or behind i, or len(raw).
func nextDigit(raw []byte, i int) int {
	for ; i+8 <= len(raw); i += 8 {
		if d := between(binary.LittleEndian.Uint64(raw[i:]), '0', '9'); d != 0 {
			return i + bits.TrailingZeros64(d)/8
		}
	}
	for i < len(raw) && tab[raw[i]] != digit {
		i++
	}
	return i
}

// nextMark is the place of the first ASCII digit or mark of raw at or behind i, or len(raw).
func nextMark(raw []byte, i int) int {
	for ; i+8 <= len(raw); i += 8 {
		x := binary.LittleEndian.Uint64(raw[i:])
		if d := between(x, '.', ':') | between(x, '@', '@'); d != 0 {
			return i + bits.TrailingZeros64(d)/8
		}
	}
	for i < len(raw) && tab[raw[i]]&(digit|mark) == 0 {
		i++
	}
	return i
}
