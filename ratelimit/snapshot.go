package ratelimit

import (
	"cmp"
	"slices"
	"time"

	"github.com/trapgate/trapgate/ratelimit/limit"
)

// The sizes of a State are bounded whatever waits.
const (
	maxWaits    = 64
	maxPrograms = 256
)

// State copies what all pools look like now. It holds each pool's lock for the time of the copy.
func (s *Scheduler) State() State {
	s.mu.RLock()
	pools := s.all()
	s.mu.RUnlock()
	st := State{Pools: make([]PoolState, 0, len(pools))}
	for _, p := range pools {
		st.Pools = append(st.Pools, p.State())
	}
	return st
}

// State copies what the pool looks like now.
func (p *Pool) State() PoolState {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.s.clock.Now()
	st := PoolState{
		Name: p.name, Policy: p.tree.policy, Limits: p.limits, Sources: make(map[string]Limits, len(p.sources)),
		Inflight: p.inflight, KV: p.kv, Queued: p.queued, Bytes: p.bytes, Rate: p.rate.perSecond(), Attained: p.tree.root.attained,
		Blocked: p.blocked, Buckets: p.buckets(now),
	}
	if p.retry.After(now) {
		st.Until = p.retry.Sub(now)
	}
	for k, l := range p.sources {
		st.Sources[k] = l
	}
	st.Reserved = p.outstanding
	for _, n := range sorted(p.tree.root) {
		st.Classes = append(st.Classes, p.tree.class(n))
	}
	p.programs(&st, now)
	st.Warm = p.cache.state(now)
	p.waiting(&st, now)
	return st
}

func (p *Pool) buckets(now time.Time) (list []BucketState) {
	add := func(name string, level float64, r limit.Rate) {
		if r.PerMinute > 0 {
			list = append(list, BucketState{Name: name, Level: level, Burst: r.Burst, Rate: r.PerMinute / 60})
		}
	}
	add("requests", p.set.Requests.Level(now), p.set.Requests.Rate())
	add("tokens", p.set.Tokens.Level(now), p.set.Tokens.Rate())
	add("input", p.set.Input.Level(now), p.set.Input.Rate())
	add("output", p.set.Output.Level(now), p.set.Output.Rate())
	return list
}

func sorted(n *node) []*node {
	list := make([]*node, 0, len(n.children))
	for _, c := range n.children {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *node) int { return cmp.Compare(a.name, b.name) })
	return list
}

func (n *node) state() NodeState {
	st := NodeState{Name: n.name, Weight: n.weight, Attained: n.attained, Queued: n.queued, Inflight: n.inflight}
	if n.parent != nil {
		st.Lag = n.tag - n.parent.floor()
	}
	if f := n.hog.factor(); f < 1 {
		st.Penalty = f
	}
	return st
}

func (t *tree) class(n *node) ClassState {
	st := ClassState{NodeState: n.state()}
	if st.Name == "" {
		st.Name = "all" // FIFO and Priority have no classes but the background
	}
	for _, c := range sorted(n) {
		tenant := TenantState{NodeState: c.state()}
		for _, a := range sorted(c) {
			tenant.Agents = append(tenant.Agents, a.state())
		}
		if acct := t.tenants[c.name]; acct != nil && len(c.children) == 0 {
			tenant.Agents = acct.state()
		}
		st.Tenants = append(st.Tenants, tenant)
	}
	return st
}

func (a *account) state() []NodeState {
	list := make([]NodeState, 0, len(a.agents))
	for _, g := range a.agents {
		list = append(list, NodeState{Name: g.name, Attained: g.attained, Queued: g.queued, Inflight: g.inflight})
	}
	slices.SortFunc(list, func(a, b NodeState) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// programs adds those that have work, to their tenants.
func (p *Pool) programs(st *PoolState, now time.Time) {
	at := make(map[*node]*TenantState)
	for i := range st.Classes {
		class := p.tree.root.children[st.Classes[i].Name]
		if class == nil {
			continue
		}
		for j := range st.Classes[i].Tenants {
			t := &st.Classes[i].Tenants[j]
			at[class.children[t.Name]] = t
		}
	}
	for _, f := range p.tree.flows {
		n := f.leaf
		if p.tree.policy == Fair {
			n = n.parent
		}
		t := at[n]
		if t == nil || (f.tickets.len() == 0 && f.running == 0) || len(t.Programs) >= maxPrograms {
			continue
		}
		s := ProgramState{
			NodeState: NodeState{Name: f.key.program, Attained: f.prog.attained, Queued: f.tickets.len(), Inflight: f.running},
			Level:     f.level, Arrived: now.Sub(f.prog.arrived),
		}
		if h := f.head(); h != nil {
			s.Debt = now.Sub(h.enq)
		}
		t.Programs = append(t.Programs, s)
	}
	for _, t := range at {
		slices.SortFunc(t.Programs, func(a, b ProgramState) int { return cmp.Compare(a.Name, b.Name) })
	}
}

// waiting adds the calls that wait the longest.
func (p *Pool) waiting(st *PoolState, now time.Time) {
	var list []*Ticket
	for _, f := range p.tree.flows {
		list = append(list, f.tickets.items...)
	}
	slices.SortFunc(list, func(a, b *Ticket) int {
		if ticketBefore(a, b) {
			return -1
		}
		return 1
	})
	for _, t := range list[:min(len(list), maxWaits)] {
		cause := t.cause
		if cause == NoWait {
			cause = p.blocked
		}
		st.Waiting = append(st.Waiting, WaitState{
			Exchange: t.Call.Exchange, Class: t.flow.key.class, Tenant: t.Call.Tenant, Agent: t.Call.Agent,
			Program: t.flow.key.program, Model: t.Call.Model, Wait: now.Sub(t.came), Cause: cause,
		})
	}
}

func (k *cache) state(now time.Time) (list []WarmState) {
	if k == nil {
		return nil
	}
	for w := range k.hot.all() {
		s := WarmState{Tenant: w.key.tenant, Session: w.key.session, Tokens: w.tokens, Busy: w.busy > 0, Held: w == k.held}
		if !w.ended.IsZero() {
			s.Idle = now.Sub(w.ended)
		}
		list = append(list, s)
	}
	return list
}
