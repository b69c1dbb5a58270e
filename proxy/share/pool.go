package share

import (
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/lease"
)

// What is shared of a pool.
const (
	requests = iota
	tokens
	input
	output
	slots
	parts
)

var partNames = [parts]string{"requests", "tokens", "input", "output", "slots"}

// maxTenants bounds the tenants that a report names; the rest speak as one.
const maxTenants = 200

// A pool is one pool's leases.
type pool struct {
	ps     *pools
	engine *ratelimit.Pool
	name   string

	dirty    atomic.Bool
	asleep   atomic.Bool  // no lease wants anything: the next call must wake them
	entering atomic.Int64 // attempts that are about to ask for a place
	tenant   atomic.Pointer[string]

	mu       sync.Mutex
	part     [parts]part
	load     ratelimit.Load
	buf      []ratelimit.TenantLoad
	settledN [slots]float64 // what settled calls counted for
	grants   map[string]float64
	grown    time.Time // when wants were made
	wants    []want

	timer *time.Timer // of the goroutine that updates
}

// A part is the lease of one limit.
type part struct {
	lease *lease.Lease // nil: not shared, or not there yet
	limit int64
	told  float64 // of what was spent
	mean  float64 // cost of a call
	since float64 // told, when mean was looked at
	calls float64
	wants float64 // of all tenants, in the last report
}

// A want is one tenant's demand, before it is put in units.
type want struct {
	tenant           string
	weight           float64
	queued, inflight float64
	lately           float64 // calls, in a Delta
}

func newPool(ps *pools, engine *ratelimit.Pool) *pool {
	return &pool{ps: ps, engine: engine, name: engine.Name(), grants: map[string]float64{}}
}

// limit puts limits in force. What is not limited is not shared.
func (p *pool) limit(l ratelimit.Limits) {
	limits := [parts]int64{l.Requests, l.Tokens, l.Input, l.Output, int64(l.Concurrency)}
	var old []*lease.Lease
	p.mu.Lock()
	load := p.engine.Load(nil, 0)
	for i := range p.part {
		q := &p.part[i]
		if q.limit == limits[i] {
			continue
		}
		if q.lease != nil {
			old = append(old, q.lease)
		}
		*q = part{limit: limits[i], calls: load.Requests}
		if i != slots { // what went before is not the others' business
			q.told = p.spent(i, &load)
			q.since = q.told
		}
	}
	p.mu.Unlock()
	for _, l := range old { // not under the lock: a lease that reports holds its own, and asks for ours
		p.ps.s.client.Remove(l)
	}
	p.kick()
}

// add leases a limit. While the lease before is being given back it fails, and update tries again.
func (p *pool) add(i int) {
	q := &p.part[i]
	if q.limit == 0 || q.lease != nil {
		return
	}
	kind := lease.Rate
	if i == slots {
		kind = lease.Slots
	}
	limit, depth := shared(kind, q.limit)
	added, err := p.ps.s.client.Add(lease.Resource{
		Key: "pool/" + p.name + "/" + partNames[i], Kind: kind, Limit: limit, Sidecars: p.ps.s.o.Sidecars, Depth: depth,
		Demands: func(buf []lease.Demand) []lease.Demand { return p.demands(i, buf) },
		Changed: func(lease.Share) { p.kick() },
	})
	if err == nil {
		q.lease = added
	}
}

// burst is the part of a minute's limit that may go at once. margin is the part of a rate that is not shared: room for what is
// spent at a share's speed between two renewals, and while the store goes or comes.
const (
	burst  = 40
	margin = 64
)

// shared is what is leased of a limit, and how deep its bucket is.
func shared(kind lease.Kind, limit int64) (n, depth int64) {
	if kind != lease.Rate {
		return limit, 0
	}
	return limit - limit/margin, max(limit/burst, 1)
}

