package tokens

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
)

const recentEntries = 256

// place is what figures are kept for.
type place struct{ upstream, model string }

// recent keeps values for the places in use, at most recentEntries of them. Reading takes no lock: the map is replaced, never changed,
// which is cheap because places are few and seldom new. The zero value is ready.
type recent[V any] struct {
	now   atomic.Pointer[places[V]]
	mu    sync.Mutex   // of whoever replaces the map
	clock atomic.Int64 // how many places were ever added
}

type places[V any] struct {
	entries map[place]*entry[V]
	last    atomic.Pointer[entry[V]] // the one that was asked for last, likely to be the next: no hashing
}

type entry[V any] struct {
	place place
	used  atomic.Int64 // the clock when it was last asked for
	value V
}

// get is the value of a place, nil when there is none. It is shared: V guards itself.
func (r *recent[V]) get(p place) *V {
	now := r.now.Load()
	if now == nil {
		return nil
	}
	e := now.last.Load()
	if e == nil || e.place != p {
		if e = now.entries[p]; e == nil {
			return nil
		}
		now.last.Store(e)
	}
	if clock := r.clock.Load(); e.used.Load() != clock { // written once for each new place, so readers share the line
		e.used.Store(clock)
	}
	return &e.value
}

// add is the value of a place, made by fill when there is none. The place that was not asked for the longest goes when there are too many.
func (r *recent[V]) add(p place, fill func(*V)) *V {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v := r.get(p); v != nil {
		return v
	}
	next := &places[V]{entries: make(map[place]*entry[V], recentEntries)}
	if now := r.now.Load(); now != nil {
		maps.Copy(next.entries, now.entries)
	}
	if len(next.entries) >= recentEntries {
		delete(next.entries, oldest(next.entries))
	}
	p = place{strings.Clone(p.upstream), strings.Clone(p.model)} // which may be parts of a request's body
	e := &entry[V]{place: p}
	e.used.Store(r.clock.Add(1))
	if fill != nil {
		fill(&e.value)
	}
	next.entries[p] = e
	r.now.Store(next)
	return &e.value
}

// all is the values as they are now, to be read only.
func (r *recent[V]) all() map[place]*entry[V] {
	if now := r.now.Load(); now != nil {
		return now.entries
	}
	return nil
}

func oldest[V any](entries map[place]*entry[V]) (p place) {
	first := int64(-1)
	for at, e := range entries {
		if used := e.used.Load(); first < 0 || used < first {
			p, first = at, used
		}
	}
	return p
}
