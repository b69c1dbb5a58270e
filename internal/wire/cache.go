package wire

import (
	"container/list"
	"slices"
	"sync"
)

// A PrefixCache keeps the prefixes of recent conversations, bounded in bytes; the one not used for longest goes first. It is
// safe for concurrent use.
type PrefixCache struct {
	mu    sync.Mutex
	max   int
	bytes int
	order list.List // of *entry, newest first
	byKey map[uint64][]*list.Element
}

type entry struct {
	key  uint64
	p    *Prefix
	size int
}

// perKey is how many conversations may share a key: sub-agents with one prompt, say.
const perKey = 8

// NewPrefixCache makes a cache of at most maxBytes; with 0 it never keeps anything.
func NewPrefixCache(maxBytes int) *PrefixCache {
	return &PrefixCache{max: maxBytes, byKey: make(map[uint64][]*list.Element)}
}

// Lookup is AcquireFrom with the longest fitting prefix stored under key (say the hash of credential, path and the body's
// first KiB).
func (c *PrefixCache) Lookup(key uint64, d Dialect, body []byte, lim Limits) (v *View, hit bool, err error) {
	var mine [perKey]*Prefix
	n := 0
	c.mu.Lock()
	for _, e := range c.byKey[key] {
		mine[n] = e.Value.(*entry).p
		n++
	}
	c.mu.Unlock()
	return AcquireFrom(longest(mine[:n], d, body, lim), d, body, lim)
}

// longest finds the prefix that covers most of body.
func longest(ps []*Prefix, d Dialect, body []byte, lim Limits) *Prefix {
	lim = lim.withDefaults()
	var best *Prefix
	bestEnd := int32(-1)
	for _, p := range ps {
		if p.dialect != d || p.lim != lim {
			continue
		}
		i := p.candidate(body, len(p.cuts))
		if i < 0 || p.cuts[i].end <= bestEnd {
			continue
		}
		if len(ps) > 1 { // a lone candidate is compared by AcquireFrom
			i = p.match(body, i)
		}
		if i >= 0 && p.cuts[i].end > bestEnd {
			best, bestEnd = p, p.cuts[i].end
		}
	}
	return best
}

// Store keeps what v knows for the conversation's next request. It replaces the prefix that v started from, when v is a
// continuation of the same conversation rather than one that only began alike.
func (c *PrefixCache) Store(key uint64, v *View) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.find(key, v.from)
	if old != nil && int(v.from.cuts[v.fromCut].msgs) < len(v.from.msgs)-tail {
		old = nil
	}
	if old != nil && !v.news() {
		c.order.MoveToFront(old)
		return
	}
	inPlace := old != nil && !v.from.taken
	p := v.extend(v.from, inPlace)
	if p == nil {
		return
	}
	if inPlace {
		v.from.taken = true
	}
	if old != nil {
		c.remove(old)
	}
	size := p.Size() + int(entrySize)
	if size > c.max {
		return
	}
	for c.bytes+size > c.max {
		c.remove(c.order.Back())
	}
	if l := c.byKey[key]; len(l) >= perKey {
		c.remove(l[0])
	}
	c.byKey[key] = append(c.byKey[key], c.order.PushFront(&entry{key, p, size}))
	c.bytes += size
}

// news reports whether v says anything that the prefix it started from does not.
func (v *View) news() bool {
	p := v.from
	if v.known != len(v.Msgs) || v.known != len(p.msgs) || len(v.hashes) > len(p.hashes) || v.toolsSum != p.toolsSum || v.sysSum != p.sysSum {
		return true
	}
	for i := range v.noted {
		if v.noted[i].memo == nil && v.noted[i].late(v) {
			return true
		}
	}
	return false
}

// entrySize is what an entry costs beside its prefix: list element, map slot, slice slot; an estimate.
const entrySize = 160

func (c *PrefixCache) find(key uint64, p *Prefix) *list.Element {
	if p == nil {
		return nil
	}
	for _, e := range c.byKey[key] {
		if e.Value.(*entry).p == p {
			return e
		}
	}
	return nil
}

func (c *PrefixCache) remove(e *list.Element) {
	en := c.order.Remove(e).(*entry)
	c.bytes -= en.size
	l := c.byKey[en.key]
	i := slices.Index(l, e)
	if l = slices.Delete(l, i, i+1); len(l) == 0 {
		delete(c.byKey, en.key)
	} else {
		c.byKey[en.key] = l
	}
}

// Bytes is what the cache holds.
func (c *PrefixCache) Bytes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

// Len is the number of prefixes.
func (c *PrefixCache) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}
