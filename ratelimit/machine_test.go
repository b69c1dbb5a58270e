package ratelimit

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/trapgate/trapgate/ratelimit/limit"
)

// A machine does random things to a pool, in virtual time, and knows what must come of them.
type machine struct {
	t   *rapid.T
	bed *bed
	cfg Config
	pc  PoolConfig

	waiting map[*Ticket]bool
	running map[*Ticket]bool // granted, something open
	kept    map[*Ticket]bool
	gone    map[*Ticket]bool // cancelled or refused: Ready must not come
	settled int64            // cost of what was settled
	n       int
}

var policies = []Policy{FIFO, Priority, Fair, Program}

func newMachine(t *rapid.T) *machine {
	m := &machine{
		t: t, waiting: map[*Ticket]bool{}, running: map[*Ticket]bool{}, kept: map[*Ticket]bool{}, gone: map[*Ticket]bool{},
	}
	m.cfg, m.pc = m.drawConfig()
	m.bed = newBed(nil, m.cfg, m.pc)
	return m
}

func (m *machine) drawConfig() (Config, PoolConfig) {
	t := m.t
	cfg := Config{
		Classes: []ClassConfig{{Name: "high", Weight: 4}, {Name: "default"}},
		Tenants: []TenantConfig{{Name: "t0", Weight: 3}},
		Queue: QueueConfig{
			Calls: rapid.SampledFrom([]int{0, 6}).Draw(t, "calls"), TenantCalls: rapid.SampledFrom([]int{0, 4}).Draw(t, "tenant calls"),
			FlowCalls: rapid.SampledFrom([]int{0, 3}).Draw(t, "flow calls"), Bytes: rapid.SampledFrom([]int64{0, 500}).Draw(t, "bytes"),
		},
	}
	pc := PoolConfig{
		Policy: rapid.SampledFrom(policies).Draw(t, "policy"),
		Limits: m.drawLimits(),
		Rules:  limit.Rules{CachedFree: rapid.Bool().Draw(t, "cached free")},
	}
	if rapid.Bool().Draw(t, "cache") {
		pc.Cache.Slots = rapid.IntRange(1, 3).Draw(t, "slots")
	}
	return cfg, pc
}

func (m *machine) drawLimits() Limits {
	t := m.t
	return Limits{
		Concurrency: rapid.IntRange(0, 4).Draw(t, "concurrency"),
		Requests:    rapid.SampledFrom([]int64{0, 0, 60, 600}).Draw(t, "rpm"),
		Tokens:      rapid.SampledFrom([]int64{0, 0, 6000, 60000}).Draw(t, "tpm"),
		Output:      rapid.SampledFrom([]int64{0, 0, 3000}).Draw(t, "otpm"),
		KV:          rapid.SampledFrom([]int64{0, 0, 900}).Draw(t, "kv"),
	}
}

func pick(t *rapid.T, set map[*Ticket]bool) *Ticket {
	if len(set) == 0 {
		return nil
	}
	best := make([]*Ticket, 0, len(set))
	for x := range set {
		best = append(best, x)
	}
	// The order of a map is no order: sort by arrival, or a failure would not repeat.
	for i := range best {
		for j := i; j > 0 && best[j].seq < best[j-1].seq; j-- {
			best[j], best[j-1] = best[j-1], best[j]
		}
	}
	return best[rapid.IntRange(0, len(best)-1).Draw(t, "which")]
}

