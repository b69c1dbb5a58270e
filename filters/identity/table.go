package identity

// A table maps keys to values and forgets the least recently used beyond its bound. Once it has grown to its bound nothing
// allocates: slots are used again. They lie in chunks that never move, so that a table of few entries is small and a pointer
// to a value stays good until that value is forgotten. Keys are hashes already. Not for concurrent use.
type table[V any] struct {
	max     int
	n       int
	chunks  []*[chunkLen]slot[V]
	buckets []uint32 // the first slot of each bucket; a power of two of them
	shift   uint8    // of a key's hash, to its bucket
	used    uint32   // slots that have ever been handed out, the ring's head included
	free    uint32   // the first of those given back, linked by link
}

// A slot is one entry. Slot 0 is no entry but the ring's head: next is the newest, prev the oldest. An index of 0 ends a
// bucket.
type slot[V any] struct {
	key        uint64
	value      V
	prev, next uint32
	link       uint32 // of its bucket
}

const (
	chunkLen   = 64
	chunkShift = 6
)

func newTable[V any](limit int) table[V] { return table[V]{max: limit} }

func (t *table[V]) at(i uint32) *slot[V] { return &t.chunks[i>>chunkShift][i%chunkLen] }

func (t *table[V]) bucket(key uint64) *uint32 {
	return &t.buckets[key*0x9e3779b97f4a7c15>>t.shift]
}

// find returns the slot of a key, 0 when there is none.
func (t *table[V]) find(key uint64) uint32 {
	if t.n == 0 {
		return 0
	}
	i := *t.bucket(key)
	for i != 0 {
		s := t.at(i)
		if s.key == key {
			break
		}
		i = s.link
	}
	return i
}

// peek returns the value of a key, nil when there is none.
func (t *table[V]) peek(key uint64) *V {
	if i := t.find(key); i != 0 {
		return &t.at(i).value
	}
	return nil
}

// get is peek for a key that is used.
func (t *table[V]) get(key uint64) *V {
	i := t.find(key)
	if i == 0 {
		return nil
	}
	s := t.at(i)
	if ring := t.at(0); ring.next != i {
		t.unlink(s)
		t.lead(i, s)
	}
	return &s.value
}

// value returns the value of a key, the zero value for a new one.
func (t *table[V]) value(key uint64) *V {
	if v := t.get(key); v != nil {
		return v
	}
	if t.n >= t.max {
		t.removeOldest()
	}
	i := t.take()
	s := t.at(i)
	b := t.bucket(key)
	s.key, s.link, *b = key, *b, i
	t.lead(i, s)
	t.n++
	return &s.value
}

// take hands out a slot.
func (t *table[V]) take() uint32 {
	if i := t.free; i != 0 {
		t.free = t.at(i).link
		return i
	}
	if t.used == 0 {
		t.used = 1 // the ring's head
	}
	if int(t.used)>>chunkShift >= len(t.chunks) {
		t.chunks = append(t.chunks, new([chunkLen]slot[V]))
	}
	if 3*int(t.used) > 2*len(t.buckets) {
		t.rehash()
	}
	t.used++
	return t.used - 1
}

// rehash makes twice as many buckets.
func (t *table[V]) rehash() {
	n, shift := 2*len(t.buckets), t.shift-1
	if n == 0 {
		n, shift = 16, 64-4
	}
	t.buckets, t.shift = make([]uint32, n), shift
	for i := t.at(0).next; i != 0; i = t.at(i).next {
		s := t.at(i)
		b := t.bucket(s.key)
		s.link, *b = *b, i
	}
}

// lead makes a slot the newest.
func (t *table[V]) lead(i uint32, s *slot[V]) {
	ring := t.at(0)
	s.prev, s.next = 0, ring.next
	t.at(ring.next).prev = i
	ring.next = i
}

func (t *table[V]) unlink(s *slot[V]) {
	t.at(s.prev).next = s.next
	t.at(s.next).prev = s.prev
}

// remove forgets a key.
func (t *table[V]) remove(key uint64) {
	if i := t.find(key); i != 0 {
		t.drop(i)
	}
}

// removeOldest forgets the least recently used key.
func (t *table[V]) removeOldest() { t.drop(t.at(0).prev) }

func (t *table[V]) drop(i uint32) {
	s := t.at(i)
	b := t.bucket(s.key)
	for *b != i {
		b = &t.at(*b).link
	}
	*b = s.link
	t.unlink(s)
	*s = slot[V]{link: t.free}
	t.free = i
	t.n--
}

// shrink forgets the oldest tenth.
func (t *table[V]) shrink() {
	for n := t.n/10 + 1; n > 0 && t.n > 0; n-- {
		t.removeOldest()
	}
}

// put adds a place under a key.
func put(t *table[node], key uint64, p *place) { t.value(key).add(p) }

// take takes a place out again.
func take(t *table[node], key uint64, tick int64) {
	if n := t.peek(key); n != nil && n.remove(tick) {
		t.remove(key)
	}
}
