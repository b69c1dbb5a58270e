package telemetry

import (
	"strings"
	"sync"
	"sync/atomic"
)

// other stands for every value beyond a bound.
const other = "other"

// maxLabel is the longest label value, in bytes.
const maxLabel = 128

// A bound keeps the values of one label few: the first max values are kept, the rest is "other". Reads take no lock.
type bound struct {
	max  int
	mu   sync.Mutex
	seen atomic.Pointer[map[string]string]
}

func newBound(limit int) *bound {
	b := &bound{max: limit}
	b.seen.Store(&map[string]string{})
	return b
}

// known returns the value when it was admitted before, else "other". An empty value stays empty.
func (b *bound) known(s string) string {
	if s == "" {
		return ""
	}
	if v, ok := (*b.seen.Load())[s]; ok {
		return v
	}
	return other
}

// admit returns a copy of the value, or "other" when there are too many or it is unfit for a label.
func (b *bound) admit(s string) string {
	if s == "" {
		return ""
	}
	if v, ok := (*b.seen.Load())[s]; ok {
		return v
	}
	if len(s) > maxLabel || !printable(s) {
		return other
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	old := *b.seen.Load()
	if v, ok := old[s]; ok {
		return v
	}
	if len(old) >= b.max {
		return other
	}
	next := make(map[string]string, len(old)+1)
	for k, v := range old {
		next[k] = v
	}
	s = strings.Clone(s)
	next[s] = s
	b.seen.Store(&next)
	return s
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// A table resolves a set of label values to its series once. Reads take no lock; size is bounded by the caller's key.
type table[K comparable, V any] struct {
	max  int
	make func(K) V
	mu   sync.Mutex
	m    atomic.Pointer[map[K]V]
}

func newTable[K comparable, V any](limit int, mk func(K) V) *table[K, V] {
	t := &table[K, V]{max: limit, make: mk}
	t.m.Store(&map[K]V{})
	return t
}

// get returns the series of k; once the table is full, that of overflow.
func (t *table[K, V]) get(k, overflow K) V {
	if v, ok := (*t.m.Load())[k]; ok {
		return v
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old := *t.m.Load()
	if v, ok := old[k]; ok {
		return v
	}
	if len(old) >= t.max {
		if v, ok := old[overflow]; ok {
			return v
		}
		k = overflow
	}
	next := make(map[K]V, len(old)+1)
	for key, v := range old {
		next[key] = v
	}
	v := t.make(k)
	next[k] = v
	t.m.Store(&next)
	return v
}
