package identity

import (
	"slices"
	"testing"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"
	"pgregory.net/rapid"
)

// A table remembers and forgets what a plain LRU does, and uses its slots again.
func TestTable(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		limit := rapid.IntRange(1, 200).Draw(r, "limit")
		tab := newTable[uint64](limit)
		want, err := lru.NewLRU[uint64, uint64](limit, nil)
		if err != nil {
			r.Fatal(err)
		}
		key := rapid.Uint64Range(1, uint64(2*limit))
		for i := range uint64(rapid.IntRange(1, 600).Draw(r, "steps")) {
			k := key.Draw(r, "key")
			switch rapid.IntRange(0, 9).Draw(r, "step") {
			case 0:
				tab.remove(k)
				want.Remove(k)
			case 1:
				for range tab.n/10 + 1 {
					want.RemoveOldest()
				}
				tab.shrink()
			case 2, 3:
				got := tab.get(k)
				v, ok := want.Get(k)
				if (got != nil) != ok || ok && *got != v {
					r.Fatalf("get %d: %v, want %d %v", k, got, v, ok)
				}
			case 4:
				got := tab.peek(k)
				v, ok := want.Peek(k)
				if (got != nil) != ok || ok && *got != v {
					r.Fatalf("peek %d: %v, want %d %v", k, got, v, ok)
				}
			default:
				*tab.value(k) = i
				want.Add(k, i)
			}
			if tab.n != want.Len() || int(tab.used) > limit+1 {
				r.Fatalf("%d entries in %d slots, want %d of at most %d", tab.n, tab.used, want.Len(), limit)
			}
		}
		var keys []uint64
		for at := uint32(0); tab.n > 0 && tab.at(at).prev != 0; {
			at = tab.at(at).prev
			keys = append(keys, tab.at(at).key)
		}
		if !slices.Equal(keys, want.Keys()) {
			r.Fatalf("order %v, want %v", keys, want.Keys())
		}
	})
}

// A node keeps the order of its places whatever is cut out of it.
func TestNode(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var n node
		var want []*place
		for range rapid.IntRange(1, 60).Draw(r, "steps") {
			if len(want) > 0 && rapid.Bool().Draw(r, "cut") {
				i := rapid.IntRange(0, len(want)-1).Draw(r, "which")
				n.cut(i)
				want = slices.Delete(want, i, i+1)
			} else if len(want) < maxPlaces {
				p := new(place)
				n.add(p)
				want = append(want, p)
			}
			if n.len() != len(want) {
				r.Fatalf("%d places, want %d", n.len(), len(want))
			}
			for i, p := range want {
				if n.at(i) != p {
					r.Fatalf("place %d is another one", i)
				}
			}
			if len(want) == 0 && (n.first != nil || n.more != nil && *n.more != [maxPlaces - 1]*place{}) {
				r.Fatal("an empty node holds a place")
			}
		}
	})
}

// A session tells when its oldest place is to be forgotten.
func TestSessionNote(t *testing.T) {
	var s session
	for i := int64(1); i <= 3*maxTrail; i++ {
		if cut, want := s.note(mark{tick: i}).tick, max(i-maxTrail, 0); cut != want {
			t.Fatalf("note %d cuts off %d, want %d", i, cut, want)
		}
	}
}
