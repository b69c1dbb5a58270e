package schedule

import (
	"cmp"
	"slices"
	"time"

	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

// State is what /debug/state shows of the piece.
type State struct {
	ratelimit.State
	Budgets []budget.State `json:"budgets,omitempty"`
	Holding int            `json:"holding_for_budgets"`    // exchanges that wait for a budget to reset
	Broken  []BrokenState  `json:"overloaded,omitempty"`   // upstreams that asked to be left alone
	NoUsage []NoUsageState `json:"refuse_usage,omitempty"` // models that are not asked for usage any more
}

// BrokenState is a pool whose upstream fails and has asked to be left alone.
type BrokenState struct {
	Pool string        `json:"pool"`
	For  time.Duration `json:"for"`
}

// NoUsageState is a model that answered 400 or 422 to being asked for usage, and answered without.
type NoUsageState struct {
	Upstream string `json:"upstream"`
	Model    string `json:"model"`
}

// State copies what the engine, the budgets and the filter look like now.
func (f *Filter) State() State {
	s := State{State: f.opt.Engine.State(), Holding: f.holds.count()}
	if f.opt.Budgets != nil {
		s.Budgets = f.opt.Budgets.Snapshot()
	}
	now := f.opt.Clock.Now()
	for _, p := range f.pools.list() {
		if d := time.Duration(p.broken.Load() - now.UnixNano()); d > 0 {
			s.Broken = append(s.Broken, BrokenState{p.name, d})
		}
	}
	for _, k := range f.plain.list() {
		s.NoUsage = append(s.NoUsage, NoUsageState{k.upstream, k.model})
	}
	return s
}

// list returns the pools by name.
func (ps *pools) list() []*pool {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	all := make([]*pool, 0, len(ps.all))
	for _, p := range ps.all {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *pool) int { return cmp.Compare(a.name, b.name) })
	return all
}
