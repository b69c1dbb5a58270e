//go:build !amd64

package wire

// vector says whether skipBlocks does anything: elsewhere strings are read a word at a time.
const vector = false

func skipBlocks(*byte, int, uint64) (int, uint64, uint32) { return 0, 0, 0 }
