package ratelimit

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A fakeClock is virtual time: it stands still but for advance, which calls what is due in order.
type fakeClock struct {
	now    time.Time
	timers heap[fakeTimer]
	seq    int
}

type fakeTimer struct {
	c   *fakeClock
	at  time.Time
	seq int
	f   func()
	pos int
}

func newFakeClock() *fakeClock {
	return &fakeClock{
		now: time.Unix(1_800_000_000, 0),
		timers: heap[fakeTimer]{
			before: func(a, b *fakeTimer) bool {
				if !a.at.Equal(b.at) {
					return a.at.Before(b.at)
				}
				return a.seq < b.seq
			},
			at: func(t *fakeTimer) *int { return &t.pos },
		},
	}
}

func (c *fakeClock) Now() time.Time { return c.now }

func (c *fakeClock) AfterFunc(d time.Duration, f func()) Timer {
	c.seq++
	t := &fakeTimer{c: c, at: c.now.Add(max(0, d)), seq: c.seq, f: f}
	c.timers.push(t)
	return t
}

func (t *fakeTimer) Stop() bool {
	if t.pos == 0 {
		return false
	}
	t.c.timers.remove(t)
	return true
}

// step runs the next timer that is due until end, and says whether there was one.
func (c *fakeClock) step(end time.Time) bool {
	t := c.timers.min()
	if t == nil || t.at.After(end) {
		return false
	}
	c.timers.remove(t)
	c.now = t.at
	t.f()
	return true
}

func (c *fakeClock) advance(d time.Duration) {
	end := c.now.Add(d)
	for c.step(end) {
	}
	c.now = end
}

// after is AfterFunc for the test's own events.
func (c *fakeClock) after(d time.Duration, f func()) { c.AfterFunc(d, f) }

// A bed is a scheduler in virtual time with one pool, and a log of who went.
type bed struct {
	t     testing.TB
	clock *fakeClock
	s     *Scheduler
	p     *Pool
	went  []string
	seen  []*Rejected
}

func newBed(t testing.TB, cfg Config, pool PoolConfig, o ...func(*Options)) *bed {
	b := &bed{t: t, clock: newFakeClock()}
	pool.Name = "up"
	cfg.Pools = []PoolConfig{pool}
	opt := Options{Clock: b.clock, Output: func(c *Call) int64 { return c.MaxOutput }}
	for _, f := range o {
		f(&opt)
	}
	b.s = New(cfg, opt)
	b.p = b.s.Pool("up")
	return b
}

// call submits, and logs the exchange's name when it goes.
func (b *bed) call(c Call) *Ticket {
	t := &Ticket{Call: c}
	t.Ready = func(t *Ticket, err error) {
		if err != nil {
			b.seen = append(b.seen, err.(*Rejected))
			return
		}
		b.went = append(b.went, t.Call.Exchange)
	}
	ok, err := b.p.Submit(t)
	switch {
	case err != nil:
		b.seen = append(b.seen, err.(*Rejected))
	case ok:
		b.went = append(b.went, c.Exchange)
	}
	return t
}

// finish settles what was reserved and releases.
func finish(t *Ticket) {
	t.Settle(Usage{Input: t.Call.Input, Output: t.Call.MaxOutput})
	t.Release()
}

// open counts what p has under way, for the check that nothing is left.
func (b *bed) wantEmpty() {
	b.t.Helper()
	st := b.p.State()
	if st.Queued != 0 || st.Inflight != 0 || st.KV != 0 || st.Bytes != 0 || st.Reserved != 0 {
		b.t.Fatalf("not empty: queued %d, in flight %d, kv %d, bytes %d, reserved %d", st.Queued, st.Inflight, st.KV, st.Bytes, st.Reserved)
	}
	checkPool(b.t, b.p)
}

// checkPool compares every counter with what it counts.
func checkPool(t interface {
	Helper()
	Fatalf(string, ...any)
}, p *Pool,
) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	live, charged := 0, int64(0)
	for range p.live.all() {
		live++
	}
	queued, bytes := 0, int64(0)
	nodes := make(map[*node][2]int)
	accounts := make(map[*account][2]int)
	for _, f := range p.tree.flows {
		cost := int64(0)
		for _, x := range f.tickets.items {
			queued++
			bytes += x.Call.Bytes
			cost += x.cost
			if x.state != waiting || x.flow != f {
				t.Fatalf("a ticket in the queue has state %d", x.state)
			}
		}
		if cost != f.cost {
			t.Fatalf("flow %v: cost %d, counted %d", f.key, f.cost, cost)
		}
		for n := f.leaf; n != nil; n = n.parent {
			c := nodes[n]
			nodes[n] = [2]int{c[0] + f.tickets.len(), c[1] + f.running}
		}
		c := accounts[f.acct]
		accounts[f.acct] = [2]int{c[0] + f.tickets.len(), c[1] + f.running}
	}
	for n, c := range nodes {
		if n.queued != c[0] || n.inflight != c[1] {
			t.Fatalf("node %q: queued %d, in flight %d; counted %v", n.name, n.queued, n.inflight, c)
		}
		if n.parent != nil && n != p.tree.back && (n.pos != 0) != (n.queued > 0) {
			t.Fatalf("node %q: active %v with %d queued", n.name, n.pos != 0, n.queued)
		}
	}
	for a, c := range accounts {
		if a.queued != c[0] || a.inflight != c[1] {
			t.Fatalf("account %q: queued %d, in flight %d; counted %v", a.name, a.queued, a.inflight, c)
		}
	}
	for _, a := range p.tree.tenants {
		charged += a.attained
	}
	if queued != p.queued || bytes != p.bytes || live != p.inflight {
		t.Fatalf("queued %d of %d, bytes %d of %d, in flight %d of %d", p.queued, queued, p.bytes, bytes, p.inflight, live)
	}
	if p.tree.root.attained != charged {
		t.Fatalf("the pool was charged %d, its tenants %d", p.tree.root.attained, charged)
	}
}
