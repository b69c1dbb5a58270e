package ratelimit

import "time"

// A tree holds a pool's waiting calls: classes, tenants and agents as nodes, flows at the leaves. Under FIFO and Priority all
// flows of the foreground share one leaf, and those of the background another.
type tree struct {
	policy Policy
	cfg    *settings
	root   *node
	back   *node // the class that is strictly last; a child of root, but never among the active ones
	flows  map[flowKey]*flow

	programs map[programKey]*program
	tenants  map[string]*account
	idle     list[program] // without a call, the longest idle first
	seq      uint64
}

// maxIdle bounds the programs that are remembered without a call.
const maxIdle = 8192

func newTree(policy Policy, cfg *settings) *tree {
	t := &tree{
		policy: policy, cfg: cfg, root: newNode(nil, "", 1),
		programs: make(map[programKey]*program), tenants: make(map[string]*account),
	}
	t.clear()
	return t
}

// clear forgets nodes and flows, but no ledger of programs, tenants and agents.
func (t *tree) clear() {
	t.root = newNode(nil, "", 1)
	t.flows = make(map[flowKey]*flow)
	t.back = t.node(t.root, Background, 1)
}

func (t *tree) node(parent *node, name string, weight float64) *node {
	if n := parent.children[name]; n != nil {
		return n
	}
	return newNode(parent, name, weight)
}

// keyOf says which flow a call belongs to.
func (t *tree) keyOf(c *Call) flowKey {
	k := flowKey{class: t.cfg.class(c.Class), tenant: c.Tenant, program: c.Program}
	if k.program == "" {
		k.program = c.Session
	}
	if t.policy == Fair {
		k.agent = c.Agent
	}
	return k
}

func (t *tree) flow(c *Call, now time.Time) *flow {
	k := t.keyOf(c)
	if f := t.flows[k]; f != nil {
		return f
	}
	f := &flow{key: k, rank: t.cfg.rank(k.class), leaf: t.leaf(k)}
	f.tickets = heap[Ticket]{before: ticketBefore, at: ticketPlace}
	f.acct = t.tenants[k.tenant]
	if f.acct == nil {
		f.acct = &account{name: k.tenant, agents: make(map[string]*account)}
		t.tenants[k.tenant] = f.acct
	}
	f.acct.flows++
	for n := f.leaf; n != nil; n = n.parent {
		n.flows++
	}
	f.prog = t.program(programKey{k.tenant, k.program}, now)
	f.prog.flows = append(f.prog.flows, f)
	t.flows[k] = f
	return f
}

func (t *tree) program(k programKey, now time.Time) *program {
	p := t.programs[k]
	if p == nil {
		t.seq++
		p = &program{key: k, arrived: now, seq: t.seq}
		t.programs[k] = p
		t.idle.push(p, &p.link)
	}
	return p
}

// leaf finds or makes the node whose queue holds a flow.
func (t *tree) leaf(k flowKey) *node {
	n := t.back
	switch {
	case t.policy == FIFO || t.policy == Priority:
		if k.class != Background {
			n = t.node(t.root, "", 1)
		}
	default:
		if k.class != Background {
			n = t.node(t.root, k.class, t.cfg.classWeight(k.class))
		}
		n = t.node(n, k.tenant, t.cfg.tenantWeight(k.tenant))
		if t.policy == Fair {
			n = t.node(n, k.agent, 1)
		}
	}
	if n.queue == nil {
		n.queue = newQueue(t.policy, t.cfg.queue.Ageing)
	}
	return n
}

func newQueue(p Policy, ageing time.Duration) *queue {
	switch p {
	case Priority:
		return &queue{ord: newArrivals(ageing)}
	case FIFO, Fair:
		return &queue{ord: newArrivals(0)}
	}
	q := &queue{ord: newProgramOrder()}
	q.aged = &heap[flow]{
		before: func(a, b *flow) bool { return ticketBefore(a.head(), b.head()) },
		at:     func(f *flow) *int { return &f.posAged },
	}
	return q
}

// push lets t wait.
func (t *tree) push(x *Ticket) {
	f := x.flow
	was := f.tickets.min()
	f.tickets.push(x)
	f.bytes += x.Call.Bytes
	f.cost += x.cost
	f.acct.queued++
	f.acct.bytes += x.Call.Bytes
	x.agent.queued++
	for n := f.leaf; n.parent != nil; n = n.parent {
		n.waits += x.cost
		if n.queued++; n.queued == 1 && n != t.back {
			t.seq++
			n.enter(t.seq)
		}
	}
	t.root.queued++
	switch {
	case was == nil:
		f.leaf.queue.add(f)
	case f.head() == x:
		f.leaf.queue.fix(f)
	}
}

