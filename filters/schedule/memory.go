package schedule

import "sync"

// A memory is a bounded set; the oldest entry goes first. The zero value with a limit is ready.
type memory[K comparable] struct {
	limit int
	mu    sync.Mutex
	set   map[K]struct{}
	ring  []K
	next  int
}

func (m *memory[K]) add(k K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.set[k]; ok {
		return
	}
	if m.set == nil {
		m.set = make(map[K]struct{})
	}
	if len(m.ring) < m.limit {
		m.ring = append(m.ring, k)
	} else {
		delete(m.set, m.ring[m.next])
		m.ring[m.next] = k
		m.next = (m.next + 1) % m.limit
	}
	m.set[k] = struct{}{}
}

func (m *memory[K]) has(k K) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.set[k]
	return ok
}

// list returns the entries, in no order that means anything.
func (m *memory[K]) list() []K {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]K(nil), m.ring...)
}
