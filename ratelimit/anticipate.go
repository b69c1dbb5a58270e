package ratelimit

import "time"

// choose weighs the call whose turn it is against what is warm. It returns the call to go, or nil and until when the slot is kept.
func (k *cache) choose(first *Ticket, now time.Time) (*Ticket, time.Time) {
	if k.harmless(first) {
		k.unhold(now, false)
		return first, time.Time{}
	}
	if t := k.nextWarm(first); t != nil {
		return t, time.Time{} // a slot kept for it is its: start says so
	}
	v := k.victim()
	if k.held != nil && (k.held != v || !now.Before(k.until)) {
		k.unhold(now, false)
	}
	if k.held == nil && !k.hold(v, first, now) {
		return first, time.Time{}
	}
	return nil, k.until
}

// nextWarm is a waiting call that may go before first because its prefix is warm: of those idle the longest, which would be
// evicted next.
func (k *cache) nextWarm(first *Ticket) *Ticket {
	for w := range k.hot.all() {
		if len(w.waiting) == 0 {
			continue
		}
		t := w.waiting[0]
		for _, x := range w.waiting[1:] {
			if ticketBefore(x, t) {
				t = x
			}
		}
		if k.mayPass(t.flow.leaf, t.cost, w, first) {
			return t
		}
	}
	return nil
}

// mayPass says whether a call of leaf at cost, or a slot kept that long, may go before first for the sake of w's prefix.
func (k *cache) mayPass(leaf *node, cost int64, w *warm, first *Ticket) bool {
	prefix := float64(k.pool.tree.cfg.cost.Input * w.tokens)
	mine := first.flow.leaf
	if leaf == mine {
		return float64(leaf.queue.ahead+cost) <= k.run*prefix
	}
	a, b := apart(mine, leaf)
	switch k.pool.tree.back {
	case a:
		return true // strictly last: everybody else may pass
	case b:
		return false
	}
	return (b.tag-a.tag)*a.weight <= k.ahead*prefix
}

// apart finds the ancestors of two leaves that are siblings. Different leaves may be at different depths.
func apart(a, b *node) (x, y *node) {
	for a.depth > b.depth {
		a = a.parent
	}
	for b.depth > a.depth {
		b = b.parent
	}
	for a.parent != b.parent {
		a, b = a.parent, b.parent
	}
	return a, b
}

// hold begins to keep the slot for v, when that pays: the time that its program is likely to stay away against the time that
// its prefix would take to compute again.
func (k *cache) hold(v *warm, first *Ticket, now time.Time) bool {
	if v == nil || v.spent || v.ended.IsZero() || len(v.waiting) > 0 {
		return false
	}
	each := k.pool.perToken(v.model)
	if each <= 0 || v.tokens == 0 {
		return false
	}
	f := k.pool.tree.flows[v.leaf]
	if f == nil || !k.mayPass(f.leaf, 0, v, first) {
		return false
	}
	cold := seconds(each * float64(v.tokens))
	d := k.away(v, now.Sub(v.ended), cold)
	if d <= 0 {
		return false
	}
	k.held, k.heldAt, k.until, k.heldFor = v, now, now.Add(min(d, cold)), first.flow.leaf
	return true
}

// What is done while too few programs have come back to say how long they take.
const (
	returnsKnown = 6   // returns from which on the distribution is believed
	untold       = 0.3 // of a cold prefill: how long to wait in any case, unless somebody was away for a whole one
	margin       = 1.5 // of the longest return seen so far
)

// away is how much longer the slot should be kept for v, whose program has been gone for since.
func (k *cache) away(v *warm, since, cold time.Duration) time.Duration {
	if k.returns >= returnsKnown {
		return k.gaps.Anticipate(v.gapKey(), since, cold, true)
	}
	if k.longest >= cold {
		return 0
	}
	return min(cold, max(time.Duration(untold*float64(cold)), time.Duration(margin*float64(k.longest)))) - since
}

// unhold ends the keeping of a slot, and writes down what it cost: as if so much had been prefilled for the program.
func (k *cache) unhold(now time.Time, hit bool) {
	v := k.held
	if v == nil {
		return
	}
	k.held = nil
	d := now.Sub(k.heldAt)
	if !hit && !now.Before(k.until) {
		v.spent = true
	}
	if each := k.pool.perToken(v.model); each > 0 && d > 0 {
		k.charge(v, int64(d.Seconds()/each)*k.pool.tree.cfg.cost.Input)
	}
	if k.pool.s.obs.Held != nil {
		k.pool.out = append(k.pool.out, event{kind: evHeld, d: d, hit: hit})
	}
}

// charge lets those who waited for v's program go that much sooner. It moves tags only: nobody used anything.
func (k *cache) charge(v *warm, cost int64) {
	f := k.pool.tree.flows[v.leaf]
	if f == nil {
		return
	}
	if f.leaf == k.heldFor {
		f.leaf.queue.ahead += cost
		return
	}
	for n := f.leaf; n.parent != nil; n = n.parent {
		n.tag += float64(cost) / n.weight
		n.moved()
	}
}
