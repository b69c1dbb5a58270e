package ratelimit

import (
	"time"

	"github.com/trapgate/trapgate/ratelimit/limit"
)

// A cache models which conversations' prefixes an upstream keeps warm: the last used ones, as many as it has slots. From it
// come two wishes, which choose weighs against the order's: that the turn which continues a warm prefix goes before another
// conversation evicts it, and that a slot stays idle for a moment when its program is about to come back (anticipation, after
// Iyer and Druschel, "Anticipatory scheduling", SOSP 2001, with a cold prefill for the disk's seek).
//
// The bound: affinity and anticipation together let a leaf's own choice wait for no more than CacheConfig.Run times the cost
// of the warm prefix they serve, and put a tenant behind another by no more than CacheConfig.Ahead times that cost.
// Kept time counts as the cost that could have been prefilled in it.
type cache struct {
	pool  *Pool
	slots int
	ahead float64
	run   float64

	warm    map[warmKey]*warm
	chains  map[chainKey]*warm
	hot     list[warm] // believed to be warm, the last used one last
	ghosts  list[warm] // evicted; still known for the time that their programs take to return
	gaps    *limit.Gaps
	returns int           // observed by gaps
	longest time.Duration // of them
	held    *warm
	heldAt  time.Time
	heldFor *node // leaf of the call that waits for it
	until   time.Time
}

// A warm is one conversation's prefix, resident or evicted.
type warm struct {
	key      warmKey
	model    string
	agent    string
	program  string
	chain    uint64
	tokens   int64
	resident bool
	busy     int       // calls in flight
	ended    time.Time // of the last one; zero until it has ended and once its program came back
	spent    bool      // not to be waited for: in vain so far, or its task is done
	leaf     flowKey   // where its calls wait
	waiting  []*Ticket

	link link[warm] // of hot or ghosts
}

type (
	// A warmKey names a conversation by its session or, where there is none, by the exchange that began it; by neither when
	// both are empty: such a conversation is only found by its chain.
	warmKey  struct{ tenant, session, exchange string }
	chainKey struct {
		tenant string
		chain  uint64
	}
)

// maxGhosts bounds the conversations that are remembered without being warm.
const maxGhosts = 4096

// configureCache switches the model on or off, or changes its size. A conversation that no longer fits is evicted.
func (p *Pool) configureCache(c CacheConfig) {
	if c.Slots <= 0 {
		if p.cache != nil {
			for x := range p.live.all() {
				x.warm = nil
			}
			p.cache.forgetAll()
			p.cache = nil
		}
		return
	}
	if p.cache == nil {
		p.cache = &cache{
			pool: p, warm: make(map[warmKey]*warm), chains: make(map[chainKey]*warm), gaps: limit.NewGaps(modelKeys),
		}
	}
	k := p.cache
	k.slots, k.ahead, k.run = c.Slots, c.Ahead, c.Run
	if k.ahead <= 0 {
		k.ahead = 2
	}
	if k.run <= 0 {
		k.run = 8
	}
	for k.hot.n > k.slots {
		if k.evict() == nil {
			break
		}
	}
}

func (k *cache) forgetAll() {
	for _, l := range []*list[warm]{&k.hot, &k.ghosts} {
		for w := range l.all() {
			for _, t := range w.waiting {
				t.warm = nil
			}
		}
	}
}

// arrive finds the conversation that t continues, and learns how long its program was away.
func (k *cache) arrive(t *Ticket, now time.Time) {
	c := &t.Call
	w := k.warm[keyOf(c)]
	if w == nil {
		w = k.byChain(c)
	}
	if w == nil {
		return
	}
	t.warm = w
	if w.busy == 0 && !w.ended.IsZero() && c.RetryOf == "" && t.enq.Equal(t.came) {
		gap := now.Sub(w.ended)
		k.gaps.Observe(w.gapKey(), gap)
		k.returns++
		k.longest = max(k.longest, gap)
		w.ended = time.Time{}
	}
}

// keyOf is what a call's conversation is known by.
func keyOf(c *Call) warmKey {
	if c.Session == "" {
		return warmKey{tenant: c.Tenant, exchange: c.Exchange}
	}
	return warmKey{tenant: c.Tenant, session: c.Session}
}

func (w warmKey) named() bool { return w.session != "" || w.exchange != "" }

// maxChains is how many of the last messages may be new since the warm prefix.
const maxChains = 32

func (k *cache) byChain(c *Call) *warm {
	for i, n := len(c.Chains)-1, 0; i >= 0 && n < maxChains; i, n = i-1, n+1 {
		if w := k.chains[chainKey{c.Tenant, c.Chains[i]}]; w != nil {
			return w
		}
	}
	return nil
}

