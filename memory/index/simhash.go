package index

import (
	"math/bits"

	"github.com/zeebo/xxh3"

	"github.com/trapgate/trapgate/memory/record"
)

// SimHash is a hash of which texts that differ little differ in few bits (Charikar, Similarity Estimation Techniques from Rounding
// Algorithms, 2002), over the words and the pairs of neighbouring words of a text. It is 0 for a text without words. It may be stored.
func SimHash(text string) uint64 {
	var sums [64]int32
	var last uint64
	any := false
	add := func(h uint64) {
		for i := range sums {
			sums[i] += int32(h>>i&1)<<1 - 1
		}
	}
	words(text, func(w []byte) {
		h := xxh3.Hash(w)
		add(h)
		if any {
			add(last*0x9e3779b97f4a7c15 ^ bits.RotateLeft64(h, 31))
		}
		last, any = h, true
	})
	var sim uint64
	for i, sum := range sums {
		if any && sum > 0 {
			sim |= 1 << i
		}
	}
	return sim
}

// bands is how many parts a SimHash is looked up by: two that differ in fewer bits have one part in common.
const bands = 4

// A band is a part of a SimHash and which of them it is.
type band uint32

func bandOf(sim uint64, which int) band { return band(which)<<16 | band(uint16(sim>>(16*which))) }

// link puts a slot in front of the others of its bands: each is a list through the slots.
func (x *Index) link(slot uint32, sim uint64) {
	for which := range bands {
		b := bandOf(sim, which)
		after, ok := x.bands[b]
		if !ok {
			after = none
		}
		x.beside[slot][which] = after
		x.bands[b] = slot
	}
}

func (x *Index) unlink(slot uint32, sim uint64) {
	for which := range bands {
		b := bandOf(sim, which)
		after := x.beside[slot][which]
		switch first := x.bands[b]; {
		case first != slot:
			for x.beside[first][which] != slot {
				first = x.beside[first][which]
			}
			x.beside[first][which] = after
		case after == none:
			delete(x.bands, b)
		default:
			x.bands[b] = after
		}
	}
}

// Near returns a current record of the kind that the scope sees and whose SimHash differs in at most so many bits from sim, if there
// is one. Up to bands-1 bits are looked up; for more, all records are compared.
func (x *Index) Near(s record.Scope, k record.Kind, sim uint64, most int) (record.ID, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	near := func(slot uint32) bool {
		r := x.docs[slot].rec
		return r != nil && r.Kind == k && bits.OnesCount64(r.Sim^sim) <= most && r.Closed.IsZero() && s.Sees(r)
	}
	if most >= bands {
		for slot := range x.docs {
			if near(uint32(slot)) {
				return x.docs[slot].rec.ID, true
			}
		}
		return record.ID{}, false
	}
	for which := range bands {
		slot, ok := x.bands[bandOf(sim, which)]
		for ; ok && slot != none; slot = x.beside[slot][which] {
			if near(slot) {
				return x.docs[slot].rec.ID, true
			}
		}
	}
	return record.ID{}, false
}
