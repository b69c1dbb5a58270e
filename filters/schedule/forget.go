package schedule

import (
	"cmp"
	"slices"

	"github.com/trapgate/trapgate/ratelimit"
)

// How many pools are forgotten at a time, so that looking for them costs little for each: of models that their upstream has
// never accepted, which may be made up, and of others.
const (
	forgetUnknown = maxPools / 8
	forgetKnown   = maxPools / 64
)

// forget makes room for a pool that no configuration names, and reports whether there is any now. Nothing goes that is in use;
// models that were never accepted go first, then pools that have learnt no limit, and of equals those idle for the longest.
// Called with mu held, so that nobody takes a pool up meanwhile.
func (ps *pools) forget() bool {
	type idle struct {
		p    *pool
		rank int
		last int64
	}
	var all []idle
	for _, p := range ps.all {
		if !p.own || p.users.Load() > 0 {
			continue
		}
		i := idle{p: p, last: p.last.Load()}
		if p.known.Load() {
			i.rank = 1
			if p.engine.Limits() != (ratelimit.Limits{}) {
				i.rank = 2
			}
		}
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b idle) int { return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.last, b.last)) })
	gone := 0
	for _, i := range all {
		if gone >= forgetUnknown || i.rank > 0 && gone >= forgetKnown {
			break
		}
		if ps.f.opt.Engine.Forget(i.p.name) {
			delete(ps.all, i.p.name)
			ps.own--
			gone++
		}
	}
	if gone > 0 {
		clear(ps.by) // what is in use comes back
	}
	return ps.own < maxPools
}
