package wire

import "golang.org/x/sys/cpu"

// vector says that skipBlocks has what it needs.
var vector = cpu.X86.HasAVX2

// skipBlocks passes over 64 bytes of a string at a time, n bytes in all (a multiple of 64), and returns how many it has
// passed: it stops before the first block with an unescaped quote, a control byte, or an escape that is not short. carry is 1
// when the byte before p is a backslash that escapes the first one; next is the same for the byte where it stopped. high has
// a bit for a byte over 127 among those passed.
//
// How a run of backslashes is told from an escaped character without a branch: Langdale and Lemire, "Parsing gigabytes of
// JSON per second", VLDB Journal 2019, section 3.1.1, in the later form with one subtraction.
//
//go:noescape
func skipBlocks(p *byte, n int, carry uint64) (passed int, next uint64, high uint32)
