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
	hot     warmList // believed to be warm
	ghosts  warmList // evicted; still known for the time that their programs take to return
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

	prev, next *warm
}

type (
	warmKey  struct{ tenant, session string }
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
			for x := p.live.next; x != &p.live; x = x.next {
				x.warm = nil
			}
			p.cache.forgetAll()
			p.cache = nil
		}
		return
	}
	if p.cache == nil {
		k := &cache{
			pool: p, warm: make(map[warmKey]*warm), chains: make(map[chainKey]*warm), gaps: limit.NewGaps(modelKeys),
		}
		k.hot.init()
		k.ghosts.init()
		p.cache = k
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
	for _, w := range k.warm {
		for _, t := range w.waiting {
			t.warm = nil
		}
	}
}

// arrive finds the conversation that t continues, and learns how long its program was away.
func (k *cache) arrive(t *Ticket, now time.Time) {
	c := &t.Call
	w := k.warm[warmKey{c.Tenant, c.Session}]
	if w == nil || c.Session == "" {
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
	for w := k.hot.oldest(); w != nil; w = k.hot.after(w) {
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
	k.hot.remove(v)
	v.resident, v.tokens = false, 0
	delete(k.chains, chainKey{v.key.tenant, v.chain})
	k.ghosts.push(v)
	for g := k.ghosts.oldest(); k.ghosts.n > maxGhosts && g != nil; {
		next := k.ghosts.after(g)
		if len(g.waiting) == 0 && g.busy == 0 {
			k.ghosts.remove(g)
			delete(k.warm, g.key)
		}
		g = next
	}
	return v
}

// start notes that t is on its way: its conversation is resident and the last used.
func (k *cache) start(t *Ticket, now time.Time) {
	w := t.warm
	if w == nil {
		w = k.make(t)
		t.warm = w
	}
	if k.held == w {
		k.unhold(now, true)
	}
	switch {
	case w.resident:
		k.hot.remove(w)
	default:
		k.ghosts.remove(w)
		if k.hot.n >= k.slots {
			k.evict()
		}
		w.resident = true
	}
	k.hot.push(w)
	w.busy++
	w.ended, w.spent = time.Time{}, false
	c := &t.Call
	w.model, w.agent, w.program, w.leaf = c.Model, c.Agent, t.flow.prog.key.name, t.flow.key
}

func (k *cache) make(t *Ticket) *warm {
	key := warmKey{t.Call.Tenant, t.Call.Session}
	if w := k.warm[key]; w != nil && key.session != "" {
		return w // it came into being while t waited
	}
	if key.session == "" {
		key.session = "#" + t.Call.Exchange
	}
	w := &warm{key: key}
	k.warm[key] = w
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
	if chain != w.chain {
		delete(k.chains, chainKey{c.Tenant, w.chain})
		w.chain = chain
	}
	if chain != 0 && w.resident {
		k.chains[chainKey{c.Tenant, chain}] = w
	}
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

// A warmList is a list in order of use.
type warmList struct {
	root warm
	n    int
}

func (l *warmList) init() { l.root.prev, l.root.next = &l.root, &l.root }

func (l *warmList) push(w *warm) {
	w.prev, w.next = l.root.prev, &l.root
	w.prev.next, w.next.prev = w, w
	l.n++
}

func (l *warmList) remove(w *warm) {
	if w.prev == nil {
		return
	}
	w.prev.next, w.next.prev = w.next, w.prev
	w.prev, w.next = nil, nil
	l.n--
}

func (l *warmList) oldest() *warm { return l.after(&l.root) }

func (l *warmList) after(w *warm) *warm {
	if w.next == &l.root {
		return nil
	}
	return w.next
}