// pull takes t out of the queue, wherever it stands.
func (t *tree) pull(x *Ticket) {
	f := x.flow
	if f.tickets.len() == 1 {
		f.leaf.queue.remove(f)
		f.tickets.remove(x)
	} else {
		head := f.head() == x
		f.tickets.remove(x)
		if head {
			f.leaf.queue.fix(f)
		}
	}
	f.bytes -= x.Call.Bytes
	f.cost -= x.cost
	f.acct.queued--
	f.acct.bytes -= x.Call.Bytes
	x.agent.queued--
	for n := f.leaf; n.parent != nil; n = n.parent {
		n.waits -= x.cost
		if n.queued--; n.queued == 0 && n != t.back {
			n.leave()
		}
	}
	t.root.queued--
}

// top is the first class: the background only when nothing else waits.
func (t *tree) top() *node {
	if n := t.root.first(); n != nil {
		return n
	}
	if t.back.queued > 0 {
		return t.back
	}
	return nil
}

// first is the call whose turn it is, nil when none waits. promoted: by the starvation bound.
func (t *tree) first() (x *Ticket, promoted bool) {
	n := t.top()
	if n == nil {
		return nil, false
	}
	for n.queue == nil {
		n = n.first()
	}
	f, promoted := n.queue.first()
	return f.head(), promoted
}

// visit calls f with some calls in about their order: the first of the first flows of the first tenants, at most n of each.
func (t *tree) visit(n int, f func(*Ticket) bool) {
	if top := t.top(); top != nil {
		visitNode(top, n, f)
	}
}

func visitNode(x *node, n int, f func(*Ticket) bool) bool {
	more := true
	if x.queue != nil {
		x.queue.ord.visit(n, func(w *flow) bool {
			more = f(w.head())
			return more
		})
		return more
	}
	return x.visit(n, func(c *node) bool { return visitNode(c, n, f) })
}

// How a charge stands in a call's life.
type stage uint8

const (
	atDispatch stage = iota // the first estimate
	meanwhile               // a longer one
	atEnd                   // what it came to
)

// charge adds cost to every ledger above x.
func (t *tree) charge(x *Ticket, cost int64, when stage) {
	f := x.flow
	x.charged += cost
	f.acct.attained += cost
	x.agent.attained += cost
	before := f.prog.attained
	f.prog.attained += cost
	for _, w := range f.prog.flows {
		w.leaf.queue.ord.charged(f.prog, before)
		if w.tickets.len() > 0 {
			w.leaf.queue.fix(w)
		}
	}
	for n := f.leaf; n.parent != nil; n = n.parent {
		if c := &x.charges[n.depth]; when == atDispatch {
			n.charge(cost, c)
		} else {
			n.adjust(cost, c, when == atEnd)
		}
	}
	t.root.attained += cost
}

// open and shut count a program's tickets, so that idle ones can be forgotten.
func (t *tree) open(x *Ticket) {
	p := x.flow.prog
	if p.open++; p.open == 1 {
		t.idle.remove(&p.link)
	}
}

func (t *tree) shut(x *Ticket) {
	p := x.flow.prog
	if p.open--; p.open > 0 {
		return
	}
	t.idle.push(p, &p.link)
	for t.idle.n > maxIdle {
		t.forget(t.idle.first())
	}
}

// forget drops a program that is idle, and the nodes and accounts that only it had.
func (t *tree) forget(p *program) {
	t.idle.remove(&p.link)
	delete(t.programs, p.key)
	if a := t.tenants[p.key.tenant]; len(p.flows) == 0 && a != nil && a.flows == 0 {
		delete(t.tenants, p.key.tenant) // of before a rebuild
	}
	for _, f := range p.flows {
		f.leaf.queue.ord.ends(p)
		delete(t.flows, f.key)
		if f.acct.flows--; f.acct.flows == 0 {
			delete(t.tenants, f.acct.name)
		}
		for n := f.leaf; n != nil; n = n.parent {
			if n.flows--; n.flows == 0 && n.parent != nil && n != t.back {
				delete(n.parent.children, n.name)
			}
		}
	}
}

// agentOf is the account of the agent that makes a call.
func (f *flow) agentOf(name string) *account {
	if f.last != nil && f.last.name == name {
		return f.last
	}
	a := f.acct.agents[name]
	if a == nil {
		if len(f.acct.agents) >= maxAgents {
			name = "other"
			a = f.acct.agents[name]
		}
		if a == nil {
			a = &account{name: name}
			f.acct.agents[name] = a
		}
	}
	f.last = a
	return a
}

// maxAgents bounds the agents of a tenant that are counted apart.
const maxAgents = 1024