// gapKey is how tool times are told apart: a program's own (which stands where a model would), its agent's, its tenant's.
func (w *warm) gapKey() limit.Key {
	return limit.Key{Tenant: w.key.tenant, Model: w.program, Agent: w.agent}
}

// cached is the input of t that is expected to be warm.
func (k *cache) cached(t *Ticket) int64 {
	if t.warm == nil || !t.warm.resident {
		return 0
	}
	return min(t.warm.tokens, t.Call.Input)
}

func (k *cache) enqueue(t *Ticket) {
	if w := t.warm; w != nil {
		w.waiting = append(w.waiting, t)
	}
}

func (k *cache) dequeue(t *Ticket) {
	w := t.warm
	if w == nil {
		return
	}
	for i, x := range w.waiting {
		if x == t {
			w.waiting = append(w.waiting[:i], w.waiting[i+1:]...)
			return
		}
	}
}

// giveUp ends a call that never ran.
func (k *cache) giveUp(t *Ticket) { t.warm = nil }

// harmless says whether t evicts nobody: it is warm, or there is a place left.
func (k *cache) harmless(t *Ticket) bool {
	return (t.warm != nil && t.warm.resident) || k.hot.n < k.slots || k.victim() == nil
}

// victim is what the next cold conversation evicts: the one that is idle the longest. nil when all are busy.
func (k *cache) victim() *warm {
	for w := range k.hot.all() {
		if w.busy == 0 {
			return w
		}
	}
	return nil
}

func (k *cache) evict() *warm {
	v := k.victim()
	if v == nil {
		return nil
	}
	if v == k.held {
		k.unhold(k.pool.s.clock.Now(), false)
	}
	k.hot.remove(&v.link)
	v.resident, v.tokens = false, 0
	k.rechain(v, 0)
	k.ghosts.push(v, &v.link)
	for g := range k.ghosts.all() {
		if k.ghosts.n <= maxGhosts {
			break
		}
		if len(g.waiting) == 0 && g.busy == 0 {
			k.ghosts.remove(&g.link)
			delete(k.warm, g.key)
		}
	}
	return v
}

// rechain lets w be found by another chain; 0: by none. Of several that came to the same messages the last one is found.
func (k *cache) rechain(w *warm, chain uint64) {
	if old := (chainKey{w.key.tenant, w.chain}); chain != w.chain && k.chains[old] == w {
		delete(k.chains, old)
	}
	if w.chain = chain; chain != 0 && w.resident {
		k.chains[chainKey{w.key.tenant, chain}] = w
	}
}

// start notes that t is on its way: its conversation is resident and the last used.
func (k *cache) start(t *Ticket, now time.Time) {
	w := k.own(t)
	t.warm = w
	if k.held == w {
		k.unhold(now, true)
	}
	switch {
	case w.resident:
		k.hot.remove(&w.link)
	default:
		k.ghosts.remove(&w.link)
		if k.hot.n >= k.slots {
			k.evict()
		}
		w.resident = true
	}
	k.hot.push(w, &w.link)
	w.busy++
	w.ended, w.spent = time.Time{}, false
	c := &t.Call
	w.model, w.agent, w.program, w.leaf = c.Model, c.Agent, t.flow.prog.key.name, t.flow.key
}

// own is the conversation that t fills: its own; else the one whose prefix it extends, which is its own from then on when t has
// a session and that one is idle; else a new one.
func (k *cache) own(t *Ticket) *warm {
	key := keyOf(&t.Call)
	if w := k.warm[key]; w != nil {
		return w // it may have come into being while t waited
	}
	w := t.warm
	switch {
	case w == nil || (key.session != "" && w.busy > 0):
		w = &warm{key: key}
	case key.session == "":
		return w // a side call leaves a session its conversation
	default:
		delete(k.warm, w.key)
		w.key = key
	}
	if key.named() {
		k.warm[key] = w
	}
	return w
}

// settle notes what the upstream holds now.
func (k *cache) settle(t *Ticket, u Usage) {
	w := t.warm
	if w == nil {
		return
	}
	w.tokens, w.spent = u.Input+u.Output, u.Final
	c := &t.Call
	chain := c.Chain
	if n := len(c.Chains); chain == 0 && n > 0 {
		chain = c.Chains[n-1]
	}
	k.rechain(w, chain)
}

// finish notes that t's slot is free: its program is away from now on.
func (k *cache) finish(t *Ticket, now time.Time) {
	w := t.warm
	if w == nil {
		return
	}
	t.warm = nil
	if w.busy--; w.busy == 0 {
		w.ended = now
	}
	for k.hot.n > k.slots && k.evict() != nil {
	}
}
