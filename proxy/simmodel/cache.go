package simmodel

import (
	"sync"
	"time"

	"github.com/zeebo/xxh3"
)

// A prefixCache holds hashed blocks of prompts. A block's hash covers everything before it, so a run of hits from the
// front is a common prefix. It is bounded in blocks; the block unused for longest leaves first, and within one prompt the
// last block first.
type prefixCache struct {
	mu     sync.Mutex
	blocks map[uint64]*cacheBlock
	head   cacheBlock // ring: head.next is the newest
	cap    int
	bytes  int // of one block
	min    int // blocks
	ttl    time.Duration
}

type cacheBlock struct {
	key        uint64
	used       time.Time
	prev, next *cacheBlock
}

func newPrefixCache(o CacheOptions) *prefixCache {
	c := &prefixCache{blocks: map[uint64]*cacheBlock{}, bytes: o.Block * 4, cap: o.Tokens / o.Block, ttl: time.Duration(o.TTL)}
	c.min = (o.Min + o.Block - 1) / o.Block
	c.head.prev, c.head.next = &c.head, &c.head
	return c
}

// chain hashes the whole blocks of a prompt. salt keeps models and keys apart.
func (c *prefixCache) chain(text []byte, salt uint64, dst []uint64) []uint64 {
	if c.cap <= 0 {
		return nil
	}
	h := salt
	for len(text) >= c.bytes {
		h = xxh3.HashSeed(text[:c.bytes], h)
		dst = append(dst, h)
		text = text[c.bytes:]
	}
	// What the cache cannot hold with everything else thrown out is not kept.
	return dst[:min(len(dst), c.cap)]
}

// lookup returns how many blocks of the chain are held, from the front, and touches them.
func (c *prefixCache) lookup(chain []uint64, now time.Time) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for n < len(chain) {
		b := c.blocks[chain[n]]
		if b == nil || c.ttl > 0 && now.Sub(b.used) > c.ttl {
			break
		}
		n++
	}
	if n < c.min {
		return 0
	}
	for i := n - 1; i >= 0; i-- {
		c.touch(c.blocks[chain[i]], now)
	}
	return n
}

// insert stores blocks [from, to) of the chain.
func (c *prefixCache) insert(chain []uint64, from, to int, now time.Time) {
	if c.cap <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := min(to, len(chain)) - 1; i >= from; i-- {
		b := c.blocks[chain[i]]
		if b == nil {
			b = &cacheBlock{key: chain[i]}
			b.prev, b.next = b, b
			c.blocks[chain[i]] = b
		}
		c.touch(b, now)
	}
	// At the end what came before is refreshed, so that the tail, not the head, is the oldest.
	for i := min(from, len(chain)) - 1; i >= 0 && to >= len(chain); i-- {
		if b := c.blocks[chain[i]]; b != nil {
			c.touch(b, now)
		}
	}
	for len(c.blocks) > c.cap {
		old := c.head.prev
		old.prev.next, old.next.prev = old.next, old.prev
		delete(c.blocks, old.key)
	}
}

func (c *prefixCache) touch(b *cacheBlock, now time.Time) {
	b.used = now
	b.prev.next, b.next.prev = b.next, b.prev
	b.next, b.prev = c.head.next, &c.head
	b.next.prev, b.prev.next = b, b
}

// held returns how many tokens the cache holds.
func (c *prefixCache) held() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.blocks) * c.bytes / 4
}
