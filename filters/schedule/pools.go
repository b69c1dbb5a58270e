package schedule

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/limit"
)

// pools finds the pool of an attempt.
type pools struct {
	f  *Filter
	mu sync.RWMutex
	// by is what is known already, by what tells attempts apart; bounded with all, and emptied by a new configuration.
	by  map[poolKey]*pool
	all map[string]*pool // by name
	own int              // of all, those that no configuration names
}

// poolKey is what tells attempts apart.
type poolKey struct {
	c                      *settings
	upstream, owner, model string
}

// A pool is one of the engine's, with what is known of it here.
type pool struct {
	name   string
	engine *ratelimit.Pool
	idle   []byte       // x-trapgate-queue of a call that did not wait
	prefix []byte       // of one that did
	own    bool         // no configuration names it
	shared bool         // by attempts of which nobody knows whether they share a limit: nothing is learnt
	broken atomic.Int64 // until then (Unix ns) the upstream wants to be left alone, because it fails
	users  atomic.Int64 // attempts under way; they begin under pools.mu
	last   atomic.Int64 // when the last one began (Unix ns)
	known  atomic.Bool  // the upstream has accepted one: its model exists
}

func (ps *pools) init(f *Filter) {
	ps.f = f
	ps.by, ps.all = make(map[poolKey]*pool), make(map[string]*pool)
}

// reconfigured forgets which attempt belongs where; pools and what they have learnt stay.
func (ps *pools) reconfigured() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	clear(ps.by)
}

// of finds the pool of an attempt, and counts it as a user: that of its upstream when the configuration has one, else
// the one of its credential's limit group there.
func (ps *pools) of(c *settings, x *filters.Exchange) *pool {
	k := poolKey{c: c, upstream: x.Attempt.Upstream}
	if !c.configured(k.upstream) {
		k.model, k.owner = x.Attempt.Model, owner(x)
	}
	ps.mu.RLock()
	p := ps.by[k]
	if p != nil {
		p.users.Add(1)
	}
	ps.mu.RUnlock()
	if p != nil {
		return p
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p = ps.add(k)
	p.users.Add(1)
	return p
}

// The owners of credentials that are not an agent's own. No tenant has such a name.
const (
	ownerUs   = "*"
	ownerNone = "-"
)

// owner tells apart who pays an upstream: us, or the tenant.
func owner(x *filters.Exchange) string {
	switch x.Attempt.Credential {
	case filters.OurCredential:
		return ownerUs
	case filters.NoCredential:
		return ownerNone
	}
	return x.Identity.Tenant
}

// add makes the pool of k, or finds it under its name.
func (ps *pools) add(k poolKey) *pool {
	if p := ps.by[k]; p != nil {
		return p
	}
	name, shared := k.upstream, false
	if !k.c.configured(k.upstream) {
		name = k.upstream + "/" + limit.Group(k.owner, k.model)
		if ps.all[name] == nil && ps.own >= maxPools && !ps.forget() {
			name, shared = k.upstream+"/~other", true
		}
	}
	p := ps.all[name]
	if p == nil {
		name = strings.Clone(name)
		p = ps.make(name, shared)
		if p.own = !k.c.configured(k.upstream) && !shared; p.own {
			ps.own++
		}
		ps.all[name] = p
	}
	if len(ps.by) >= 2*maxPools {
		clear(ps.by) // models come from outside: what is in use comes back
	}
	ps.by[k] = p
	return p
}

func (ps *pools) make(name string, shared bool) *pool {
	prefix := append(headerName(name), ";wait="...)
	return &pool{
		name: name, engine: ps.f.opt.Engine.Pool(name), shared: shared,
		prefix: prefix, idle: append(prefix[:len(prefix):len(prefix)], '0'),
	}
}

// headerName is a name as a header's value may have it.
func headerName(name string) []byte {
	b := []byte(name)
	for i, c := range b {
		if c <= ' ' || c >= 0x7f || c == ';' || c == ',' || c == '"' {
			b[i] = '_'
		}
	}
	return b
}

// isBroken reports whether the upstream fails and has asked to be left alone, for some time yet.
func (p *pool) isBroken(now time.Time) bool { return p.broken.Load() > now.UnixNano() }

// breakUntil notes such a wish.
func (p *pool) breakUntil(t time.Time) {
	for {
		old := p.broken.Load()
		if old >= t.UnixNano() || p.broken.CompareAndSwap(old, t.UnixNano()) {
			return
		}
	}
}
