package lease

import (
	"errors"
	"fmt"
	"time"
)

// A Resource is one limit that sidecars share. All of them must describe it alike.
type Resource struct {
	Key      string // names it in the store
	Kind     Kind
	Limit    int64         // units; see Report.Limit
	Per      time.Duration // Rate: default a minute
	Sidecars int           // how many are expected at most; the static share is Limit / Sidecars. Default 1
	// Depth is how much of a Rate may be spent at once by all together. Default a twenty-fifth of Limit; it is never less
	// than the p95 cost of a call, nor than what the call that waits lacks.
	Depth int64
	// Window tells the window of a Budget that t lies in. The id becomes part of the key in the store. Required for a Budget.
	Window func(t time.Time) (id string, end time.Time)
	// Used is what this sidecar has spent of the current window before it started, from its own ledger (Budget). It counts
	// against its static share, and in a store that does not know it of an earlier start of Options.Sidecar.
	Used int64

	// Demands appends to buf what each tenant wants now (see Demand): one entry for a tenant. What stands after the 255th
	// counts as one tenant without a name. It is called before each renewal, on the client's goroutine with no lock held,
	// and must not block. Nil: one tenant of weight 1 that wants what was lately taken and refused.
	Demands func(buf []Demand) []Demand
	// Changed is called on the client's goroutine when the share or its parts changed or units came in: who waits may try
	// again. No lock is held, and it must not block.
	Changed func(Share)
}

// A Share is what a sidecar may use of a resource for now.
type Share struct {
	// Amount is in units for each Per (Rate), left to spend locally (Budget), at once (Slots).
	Amount float64
	// Tenants are the parts by weighted max-min, in the same units (Budget: for a Delta): a local scheduler uses them as
	// weights. Nil in fallback, and when nobody wanted anything. Not to be changed.
	Tenants map[string]float64
	// Fallback: the store is away, and the sidecar is on its own.
	Fallback bool
}

// Counters are a lease's figures since it was added, in units unless said otherwise.
type Counters struct {
	Held     int64 // to be taken now; below 0: a debt
	Used     int64 // taken, less what was put back
	Granted  int64 // by the store; Slots: of the share's growth
	Wasted   int64 // granted and not used: given back, or lost with the lease
	Denied   int64 // TryTake calls that found too little
	Fallback int64 // taken while the store was away
	Renewals int64 // exchanges that were answered
	Failures int64 // exchanges that were not
}

// Add adds the figures of another lease.
func (c *Counters) Add(o Counters) {
	c.Held, c.Used, c.Granted, c.Wasted = c.Held+o.Held, c.Used+o.Used, c.Granted+o.Granted, c.Wasted+o.Wasted
	c.Denied, c.Fallback, c.Renewals, c.Failures = c.Denied+o.Denied, c.Fallback+o.Fallback, c.Renewals+o.Renewals, c.Failures+o.Failures
}

var errResource = errors.New("lease: resource")

func (r *Resource) fill() error {
	if r.Per == 0 {
		r.Per = time.Minute
	}
	if r.Sidecars == 0 {
		r.Sidecars = 1
	}
	switch {
	case r.Kind != Rate && r.Kind != Budget && r.Kind != Slots:
		return fmt.Errorf("%w %q: unknown %v", errResource, r.Key, r.Kind)
	case r.Key == "" || len(r.Key) > maxName-64:
		return fmt.Errorf("%w %.64q: the key is empty or longer than %d bytes", errResource, r.Key, maxName-64)
	case r.Limit < 0 || r.Limit > maxUnits || r.Depth < 0 || r.Depth > maxUnits:
		return fmt.Errorf("%w %q: limit or depth is out of range (limit %d, depth %d)", errResource, r.Key, r.Limit, r.Depth)
	case r.Per < 0 || r.Sidecars < 0 || r.Sidecars > 1<<20:
		return fmt.Errorf("%w %q: per or sidecars is out of range (per %v, sidecars %d)", errResource, r.Key, r.Per, r.Sidecars)
	case r.Kind == Budget && r.Window == nil:
		return fmt.Errorf("%w %q: a budget needs a window", errResource, r.Key)
	}
	return nil
}

// static is the share without a store, in units of the limit.
func (r *Resource) static() int64 { return r.Limit / int64(r.Sidecars) }
