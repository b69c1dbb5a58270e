package state

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

// aPage is a leaf of a table of 512 bytes: its cells from 480 on, free blocks among them, and everything unused is 'x'.
func aPage() []byte {
	page := bytes.Repeat([]byte{'x'}, 512)
	be := binary.BigEndian
	page[0] = 13
	be.PutUint16(page[1:], 484) // the first free block
	be.PutUint16(page[3:], 2)   // cells
	be.PutUint16(page[5:], 480) // where they begin
	page[7] = 0
	be.PutUint16(page[8:], 480)
	be.PutUint16(page[10:], 506)
	copy(page[480:], "cell")
	be.PutUint16(page[484:], 496)
	be.PutUint16(page[486:], 12)
	be.PutUint16(page[496:], 0)
	be.PutUint16(page[498:], 10)
	copy(page[506:], "a cell")
	return page
}

func TestUnused(t *testing.T) {
	change := func(f func(page []byte)) []byte {
		page := aPage()
		f(page)
		return page
	}
	first := slices.Clip(append(make([]byte, 100), aPage()...))
	binary.BigEndian.PutUint16(first[101:], 0)
	for _, test := range []struct {
		name string
		n    int64
		page []byte
		want []int // begin and end of each part
	}{
		{"a leaf", 2, aPage(), []int{12, 480, 488, 496, 500, 506}},
		{"an interior page", 2, change(func(p []byte) { p[0] = 5 }), []int{16, 480, 488, 496, 500, 506}},
		{"the first page", 1, first, []int{112, 480}},
		{"no page of a tree", 2, change(func(p []byte) { p[0] = 0 }), nil},
		{"another type", 2, change(func(p []byte) { p[0] = 7 }), nil},
		{"short", 2, aPage()[:511], nil},
		{"cells before their pointers end", 2, change(func(p []byte) { p[5], p[6] = 0, 11 }), nil},
		{"cells beyond the page", 2, change(func(p []byte) { p[5] = 2; p[6] = 1 }), nil},
		{"more cells than it holds", 2, change(func(p []byte) { p[3] = 255 }), nil},
		{"a free block in the header", 2, change(func(p []byte) { p[1], p[2] = 0, 1 }), []int{12, 480}},
		{"a free block that is too small", 2, change(func(p []byte) { p[487] = 3 }), []int{12, 480}},
		{"a free block beyond the page", 2, change(func(p []byte) { p[486] = 1 }), []int{12, 480}},
		{"free blocks in a circle", 2, change(func(p []byte) { p[496], p[497] = 1, 228 }), []int{12, 480, 488, 496, 500, 506}},
	} {
		var got []int
		for part := range unused(test.n, test.page) {
			begin := len(test.page) - cap(part)
			got = append(got, begin, begin+len(part))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
		if dirty(test.n, test.page) != (test.want != nil) {
			t.Errorf("%s: dirty: %v", test.name, dirty(test.n, test.page))
		}
	}
}

// FuzzUnused wipes what may be no page at all: header and pointers stay, and nothing is left to wipe.
func FuzzUnused(f *testing.F) {
	f.Add(int64(2), aPage())
	f.Add(int64(1), append(make([]byte, 100), aPage()...))
	f.Add(int64(3), []byte("short"))
	f.Fuzz(func(t *testing.T, n int64, page []byte) {
		was := slices.Clone(page)
		wipe(n, page)
		if dirty(n, page) {
			t.Error("it is dirty after it was wiped")
		}
		if len(page) < 512 {
			if !bytes.Equal(page, was) {
				t.Error("something was wiped that is no page")
			}
			return
		}
		at := 0
		if n == 1 {
			at = 100
		}
		fixed := at + 8
		if !bytes.Equal(was, page) { // then its header makes sense
			fixed += 2 * int(binary.BigEndian.Uint16(was[at+3:]))
		}
		if !bytes.Equal(was[:fixed], page[:fixed]) {
			t.Error("the header or a pointer was wiped")
		}
	})
}
