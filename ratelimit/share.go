package ratelimit

import (
	"math"
	"time"

	"github.com/trapgate/trapgate/ratelimit/limit"
)

// fromLease is the name of what is lent among the sources of limits.
const fromLease = "lease"

// A Load is what a pool spends and what it wants, for those who share its limits with others. Amounts are as the provider
// counts them (see limit.Rules).
type Load struct {
	Requests float64 // sent ever
	// Tokens, Input and Output are reserved and not settled. What was settled is told by Observer.Settled; Counted says what it
	// counts for.
	Tokens, Input, Output float64
	Inflight, Queued      int
	Head                  Needs // of the call that is next; zero when none waits
	Tenants               []TenantLoad
}

// Needs are what one call takes from each bucket.
type Needs struct{ Tokens, Input, Output float64 }

// A TenantLoad is one tenant's part of a Load, over all classes.
type TenantLoad struct {
	Name             string
	Weight           float64 // as configured
	Queued, Inflight int
	Attained         int64 // cost charged ever
}

// Load says what the pool spends and wants. The tenants are appended to buf: those with something queued or in flight, and at
// most limit of them.
func (p *Pool) Load(buf []TenantLoad, limit int) Load {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := Load{
		Requests: p.set.Requests.Mark(), Tokens: p.set.Tokens.InFlight(), Input: p.set.Input.InFlight(), Output: p.set.Output.InFlight(),
		Inflight: p.inflight - p.phantoms(), Queued: p.queued, Tenants: buf,
	}
	if t, _ := p.tree.first(); t != nil {
		l.Head = p.needs(t.ask())
	}
	for name, a := range p.tree.tenants {
		if len(l.Tenants)-len(buf) == limit {
			break
		}
		if a.queued > 0 || a.inflight > 0 {
			l.Tenants = append(l.Tenants, TenantLoad{name, p.tree.cfg.tenantWeight(name), a.queued, a.inflight, a.attained})
		}
	}
	return l
}

// needs are a cost as the buckets count it, or the gate that it must pass where that is more.
func (p *Pool) needs(c limit.Cost) Needs {
	if p.set.Rules.CachedFree {
		c.Input -= c.Cached
	}
	n := Needs{c.Input + c.Output, c.Input, c.Output}
	if p.set.Rules.GateOnMax {
		n.Tokens, n.Output = max(n.Tokens, c.Input+c.MaxOutput), max(n.Output, c.MaxOutput)
	}
	return n
}

// Counted is what a call's usage counts for.
func (p *Pool) Counted(u Usage) Needs {
	p.mu.Lock()
	defer p.mu.Unlock()
	in := float64(u.Input)
	if p.set.Rules.CachedFree {
		in -= float64(min(max(u.Cached, 0), u.Input))
	}
	return Needs{in + float64(u.Output), in, float64(u.Output)}
}

// An Allowance is what may be spent of one rate until the next Loan: Left at once, which may be a debt, and PerMinute from then
// on, up to Depth or Left. A call that is larger than both goes when that much is there.
type Allowance struct {
	Left, PerMinute, Depth float64
}

// Unbounded is the allowance of a rate that is not shared.
var Unbounded = Allowance{Left: math.Inf(1)}

// A Loan is what others leave of the pool's limits for now.
type Loan struct {
	Requests, Tokens, Input, Output Allowance
	Slots                           int // calls in flight; below 0: not shared
	// Weights are the tenants' parts of the loan; they count instead of the configured weights, among those named. Nil: the
	// configured ones.
	Weights map[string]float64
}

// Lend puts a loan in force in the place of the last one. It stands where the provider's own count stands (limit.Bucket.Sync),
// and replaces it: what the provider tells later counts until the next Lend.
func (p *Pool) Lend(l Loan) {
	p.mu.Lock()
	now := p.s.clock.Now()
	lend(&p.set.Requests, now, l.Requests)
	lend(&p.set.Tokens, now, l.Tokens)
	lend(&p.set.Input, now, l.Input)
	lend(&p.set.Output, now, l.Output)
	p.lendSlots(l.Slots, now)
	p.weigh(l.Weights)
	p.drain(now)
	p.unlock()
}

// lendReset is so far away that a loan is never taken for a limit by the minute that a response told.
const lendReset = time.Hour

func lend(b *limit.Bucket, now time.Time, a Allowance) {
	left, known := b.Theirs(now)
	if math.IsInf(a.Left, 1) {
		if known && !math.IsInf(left, 1) {
			b.Sync(now, limit.Quota{HasRemaining: true, Remaining: a.Left}, b.Mark())
		}
		return
	}
	q := limit.Quota{HasRemaining: true, Remaining: a.Left}
	if a.PerMinute > 0 && a.Depth > 0 {
		q.HasLimit, q.Limit = true, max(a.Depth, a.Left, 1)
		q.Period = min(max(time.Duration(q.Limit/a.PerMinute*float64(time.Minute)), time.Microsecond), 100*24*time.Hour)
		// Two counts that fall while the reset moves away are those of a bucket that refills evenly, not of a fixed window.
		q.HasReset, q.Reset = true, lendReset
		more := q
		more.Remaining += q.Limit * max(1, float64(lendReset)/float64(q.Period))
		b.Sync(now, more, b.Mark())
		q.Reset = 2 * lendReset
	}
	b.Sync(now, q, b.Mark())
}

// lendSlots bounds the calls in flight. No slot at all is one slot that somebody else has.
func (p *Pool) lendSlots(n int, now time.Time) {
	p.inflight -= p.phantoms()
	switch {
	case n < 0:
		p.setLimits(fromLease, Limits{}, now)
	default:
		p.setLimits(fromLease, Limits{Concurrency: max(n, 1)}, now)
	}
	if n == 0 {
		p.setLimits(elsewhere, Limits{Concurrency: 1}, now)
	} else {
		p.setLimits(elsewhere, Limits{}, now)
	}
	p.inflight += p.phantoms()
}

// elsewhere is the source that says that the one slot is somebody else's.
const elsewhere = "lease (elsewhere)"

// phantoms are the slots in p.inflight that are somebody else's.
func (p *Pool) phantoms() int {
	if _, ok := p.sources[elsewhere]; ok {
		return 1
	}
	return 0
}

// weigh gives tenants the weights of a loan.
func (p *Pool) weigh(parts map[string]float64) {
	p.tree.reweigh()
	if p.tree.policy == FIFO || p.tree.policy == Priority || len(parts) < 2 {
		return
	}
	sum, whole := 0.0, 0.0
	for name, part := range parts {
		sum += part
		whole += p.tree.cfg.tenantWeight(name)
	}
	if !(sum > 0) {
		return
	}
	for _, class := range p.tree.root.children {
		for _, tenant := range class.children {
			if part, ok := parts[tenant.name]; ok {
				tenant.reweigh(weight(max(part/sum*whole, 1e-6)))
			}
		}
	}
}
