package lease

import (
	"math"
	"time"
)

// allot divides capacity by weighted max-min: first between the tenants, whose demands at all live holders are added, then
// each tenant's part between the holders that it calls through. It sets every live holder's share, and returns the parts of
// the one that asks. What nobody wants goes to the live holders in equal parts, so that more work finds room at once;
// tenants' parts are without it.
func (r *record) allot(p *Report, capacity, per, now float64, ids []string) (parts []float64) {
	a := newAllotment()
	active := 0.0
	for _, id := range ids {
		h := r.holders[id]
		h.share = 0
		if now >= h.until {
			continue
		}
		if len(h.demands) > 0 {
			active++
		}
		for i, d := range h.demands {
			a.add(d, id == p.Holder, h, i, float64(d.Amount)/per)
		}
	}
	parts = make([]float64, len(p.Demands))
	left := a.divide(capacity, parts)
	if active > 0 {
		for _, id := range ids {
			if h := r.holders[id]; now < h.until && len(h.demands) > 0 {
				h.share += left / active
			}
		}
	}
	return parts
}

// An allotment is one division of a capacity.
type allotment struct {
	index   map[string]int
	weights []float64
	demands []float64
	claims  [][]claim // by tenant
}

type claim struct {
	h      *holder
	own    bool // of the holder that asks
	place  int  // in its demands
	amount float64
}

func newAllotment() *allotment { return &allotment{index: map[string]int{}} }

func (a *allotment) add(d Demand, own bool, h *holder, place int, amount float64) {
	t, known := a.index[d.Tenant]
	if !known {
		t = len(a.weights)
		a.index[d.Tenant] = t
		a.weights, a.demands, a.claims = append(a.weights, 0), append(a.demands, 0), append(a.claims, nil)
	}
	w := d.Weight
	if !(w > 0) || math.IsInf(w, 1) {
		w = 1
	}
	a.weights[t] = max(a.weights[t], w)
	a.demands[t] += max(amount, 0)
	a.claims[t] = append(a.claims[t], claim{h, own, place, max(amount, 0)})
}

func (a *allotment) divide(capacity float64, parts []float64) (left float64) {
	out := make([]float64, len(a.demands))
	left = MaxMin(capacity, a.demands, a.weights, out)
	for t, claims := range a.claims {
		wants, equal, got := make([]float64, len(claims)), make([]float64, len(claims)), make([]float64, len(claims))
		for i, c := range claims {
			wants[i], equal[i] = c.amount, 1
		}
		MaxMin(out[t], wants, equal, got)
		for i, c := range claims {
			c.h.share += got[i]
			if c.own {
				parts[c.place] += got[i]
			}
		}
	}
	return left
}

// rate grants tokens out of the bucket. A holder may take what it is owed as far as nobody is owed more, and what is left
// when everybody else is paid. Less than it needs is not given, so that no part of a large request lies idle at each of
// several holders.
func (r *record) rate(p *Report, h *holder, now float64, ids []string) Grant {
	r.level += float64(p.Back)
	speed := perSecond(p)
	for _, id := range ids {
		if o := r.holders[id]; now >= o.until && !o.idle() {
			speed -= static(p) / secs(p.Per)
		}
	}
	parts := r.allot(p, max(speed, 0), secs(p.Delta), now, ids)
	if r.young(p, now) {
		h.share = min(h.share, static(p)/secs(p.Per))
	}
	ahead, others := 0.0, 0.0
	for _, id := range ids {
		o := r.holders[id]
		if o == h || now >= o.until {
			continue
		}
		owed := max(o.credit, o.need, 0)
		others += owed
		if o.credit > h.credit {
			ahead += owed
		}
	}
	amount := min(max(h.credit, 0), r.level-ahead)
	if h.need > amount && r.level-ahead >= h.need {
		amount = h.need
	}
	amount = max(amount, r.level-others)
	n := float64(whole(max(min(amount, h.ask, r.level), 0)))
	g := Grant{Share: h.share * secs(p.Per), Tenants: parts}
	for i := range parts {
		parts[i] *= secs(p.Per)
	}
	if n < h.need {
		n = 0
	}
	if n < h.ask {
		g.Retry = again(p, max(h.need, 1)-max(h.credit, 0), h.share)
	}
	r.level -= n
	h.held += n
	h.need = max(h.need-n, 0)
	h.credit = max(h.credit-n, -max(float64(p.Need), h.share*secs(p.Delta)))
	g.Amount = int64(n)
	return g
}

