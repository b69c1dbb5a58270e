package filters

import (
	"sync"
	"time"
)

// A Trail is an append-only list of what the outer ring cannot see: attempts, hidden calls, notes, epochs, settlements.
// An entry is written before the act. Telemetry reads it; audit will.
//
// It is safe for concurrent use: background work may still write while another goroutine reads.
type Trail struct {
	mu      sync.Mutex
	entries []Entry
}

// An Entry of a Trail. It never changes once it is in the list.
type Entry struct {
	At     time.Time
	Filter string // who wrote it: a filter's name, or "host"
	Kind   string // "attempt", "retry", "fallback", "call", ...
	Attrs  []Attr
}

// An Attr is a named value, string or int64 or float64 or bool.
type Attr struct {
	Key   string
	Value any
}

// Append adds an entry. The trail keeps attrs: the caller must not change them afterwards. Secrets and prompt text have no
// place in them.
func (t *Trail) Append(filter, kind string, attrs ...Attr) {
	e := Entry{At: time.Now(), Filter: filter, Kind: kind, Attrs: attrs}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries = append(t.entries, e)
}

// Entries returns the list so far, oldest first. It is the reader's to keep and does not grow; its elements must not be
// changed.
func (t *Trail) Entries() []Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.entries)
	return t.entries[:n:n]
}
