package state

import (
	"bytes"
	"encoding/binary"
	"iter"
)

// maxScrubPages bounds the pages of a file that unused can read: see there.
const maxScrubPages = 1<<25 - 1

// unused yields the parts of page n that hold nothing, but may hold a copy of what did: of a page of a B-tree the gap between its
// pointers and its cells, and the free blocks among the cells. The parts share the page's memory. What is left between cells, up to
// 3 bytes at a place, is no part. Other pages have none, because secure_delete overwrites all of them when they are freed. They
// begin with the number of another page, whose first byte no type of a B-tree's page equals, given that no number is above
// maxScrubPages. The format is in https://www.sqlite.org/fileformat2.html#b_tree_pages. A page that is damaged yields nothing from
// the first wrong number on, and never its header and pointers.
func unused(n int64, page []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		at := 0
		if n == 1 {
			at = 100 // after the header of the file
		}
		if len(page) < 512 {
			return
		}
		head, pointers := page[at:], at+8
		switch head[0] {
		case 2, 5: // interior
			pointers += 4
		case 10, 13: // leaf
		default:
			return
		}
		be := binary.BigEndian
		begin, end := pointers+2*int(be.Uint16(head[3:])), int(be.Uint16(head[5:]))
		if end == 0 {
			end = 1 << 16
		}
		if begin > end || end > len(page) || !yield(page[begin:end]) {
			return
		}
		// Free blocks, in the order of their places: the next one, the size, then what is unused.
		for block, past := int(be.Uint16(head[1:])), end; block >= past && block+4 <= len(page); {
			size := int(be.Uint16(page[block+2:]))
			if size < 4 || block+size > len(page) || !yield(page[block+4:block+size]) {
				return
			}
			block, past = int(be.Uint16(page[block:])), block+size
		}
	}
}

var zeros [1 << 16]byte // the largest page

// dirty reports whether an unused part of a page is not zero.
func dirty(n int64, page []byte) bool {
	for part := range unused(n, page) {
		if !bytes.Equal(part, zeros[:len(part)]) {
			return true
		}
	}
	return false
}

// wipe overwrites the unused parts of a page with zeros.
func wipe(n int64, page []byte) {
	for part := range unused(n, page) {
		clear(part)
	}
}