// again is when a holder that was not given all is owed missing more: between a quarter of Delta and Delta.
func again(p *Report, missing, speed float64) time.Duration {
	if speed <= 0 || speed*secs(p.Delta) <= missing {
		return p.Delta
	}
	return max(time.Duration(max(missing, 0)/speed*1e9), p.Delta/4)
}

// budget commits a block. Blocks are what is asked while all that everybody wants is there, else by max-min of what is left; then
// at least what is needed, first come first served, so that the last units are not divided into parts that are of no use.
func (r *record) budget(p *Report, h *holder, now float64, ids []string) Grant {
	left := float64(p.Limit) - r.committed(Budget, ids)
	free := left
	for _, id := range ids {
		switch o := r.holders[id]; {
		case o == h:
		case now >= o.until:
			free -= max(o.spare, o.alone)
		default:
			free -= o.alone
		}
	}
	parts := r.allot(p, max(free, 0), 1, now, ids)
	amount := h.ask
	if amount > h.share {
		amount = max(h.share, h.need)
	}
	if r.young(p, now) || r.learning(p, now, ids) { // what the holder might use on its own, see Lease.allowance
		has := h.used + h.held
		amount = min(amount, static(p)-h.prior-has, (float64(p.Limit)-r.lost())/float64(p.Sidecars)-(has-h.base))
	}
	n := float64(whole(max(min(amount, h.ask, free), 0)))
	g := Grant{Share: h.share, Tenants: parts}
	if n < h.need {
		n = 0
	}
	if n < h.ask {
		g.Retry = p.Delta
		if free < 1 {
			g.Retry = p.TTL // only what somebody gives back can help
		}
	}
	h.held += n
	h.spare = max(min(static(p)-h.prior-h.used-h.held, (left-n)/float64(p.Sidecars)), 0)
	if h.idle() {
		h.spare = 0
	}
	g.Amount = int64(n)
	return g
}

// slots gives shares in whole slots. A share may only grow by what nobody else has, and one that shrinks counts in full until its
// holder has reported that it obeys.
func (r *record) slots(p *Report, h *holder, now float64, ids []string) Grant {
	capacity, taken := float64(p.Limit), 0.0
	for _, id := range ids {
		o := r.holders[id]
		if now >= o.until {
			if !o.idle() {
				capacity -= max(o.held, static(p))
			}
			continue
		}
		if o != h {
			taken += o.held
		}
	}
	parts := r.allot(p, max(capacity, 0), 1, now, ids)
	r.round(p, max(capacity, 0), now, ids)
	n := min(h.target, capacity-taken)
	if r.young(p, now) {
		n = min(n, max(h.held, static(p)))
	}
	n = float64(whole(max(n, 0)))
	g := Grant{Share: h.share, Tenants: parts, Amount: int64(n)}
	if n < h.target || n < h.held {
		g.Retry = p.Delta / 4
	}
	h.held = max(h.held, n, h.used)
	return g
}

// round makes whole slots of the shares: the remainder goes one by one to those that are owed most, so that shares below
// one slot take turns. Who has a slot keeps it until somebody is owed two Deltas of one more: every change leaves the slot
// empty for a while.
func (r *record) round(p *Report, capacity, now float64, ids []string) {
	rest := math.Floor(capacity + 1e-9)
	for _, id := range ids {
		h := r.holders[id]
		h.target = float64(whole(h.share))
		rest -= h.target
	}
	for ; rest >= 1; rest-- {
		var best *holder
		most := 0.0
		for _, id := range ids {
			h := r.holders[id]
			owed := h.credit
			if h.held > h.target {
				owed += 2 * secs(p.Delta)
			}
			if now < h.until && h.share > h.target+1e-9 && (best == nil || owed > most) {
				best, most = h, owed
			}
		}
		if best == nil {
			return
		}
		best.target++
	}
}