// kick has update run soon.
func (p *pool) kick() {
	if !p.dirty.Swap(true) {
		select {
		case p.ps.wake <- struct{}{}:
		default:
		}
	}
}

func (p *pool) granted(tenant string) {
	p.mu.Lock()
	if _, known := p.grants[tenant]; !known {
		if len(p.grants) >= maxTenants {
			tenant = ""
		}
		tenant = strings.Clone(tenant)
	}
	p.grants[tenant]++
	p.mu.Unlock()
	p.kick()
}

func (p *pool) settled(u ratelimit.Usage) {
	n := p.engine.Counted(u)
	p.mu.Lock()
	p.settledN[tokens] += n.Tokens
	p.settledN[input] += n.Input
	p.settledN[output] += n.Output
	p.mu.Unlock()
	p.kick()
}

// spent is all that was ever taken of a limit and not given back; of slots what is in flight.
func (p *pool) spent(i int, l *ratelimit.Load) float64 {
	switch i {
	case requests:
		return l.Requests
	case tokens:
		return p.settledN[tokens] + l.Tokens
	case input:
		return p.settledN[input] + l.Input
	case output:
		return p.settledN[output] + l.Output
	}
	return float64(l.Inflight)
}

// account tells the leases what was spent since the last time. It takes no lock of theirs.
func (p *pool) account() {
	p.buf = p.buf[:0]
	p.load = p.engine.Load(p.buf, maxTenants)
	p.buf = p.load.Tenants
	for i := range p.part {
		q := &p.part[i]
		if q.lease == nil {
			continue
		}
		n := math.Round(p.spent(i, &p.load) - q.told)
		q.told += n
		switch {
		case n > 0:
			q.lease.Take(int64(n))
		case n < 0:
			q.lease.Put(int64(-n))
		}
		if calls := p.load.Requests - q.calls; calls > 0 && i != slots && q.told > q.since {
			each, old := (q.told-q.since)/calls, math.Pow(.95, calls)
			if q.mean == 0 {
				old = 0
			}
			q.mean = old*q.mean + (1-old)*each
			q.since, q.calls = q.told, p.load.Requests
		}
	}
}

// demands says what tenants want of a limit. It is called before each report, with the lease's lock held.
func (p *pool) demands(i int, buf []lease.Demand) []lease.Demand {
	p.asleep.Store(true) // before anything is looked at: who enters after that kicks
	p.mu.Lock()
	defer p.mu.Unlock()
	p.account()
	p.want(time.Now())
	q := &p.part[i]
	q.wants = 0
	for _, w := range p.wants {
		n := 0.0
		if i == slots {
			n = w.queued + w.inflight
		} else {
			n = (w.queued + w.lately) * max(q.mean, 1)
		}
		if n = math.Ceil(min(n, float64(q.limit))); n > 0 {
			buf = append(buf, lease.Demand{Tenant: w.tenant, Weight: w.weight, Amount: int64(n)})
			q.wants += n
		}
	}
	if len(buf) > 0 {
		p.asleep.Store(false)
	}
	p.kick() // what is next may lack something
	return buf
}

// want finds out what tenants want, once for all leases of a report.
func (p *pool) want(now time.Time) {
	renew := p.ps.s.o.Renew
	passed := now.Sub(p.grown)
	if passed < renew/8 {
		return
	}
	p.grown = now
	scale := min(float64(renew)/float64(passed), 8) * 1.25 // room to grow
	p.wants = p.wants[:0]
	for i := range p.load.Tenants {
		t := &p.load.Tenants[i]
		w := want{tenant: t.Name, weight: t.Weight, queued: float64(t.Queued), inflight: float64(t.Inflight), lately: p.grants[t.Name] * scale}
		delete(p.grants, t.Name)
		p.wants = append(p.wants, w)
	}
	for name, n := range p.grants {
		if len(p.wants) < maxTenants {
			p.wants = append(p.wants, want{tenant: name, weight: p.ps.weight(name), lately: n * scale})
		}
	}
	clear(p.grants)
	if who := p.tenant.Load(); len(p.wants) == 0 && p.entering.Load() > 0 && who != nil {
		p.wants = append(p.wants, want{tenant: *who, weight: p.ps.weight(*who), queued: 1})
	}
}

