package identity

import (
	"math/bits"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/zeebo/xxh3"
)

// Sizes for the bound in bytes: what an entry and all that hangs on it takes, names included. Approximate on purpose.
const (
	sessionSize = 256
	placeSize   = 256
	entrySize   = 64
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
	var err error
	t.tenants, err = lru.NewLRU(opt.Tenants, func(_ string, part *tenant) {
		t.bytes -= int(part.reported.Load())
		part.gone = true
	})
	if err != nil {
		panic(err) // only for a size <= 0, which Options do not let through
	}
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
	if int(part.reported.Load()) == size || !t.report(part, size) {
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
	t.bytes += size - int(part.reported.Load())
	part.reported.Store(int64(size))
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

	sessions  table[*session] // by user and name
	chains    table[node]     // places by the whole chain
	handoffs  table[node]     // the same places by the chain without system text
	calls     table[node]     // places by the ids of the tool calls in their answers
	bodies    table[node]     // places by a keyed hash of the request's path and body
	responses table[*place]   // places by the id of the response
	open      openCalls

	// Written under tables.mu.
	reported atomic.Int64 // what report was told last
	gone     bool         // forgotten, and still used by exchanges that had begun
}

func newTenant(opt Options, seed uint64) *tenant {
	n := opt.Entries
	return &tenant{
		opt: opt, seed: seed, base: rand.Uint64(),
		sessions:  newTable[*session](n),
		chains:    newTable[node](n),
		handoffs:  newTable[node](n),
		calls:     newTable[node](n),
		bodies:    newTable[node](n),
		responses: newTable[*place](n),
	}
}

// size is what the tenant holds, in bytes, approximately.
func (t *tenant) size() int {
	return t.sessions.n*(sessionSize+entrySize) + t.bodies.n*(placeSize+entrySize) +
		(t.chains.n+t.handoffs.n+t.calls.n+t.responses.n)*entrySize + t.open.bytes
}

// shrink forgets the oldest tenth of everything.
func (t *tenant) shrink() {
	t.sessions.shrink()
	t.chains.shrink()
	t.handoffs.shrink()
	t.calls.shrink()
	t.bodies.shrink()
	t.responses.shrink()
	t.open.shrink()
}

// mix makes one key of two. The keys of a process are seeded, so nobody can work out which ones collide.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0x9e3779b97f4a7c15, b^0xd6e8feb86659fd93)
	return hi ^ lo ^ bits.RotateLeft64(a, 32) ^ b
}

func mixString(a uint64, s string) uint64 { return mix(a, xxh3.HashStringSeed(s, a)) }

// newNames makes names for a session and its program that nobody else has, in one piece of memory.
func (t *tenant) newNames() (session, program string) {
	t.names++
	const digits = 13 // of a number above 1<<63 in base 36
	var b [2 * (len("s-") + digits)]byte
	copy(b[:], "s-")
	strconv.AppendUint(b[:2], mix(t.base, t.names)|1<<63, 36)
	copy(b[15:], "p-")
	copy(b[17:], b[2:15])
	both := string(b[:])
	return both[:15], both[15:]
}
