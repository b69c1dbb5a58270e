package identity

import (
	"math/bits"
	"math/rand/v2"
	"strconv"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/zeebo/xxh3"
)

// Sizes for the bound in bytes: what an entry and all that hangs on it takes, names included. Approximate on purpose.
const (
	sessionSize = 512
	placeSize   = 400
	entrySize   = 160
)

// tables hold what is remembered, one part for each tenant. Nothing is ever looked up in another tenant's part.
type tables struct {
	opt  Options
	seed uint64

	mu      sync.Mutex
	tenants *lru.LRU[string, *tenant]
	bytes   int // of all tenants, as they last reported
}

func newTables(opt Options, seed uint64) *tables {
	t := &tables{opt: opt, seed: seed}
	t.tenants = newLRU(opt.Tenants, func(_ string, part *tenant) {
		t.bytes -= part.reported
		part.gone = true
	})
	return t
}

// tenant returns the part of a tenant, made when it is new.
func (t *tables) tenant(name string) *tenant {
	t.mu.Lock()
	defer t.mu.Unlock()
	part, ok := t.tenants.Get(name)
	if !ok {
		part = newTenant(t.opt, t.seed)
		t.tenants.Add(name, part)
	}
	return part
}

// settle tells how much a tenant holds now, in bytes. Over the bound, the least recently seen other tenants make room, then
// the tenant itself.
func (t *tables) settle(part *tenant, size int) {
	if !t.report(part, size) {
		return
	}
	part.mu.Lock()
	part.shrink()
	size = part.size()
	part.mu.Unlock()
	t.report(part, size)
}

func (t *tables) report(part *tenant, size int) (over bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if part.gone {
		return false
	}
	t.bytes += size - part.reported
	part.reported = size
	for t.bytes > t.opt.Bytes && t.tenants.Len() > 1 {
		if _, oldest, ok := t.tenants.GetOldest(); !ok || oldest == part {
			break
		}
		t.tenants.RemoveOldest()
	}
	return t.bytes > t.opt.Bytes
}

// A tenant is what is remembered of one tenant. What exchanges use is guarded by mu.
type tenant struct {
	mu    sync.Mutex
	opt   Options
	seed  uint64
	tick  int64  // grows with every exchange
	base  uint64 // of names
	names uint64

	sessions  *lru.LRU[uint64, *session] // by user and name
	chains    *lru.LRU[uint64, *node]    // places by the whole chain
	handoffs  *lru.LRU[uint64, *node]    // the same places by the chain without system text
	calls     *lru.LRU[uint64, *node]    // places by the ids of the tool calls in their answers
	bodies    *lru.LRU[bodyKey, *node]   // places by the bytes of the request
	responses *lru.LRU[uint64, *place]   // places by the id of the response
	open      openCalls

	// Guarded by tables.mu.
	reported int  // what report was told last
	gone     bool // forgotten, and still used by exchanges that had begun
}

// A bodyKey is a keyed hash of a request's path and body.
type bodyKey = xxh3.Uint128

func newTenant(opt Options, seed uint64) *tenant {
	n := opt.Entries
	return &tenant{
		opt: opt, seed: seed, base: rand.Uint64(),
		sessions:  newLRU[uint64, *session](n, nil),
		chains:    newLRU[uint64, *node](n, nil),
		handoffs:  newLRU[uint64, *node](n, nil),
		calls:     newLRU[uint64, *node](n, nil),
		bodies:    newLRU[bodyKey, *node](n, nil),
		responses: newLRU[uint64, *place](n, nil),
	}
}

func newLRU[K comparable, V any](n int, evicted lru.EvictCallback[K, V]) *lru.LRU[K, V] {
	l, err := lru.NewLRU(n, evicted)
	if err != nil {
		panic(err) // only for n <= 0, which Options do not let through
	}
	return l
}

// size is what the tenant holds, in bytes, approximately.
func (t *tenant) size() int {
	return t.sessions.Len()*sessionSize + t.bodies.Len()*(placeSize+entrySize) +
		(t.chains.Len()+t.handoffs.Len()+t.calls.Len()+t.responses.Len())*entrySize + t.open.bytes
}

// shrink forgets the oldest tenth of everything.
func (t *tenant) shrink() {
	shrink(t.sessions)
	shrink(t.chains)
	shrink(t.handoffs)
	shrink(t.calls)
	shrink(t.bodies)
	shrink(t.responses)
	t.open.shrink()
}

func shrink[K comparable, V any](l *lru.LRU[K, V]) {
	for n := l.Len()/10 + 1; n > 0 && l.Len() > 0; n-- {
		l.RemoveOldest()
	}
}

// put adds a place under a key.
func put[K comparable](l *lru.LRU[K, *node], key K, p *place) {
	n, ok := l.Get(key)
	if !ok {
		n = &node{}
		l.Add(key, n)
	}
	n.add(p)
}

// take takes a place out again.
func take(l *lru.LRU[uint64, *node], key uint64, tick int64) {
	if n, ok := l.Peek(key); ok && n.remove(tick) {
		l.Remove(key)
	}
}

// mix makes one key of two. The keys of a process are seeded, so nobody can work out which ones collide.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0x9e3779b97f4a7c15, b^0xd6e8feb86659fd93)
	return hi ^ lo ^ bits.RotateLeft64(a, 32) ^ b
}

func mixString(a uint64, s string) uint64 { return mix(a, xxh3.HashStringSeed(s, a)) }

// newName makes a session's name that nobody else has.
func (t *tenant) newName() string {
	t.names++
	return "s-" + strconv.FormatUint(mix(t.base, t.names)|1<<63, 36)
}
