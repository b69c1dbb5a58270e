package schedule

import (
	"math"
	"sync"
	"time"

	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/ratelimit"
)

// gauges make what metrics show of the engine's state. Shares are of what was charged between two looks.
type gauges struct {
	mu    sync.Mutex
	at    time.Time
	since map[tenantKey]tenantMark
	last  map[tenantKey]float64 // rates by weight, of those that waited all the time
}

type tenantKey struct{ pool, class, tenant string }

// A tenantMark is a tenant at the last look.
type tenantMark struct {
	attained int64
	waited   bool
}

// leastLook is how far apart looks must be for shares to mean something; a second reader is told what the first was.
const leastLook = 5 * time.Second

// QueueState is what telemetry.Queue asks when somebody looks at the metrics.
func (f *Filter) QueueState() telemetry.QueueState {
	st := f.opt.Engine.State()
	f.gauges.look(&st, f.opt.Clock.Now())
	q := telemetry.QueueState{Pools: make([]telemetry.QueuePool, 0, len(st.Pools))}
	for i := range st.Pools {
		q.Pools = append(q.Pools, f.gauges.pool(&st.Pools[i]))
	}
	return q
}

// look finds out what each tenant got since the last time.
func (g *gauges) look(st *ratelimit.State, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.at.IsZero() && now.Sub(g.at) < leastLook {
		return
	}
	g.at = now
	was := g.since
	g.since, g.last = map[tenantKey]tenantMark{}, map[tenantKey]float64{}
	for _, p := range st.Pools {
		for _, c := range p.Classes {
			for _, t := range c.Tenants {
				k := tenantKey{p.Name, c.Name, t.Name}
				mark := tenantMark{t.Attained, t.Queued > 0}
				g.since[k] = mark
				if before, ok := was[k]; ok && before.waited && mark.waited && t.Weight > 0 {
					g.last[k] = float64(max(0, t.Attained-before.attained)) / t.Weight
				}
			}
		}
	}
}

// pool makes one pool's gauges.
func (g *gauges) pool(p *ratelimit.PoolState) telemetry.QueuePool {
	g.mu.Lock()
	defer g.mu.Unlock()
	q := telemetry.QueuePool{Name: p.Name, Reserved: p.Reserved, Limits: limitsOf(p)}
	for _, b := range p.Buckets {
		q.Buckets = append(q.Buckets, telemetry.QueueBucket{Name: b.Name, Level: b.Level})
	}
	var n, sum, squares float64
	for _, c := range p.Classes {
		q.Classes = append(q.Classes, telemetry.QueueClass{Name: c.Name, Queued: c.Queued, Inflight: c.Inflight})
		mean := g.mean(p.Name, &c)
		for _, t := range c.Tenants {
			q.Lag = max(q.Lag, math.Abs(t.Lag))
			for _, prog := range t.Programs {
				q.Debt = max(q.Debt, prog.Debt.Seconds())
			}
			tenant := telemetry.QueueTenant{Name: t.Name, Attained: t.Attained}
			if r, ok := g.last[tenantKey{p.Name, c.Name, t.Name}]; ok && mean > 0 {
				tenant.Share = r / mean
				n, sum, squares = n+1, sum+tenant.Share, squares+tenant.Share*tenant.Share
			}
			q.Tenants = append(q.Tenants, tenant)
		}
	}
	if n > 1 && squares > 0 {
		q.Jain = sum * sum / (n * squares)
	}
	return q
}

// mean is the mean rate by weight of a class's tenants that waited all the time: what each of them was due.
func (g *gauges) mean(pool string, c *ratelimit.ClassState) float64 {
	var n, sum float64
	for _, t := range c.Tenants {
		if r, ok := g.last[tenantKey{pool, c.Name, t.Name}]; ok {
			n, sum = n+1, sum+r
		}
	}
	if n < 2 {
		return 0
	}
	return sum / n
}

// limitsOf lists a pool's limits, by source and what is in force.
func limitsOf(p *ratelimit.PoolState) (list []telemetry.QueueLimit) {
	add := func(source string, l ratelimit.Limits) {
		for _, v := range [...]struct {
			what string
			n    int64
		}{
			{"concurrency", int64(l.Concurrency)},
			{"requests", l.Requests},
			{"tokens", l.Tokens},
			{"input", l.Input},
			{"output", l.Output},
			{"kv", l.KV},
		} {
			if v.n > 0 {
				list = append(list, telemetry.QueueLimit{Source: source, What: v.what, Value: float64(v.n)})
			}
		}
	}
	for source, l := range p.Sources {
		add(source, l)
	}
	add("effective", p.Limits)
	return list
}