func (m *machine) submit(prior *Ticket) {
	t := m.t
	m.n++
	c := Call{
		Exchange: fmt.Sprint("x", m.n), Class: rapid.SampledFrom([]string{"", "high", "background", "odd"}).Draw(t, "class"),
		Tenant: fmt.Sprint("t", rapid.IntRange(0, 2).Draw(t, "tenant")), Agent: fmt.Sprint("a", rapid.IntRange(0, 1).Draw(t, "agent")),
		Program: fmt.Sprint("p", rapid.IntRange(0, 3).Draw(t, "program")), Model: "m",
		Input: int64(rapid.IntRange(0, 400).Draw(t, "in")), MaxOutput: int64(rapid.IntRange(1, 300).Draw(t, "out")),
		Bytes: int64(rapid.IntRange(0, 100).Draw(t, "bytes")), Stream: true, Prior: prior,
		Timeout: time.Duration(rapid.SampledFrom([]int{0, 0, 1, 30}).Draw(t, "timeout")) * time.Second,
	}
	c.Session = c.Program
	if prior != nil && rapid.Bool().Draw(t, "same") {
		p := prior.Call
		c.Tenant, c.Agent, c.Program, c.Class, c.Session = p.Tenant, p.Agent, p.Program, p.Class, p.Session
	}
	if m.n > 1 && rapid.Bool().Draw(t, "retry") {
		c.RetryOf = fmt.Sprint("x", rapid.IntRange(1, m.n-1).Draw(t, "of"))
	}
	x := &Ticket{Call: c}
	x.Ready = func(x *Ticket, err error) {
		if !m.waiting[x] {
			t.Fatalf("Ready twice, or after the end")
		}
		delete(m.waiting, x)
		switch {
		case err == nil:
			m.grant(x)
		case m.bed.clock.now.Before(x.until):
			t.Fatalf("expired early")
		default:
			m.gone[x] = true
		}
	}
	ok, err := m.bed.p.Submit(x)
	switch {
	case err != nil:
		m.gone[x] = true
		r := err.(*Rejected)
		if need := m.bed.p.set.RefillAt(m.bed.clock.now, x.need).Sub(m.bed.clock.now); r.RetryAfter < need {
			t.Fatalf("retry after %s, but the buckets need %s", r.RetryAfter, need)
		}
	case ok:
		m.grant(x)
	default:
		m.waiting[x] = true
	}
}

func (m *machine) grant(x *Ticket) {
	if m.gone[x] || m.running[x] {
		m.t.Fatalf("granted twice or after its end")
	}
	if !x.until.IsZero() && !m.bed.clock.now.Before(x.until) {
		m.t.Fatalf("granted after its deadline")
	}
	m.running[x] = true
}

func (m *machine) cost(u Usage) int64 { return u.Input - u.Cached + 2*u.Output }

func (m *machine) closed(x *Ticket) {
	if !x.slot && x.paid && !x.kept {
		delete(m.running, x)
	}
}

// act does one thing to one running call.
func (m *machine) act(x *Ticket) {
	t := m.t
	u := Usage{Input: int64(rapid.IntRange(0, 500).Draw(t, "used in")), Output: int64(rapid.IntRange(0, 600).Draw(t, "used out"))}
	u.Cached = int64(rapid.IntRange(0, int(u.Input)).Draw(t, "cached"))
	began, paid := x.began, x.paid
	switch rapid.IntRange(0, 8).Draw(t, "act") {
	case 0:
		x.FirstByte()
	case 1:
		x.Streamed(int64(rapid.IntRange(0, 900).Draw(t, "streamed")))
	case 2:
		if got := x.Settle(u); got == paid {
			t.Fatalf("settle: %v, settled before: %v", got, paid)
		} else if got {
			m.settled += m.cost(u)
		}
	case 3:
		want := x.cut(u)
		if x.Abort(u) {
			m.settled += m.cost(want)
		}
	case 4:
		want := x.cut(Usage{})
		if x.Refund() && began {
			m.settled += m.cost(want)
		}
	case 5:
		want := x.cut(Usage{})
		if x.Keep() {
			if began {
				m.settled += m.cost(want)
			} else {
				m.kept[x] = true
			}
		}
	case 6:
		want := x.cut(Usage{})
		if x.Unused() && began {
			m.settled += m.cost(want)
		}
	case 7, 8:
		x.Release()
	}
	m.closed(x)
}

func (m *machine) change() {
	t := m.t
	switch rapid.IntRange(0, 2).Draw(t, "change") {
	case 0:
		m.bed.p.SetLimits("learnt", m.drawLimits())
	case 1:
		m.bed.p.Pause(time.Duration(rapid.IntRange(0, 3000).Draw(t, "pause")) * time.Millisecond)
	case 2:
		before := m.ledgers()
		m.cfg, m.pc = m.drawConfig()
		m.pc.Name = "up"
		m.cfg.Pools = []PoolConfig{m.pc}
		outstanding, n := m.bed.p.outstanding, len(m.running)
		m.bed.s.Reconfigure(m.cfg)
		if n == len(m.running) && (m.ledgers() != before || m.bed.p.outstanding != outstanding) {
			t.Fatalf("a new configuration changed the ledgers: %s, then %s", before, m.ledgers())
		}
	}
}

func (m *machine) ledgers() string {
	s := ""
	for i := range 3 {
		if a := m.bed.p.tree.tenants[fmt.Sprint("t", i)]; a != nil {
			s += fmt.Sprint(a.attained, " ")
		}
	}
	return s
}

