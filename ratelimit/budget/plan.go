package budget

import (
	"slices"
	"time"
)

// anyTenant is the entry for tenants that have none.
const anyTenant = "*"

// A rule is all budgets of a tenant that watch one sum.
type rule struct {
	per    Per
	unit   Unit
	window Window
	hard   int64   // 0: none
	soft   []int64 // ascending
}

// A plan is the rules of one tenant.
type plan struct{ rules []rule }

// compile makes the plans of all entries.
func compile(c *Config) map[string]*plan {
	plans := make(map[string]*plan, len(c.Tenants))
	for _, t := range c.Tenants {
		p := &plan{}
		for _, b := range t.Budgets {
			p.add(b)
		}
		plans[t.Name] = p
	}
	return plans
}

func (p *plan) add(b Budget) {
	i := slices.IndexFunc(p.rules, func(r rule) bool { return r.per == b.Per && r.unit == b.Unit && r.window == b.Window })
	if i < 0 {
		i = len(p.rules)
		p.rules = append(p.rules, rule{per: b.Per, unit: b.Unit, window: b.Window})
	}
	r := &p.rules[i]
	switch {
	case b.Mode == Soft:
		r.soft = append(r.soft, b.Limit)
		slices.Sort(r.soft)
	case r.hard == 0 || b.Limit < r.hard:
		r.hard = b.Limit
	}
}

func (r *rule) budget(mode Mode, limit int64) Budget {
	return Budget{Per: r.per, Unit: r.unit, Window: r.window, Mode: mode, Limit: limit}
}

// Standing tells of the soft budgets that an operation touched. The zero value: there are none.
type Standing struct {
	Budget   Budget
	Subject  string  // whose sum: the user, agent or model; "" for the tenant's
	Fraction float64 // spent and reserved, of the limit
	Over     bool    // the limit is passed
	Crossed  bool    // this operation passed it, as the first in this window: the moment for an event
	Reset    time.Time

	// Unpriced: a soft budget of money applies, and counts nothing because the model has no price. Reserve tells it.
	Unpriced bool
}

// A Sum is what was spent and reserved in one window.
type Sum struct {
	Key
	Start      int64 // of the window, in seconds since 1970
	Used, Held int64
}

// Key says what a sum adds up.
type Key struct {
	Tenant, Subject string // Subject is the user, agent or model; "" for the tenant's own
	Per             Per
	Unit            Unit
	Window          Window
}

// A Lender gives what hard budgets may spend when several processes share them. Take is asked for n of what limit allows in
// the window of k that begins at start (seconds since 1970), and must answer at once, from what it holds; with must it is
// told, not asked: the amount is spent already. Give returns what was taken and not used.
type Lender interface {
	Take(k Key, start, limit, n int64, must bool) bool
	Give(k Key, start, n int64)
}