// A look is what update needs of a pool, without its lock: leases that report hold their own, and ask for the pool's.
type look struct {
	part             [parts]part
	head             ratelimit.Needs
	queued, inflight int
	waits            bool
}

// update puts in force what the leases allow, and asks for what the next call lacks. It runs on one goroutine.
func (p *pool) update(now time.Time) {
	p.mu.Lock()
	for i := range p.part {
		p.add(i)
	}
	p.account()
	k := look{p.part, p.load.Head, p.load.Queued, p.load.Inflight, p.load.Queued > 0 || p.entering.Load() > 0}
	p.mu.Unlock()
	l, wait := k.loan(now, &p.ps.s.o)
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	if wait > 0 {
		p.timer = time.AfterFunc(max(wait, time.Millisecond), p.kick)
	}
	p.engine.Lend(l) // calls back
}

// loan is what the leases allow now. wait is how long the call that is next lacks something at least; 0 when it lacks nothing.
func (k *look) loan(now time.Time, o *Options) (l ratelimit.Loan, wait time.Duration) {
	var allow [slots]ratelimit.Allowance
	l.Slots = -1
	for i := range k.part {
		if i != slots {
			allow[i] = ratelimit.Unbounded
		}
		q := &k.part[i]
		if q.lease == nil {
			if q.limit > 0 { // the lease before is being given back
				wait = o.Renew / 10
			}
			continue
		}
		need := k.need(i)
		lacks := need > 0 && !q.takes(now, need)
		if lacks {
			if d := q.lease.When(now, need); wait == 0 || d < wait {
				wait = d
			}
		}
		share, scale := q.lease.Share(), 1.0
		if i == slots {
			l.Slots = int(share.Amount)
		} else {
			allow[i] = q.allowance(share, o)
			scale = o.Renew.Minutes()
			if need > 0 && !lacks {
				allow[i].Left = max(allow[i].Left, float64(need))
			}
		}
		if l.Weights == nil && q.wants > share.Amount*scale {
			l.Weights = share.Tenants
		}
	}
	l.Requests, l.Tokens, l.Input, l.Output = allow[requests], allow[tokens], allow[input], allow[output]
	return l, wait
}

// need is what the next call takes of a limit, 0 when nobody waits; what calls cost when one is only about to come.
func (k *look) need(i int) int64 {
	n := 1.0
	switch {
	case !k.waits:
		return 0
	case i == requests || i == slots:
	case k.queued == 0:
		n = max(k.part[i].mean, 1)
	default:
		n = [slots]float64{0, k.head.Tokens, k.head.Input, k.head.Output}[i]
	}
	return int64(math.Ceil(min(n, float64(k.part[i].limit))))
}

// takes reports whether n is there to be taken. When it is not, the lease asks for it.
func (q *part) takes(now time.Time, n int64) bool {
	if !q.lease.TryTake(now, n) {
		return false
	}
	q.lease.Put(n)
	return true
}

// allowance is what may be spent of a rate until the next update. Between two renewals spending goes on at the share's speed, and
// one who wants nothing yet may begin with its part of the bucket: the lease is told, and evens it out.
func (q *part) allowance(s lease.Share, o *Options) ratelimit.Allowance {
	static := float64(q.limit) / float64(o.Sidecars)
	a := ratelimit.Allowance{Left: float64(q.lease.Counters().Held), PerMinute: s.Amount}
	if a.PerMinute <= 0 {
		a.PerMinute = static
	}
	a.Depth = max(static/burst, a.PerMinute*o.Renew.Minutes(), 1)
	return a
}

func (p *pool) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}