func (m *machine) check() {
	p := m.bed.p
	checkPool(m.t, p)
	if p.queued != len(m.waiting) {
		m.t.Fatalf("%d wait, %d should", p.queued, len(m.waiting))
	}
	open := int64(0)
	for _, set := range []map[*Ticket]bool{m.waiting, m.running} {
		for x := range set {
			if !x.paid || x.kept {
				open += x.charged
			}
		}
	}
	for x := range m.kept {
		if x.kept && !m.running[x] {
			open += x.charged
		}
	}
	if p.outstanding != open || p.tree.root.attained != open+m.settled {
		m.t.Fatalf("charged %d = outstanding %d (counted %d) + settled %d", p.tree.root.attained, p.outstanding, open, m.settled)
	}
	if p.blocked == ForCache && !p.retry.After(m.bed.clock.now) {
		m.t.Fatalf("a slot is kept until the past")
	}
	if p.queued > 0 && p.cache == nil {
		// Work conservation: whoever is first does not fit.
		if cause, _ := p.full(m.bed.clock.now); cause == NoWait {
			if x, _, _, _ := p.choose(m.bed.clock.now); x != nil {
				m.t.Fatalf("%s waits for nothing", x.Call.Exchange)
			}
		}
	}
}

func (m *machine) step() {
	t := m.t
	switch rapid.IntRange(0, 9).Draw(t, "step") {
	case 0, 1, 2:
		m.submit(nil)
	case 3:
		if x := pick(t, m.kept); x != nil {
			delete(m.kept, x)
			if rapid.Bool().Draw(t, "drop") {
				x.Drop()
			} else {
				m.submit(x)
			}
			m.closed(x)
		}
	case 4:
		if x := pick(t, m.waiting); x != nil {
			m.gone[x] = true
			delete(m.waiting, x)
			if !x.Cancel() || x.Cancel() {
				t.Fatalf("cancel of a waiting call")
			}
		}
	case 5, 6, 7:
		if x := pick(t, m.running); x != nil {
			m.act(x)
		}
	case 8:
		m.bed.clock.advance(time.Duration(rapid.IntRange(1, 5000).Draw(t, "ms")) * time.Millisecond)
	case 9:
		m.change()
	}
}

// end lets everything go and looks whether anything is left.
func (m *machine) end() {
	for x := range m.waiting {
		m.gone[x] = true
		delete(m.waiting, x)
		x.Done()
		for y := range m.running {
			delete(m.running, y)
			u := y.cut(Usage{})
			if !y.paid && y.began {
				m.settled += m.cost(u)
			}
			y.Done()
		}
	}
	for len(m.running)+len(m.kept) > 0 {
		for x := range m.kept {
			delete(m.kept, x)
			x.Drop()
		}
		for y := range m.running {
			delete(m.running, y)
			u := y.cut(Usage{})
			if !y.paid && y.began {
				m.settled += m.cost(u)
			}
			y.Done()
		}
	}
	p := m.bed.p
	checkPool(m.t, p)
	if p.queued != 0 || p.inflight != 0 || p.kv != 0 || p.bytes != 0 || p.outstanding != 0 || p.untils.len() != 0 {
		m.t.Fatalf("left: queued %d, in flight %d, kv %d, bytes %d, outstanding %d", p.queued, p.inflight, p.kv, p.bytes, p.outstanding)
	}
	if p.tree.root.attained != m.settled {
		m.t.Fatalf("charged %d, settled %d", p.tree.root.attained, m.settled)
	}
	for _, prog := range p.tree.programs {
		if prog.open != 0 {
			m.t.Fatalf("program %v has %d calls open", prog.key, prog.open)
		}
	}
}

func anything(t *rapid.T) {
	m := newMachine(t)
	for range rapid.IntRange(1, 60).Draw(t, "steps") {
		m.step()
		m.check()
	}
	m.end()
}

// Invariants 1, 2, 3, 7 and 9: one end for each call, what is charged is what was used, nobody waits for nothing, no cap is
// passed, nothing goes after its end, ledgers survive a new configuration.
func TestAnything(t *testing.T) { rapid.Check(t, anything) }

// FuzzAnything interleaves arrivals, dispatch, streams, aborts, retries, second settlements and new configurations.
func FuzzAnything(f *testing.F) { f.Fuzz(rapid.MakeFuzz(anything)) }
