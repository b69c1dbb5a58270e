package telemetry

import "github.com/prometheus/client_golang/prometheus"

// maxLeaseLimits bounds the label that says what is leased; the names come from the code.
const maxLeaseLimits = 16

// A LeaseState is what this process has leased of one limit when somebody looks. What counts up is since the lease began, in the
// limit's units: requests, tokens, slots, or a budget's.
type LeaseState struct {
	Pool  string // "": the limit is no pool's but a budget
	Limit string // requests, tokens, input, output, slots, budget

	Held     int64 // leased and not used; below 0 a debt
	Spent    int64 // used, less what was put back
	Wasted   int64 // granted, and given back or lost unused
	Denied   int64 // calls that found too little
	Fallback int64 // used while the store was away
	Away     bool  // the process is on its own
}

// The metrics of leases; they exist once Telemetry.Leases has been called and have values while limits are shared.
var (
	leaseLabels  = []string{keyPool, keyLimit}
	defLeaseHeld = metricDef{
		"trapgate.lease.held", gauge, "1", leaseLabels,
		"Units of a shared limit that are leased and not used; below 0 a debt.", nil,
	}
	defLeaseSpent = metricDef{
		"trapgate.lease.spent", gauge, "1", leaseLabels,
		"Units of a shared limit that this process used, less what it put back.", nil,
	}
	defLeaseWasted = metricDef{
		"trapgate.lease.wasted", counter, "1", leaseLabels,
		"Units that were leased, and given back or lost unused: stranded while they were held.", nil,
	}
	defLeaseDenied = metricDef{
		"trapgate.lease.denied", counter, "{call}", leaseLabels,
		"Times that a lease held too little for what was next.", nil,
	}
	defLeaseFallback = metricDef{
		"trapgate.lease.fallback", counter, "1", leaseLabels,
		"Units that were used while the store was away.", nil,
	}
	defLeaseAway = metricDef{
		"trapgate.lease.away", gauge, "1", leaseLabels,
		"1 while the store is away and the process keeps to its own share.", nil,
	}
)

var (
	descLeaseHeld     = defLeaseHeld.desc()
	descLeaseSpent    = defLeaseSpent.desc()
	descLeaseWasted   = defLeaseWasted.desc()
	descLeaseDenied   = defLeaseDenied.desc()
	descLeaseFallback = defLeaseFallback.desc()
	descLeaseAway     = defLeaseAway.desc()
)

// leases shows what is leased. It asks for nothing until somebody looks.
type leases struct {
	pools, limits *bound
	state         func() []LeaseState
}

var _ prometheus.Collector = (*leases)(nil)

// Leases makes the metrics of leases, once for a Telemetry. f is called when somebody looks, on the goroutine of whoever does.
func (t *Telemetry) Leases(f func() []LeaseState) {
	t.metrics.reg.MustRegister(&leases{newBound(maxQueuePools), newBound(maxLeaseLimits), f})
}

// Describe implements prometheus.Collector.
func (*leases) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descLeaseHeld, descLeaseSpent, descLeaseWasted, descLeaseDenied, descLeaseFallback, descLeaseAway,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *leases) Collect(ch chan<- prometheus.Metric) {
	s := newSums(ch)
	for _, l := range c.state() {
		pool, limit := c.pools.admit(l.Pool), c.limits.admit(l.Limit)
		s.add(descLeaseHeld, true, float64(l.Held), pool, limit)
		s.add(descLeaseSpent, true, float64(l.Spent), pool, limit)
		s.count(descLeaseWasted, float64(l.Wasted), pool, limit)
		s.count(descLeaseDenied, float64(l.Denied), pool, limit)
		s.count(descLeaseFallback, float64(l.Fallback), pool, limit)
		away := 0.0
		if l.Away {
			away = 1
		}
		s.add(descLeaseAway, false, away, pool, limit)
	}
	s.send()
}
