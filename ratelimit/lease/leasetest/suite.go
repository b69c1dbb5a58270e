package leasetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trapgate/trapgate/ratelimit/lease"
)

// A Fixture is a store under test.
type Fixture struct {
	Store lease.Store
	Lose  func() // makes it forget everything, as a restart without persistence does
}

// Run runs the suite. open makes a store whose clock is now, for one test; it may return the same store again.
func Run(t *testing.T, open func(t *testing.T, now func() time.Time) Fixture) {
	for _, c := range []struct {
		name string
		run  func(*world)
	}{
		{"budget is committed block by block", budgetBlocks},
		{"budget: answers that are lost and reports that are late", budgetLost},
		{"budget: who is heard and does not hear", budgetDeaf},
		{"budget: who leaves and who vanishes", budgetEnds},
		{"budget: an empty store", budgetEmpty},
		{"budget: an empty store learns first", budgetLearns},
		{"budget: an empty store that nobody tells all", budgetUntold},
		{"budget: who starts again", budgetRestart},
		{"rate: the bucket", rateBucket},
		{"rate: shares", rateShares},
		{"rate: large calls take turns", rateTurns},
		{"rate: who vanishes", rateVanished},
		{"slots: shares", slotShares},
		{"slots: shares below one take turns", slotTurns},
		{"slots: an empty store", slotsEmpty},
		{"tenants are treated fairly, not sidecars", tenants},
		{"several resources at once", several},
		{"reports that make no sense", nonsense},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := NewClock()
			c.run(&world{t: t, clock: clock, Fixture: open(t, clock.Now), key: unique(t.Name())})
		})
	}
	t.Run("as the twin", func(t *testing.T) { twins(t, open) })
}

var counter atomic.Int64

// unique makes a key that no other test uses, because a real store outlives a test.
func unique(name string) string {
	return fmt.Sprintf("%.100s/%d/%d", name, time.Now().UnixNano(), counter.Add(1))
}

// A Clock stands still until it is moved. It is safe for concurrent use.
type Clock struct{ at atomic.Int64 }

// NewClock makes a clock that shows some whole second.
func NewClock() *Clock {
	c := &Clock{}
	c.at.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

// Now is the time.
func (c *Clock) Now() time.Time { return time.Unix(0, c.at.Load()) }

// Advance moves the clock by d.
func (c *Clock) Advance(d time.Duration) { c.at.Add(int64(d)) }

// A world is one store, its clock, and sidecars that a test moves by hand.
type world struct {
	Fixture
	t     *testing.T
	clock *Clock
	key   string
}

// A peer is one sidecar's knowledge of one resource.
type peer struct {
	w *world
	r lease.Report
	g lease.Grant // the last that arrived
}

func (w *world) peer(kind lease.Kind, limit int64, sidecars int) *peer {
	return &peer{w: w, r: lease.Report{
		Key: w.key, Kind: kind, Limit: limit, Per: time.Minute, Depth: limit / 25, Sidecars: sidecars,
		Delta: time.Second, TTL: 5 * time.Second, Grace: 30 * time.Second, Life: time.Hour, Holder: unique("peer"),
	}}
}

func (w *world) peers(n int, kind lease.Kind, limit int64) []*peer {
	ps := make([]*peer, n)
	for i := range ps {
		ps[i] = w.peer(kind, limit, n)
	}
	return ps
}

// wants sets what one tenant of weight 1 wants.
func (p *peer) wants(amount int64) *peer {
	p.r.Demands = []lease.Demand{{Tenant: "t", Weight: 1, Amount: amount}}
	return p
}

// ask reports, and keeps what is granted. Need is what must come at least.
func (p *peer) ask(ask, need int64) int64 {
	p.w.t.Helper()
	g := p.send(ask, need)
	p.take(g)
	return g.Amount
}

// send reports, and loses the answer.
func (p *peer) send(ask, need int64) lease.Grant {
	p.w.t.Helper()
	p.r.Seq++
	p.r.Ask, p.r.Need = ask, need
	return p.again()
}

func (p *peer) again() lease.Grant {
	p.w.t.Helper()
	gs, err := p.w.Store.Exchange(context.Background(), []lease.Report{p.r})
	if err != nil {
		p.w.t.Fatal(err)
	}
	if len(gs) != 1 || len(gs[0].Tenants) != 0 && len(gs[0].Tenants) != len(p.r.Demands) {
		p.w.t.Fatalf("%d grants, %+v, for 1 report of %d demands", len(gs), gs, len(p.r.Demands))
	}
	return gs[0]
}

func (p *peer) take(g lease.Grant) {
	if p.r.Kind == lease.Slots {
		p.r.Held = g.Amount
	} else {
		p.r.Held += g.Amount
	}
	p.r.Gen, p.r.Known, p.r.Was, p.r.Back = g.Gen, g.Total, p.r.Used+p.r.Held, 0
	if p.r.Kind != lease.Budget {
		p.r.Known, p.r.Was = 0, 0
	}
	p.g = g
}

// spend uses what is held.
func (p *peer) spend(n int64) {
	p.w.t.Helper()
	if n > p.r.Held {
		p.w.t.Fatalf("spends %d of %d", n, p.r.Held)
	}
	p.r.Held -= n
	if p.r.Kind == lease.Budget {
		p.r.Used += n
	}
}

func (p *peer) leave() {
	p.w.t.Helper()
	if p.r.Kind == lease.Rate {
		p.r.Back = p.r.Held
	}
	p.r.Held, p.r.Leave, p.r.Demands = 0, true, nil
	p.send(0, 0)
}

// grownUp lets the record's first TTL pass, in which nobody gets more than its static share.
func (w *world) grownUp(ps ...*peer) {
	w.t.Helper()
	for _, p := range ps {
		p.ask(0, 0)
	}
	for range 6 {
		w.clock.Advance(time.Second)
		for _, p := range ps {
			p.ask(0, 0)
		}
	}
}

func (w *world) equal(what string, got, want int64) {
	w.t.Helper()
	if got != want {
		w.t.Fatalf("%s: got %d, want %d", what, got, want)
	}
}

func (w *world) about(what string, got, want, off float64) {
	w.t.Helper()
	if got < want-off || got > want+off {
		w.t.Fatalf("%s: got %.3f, want %.3f +- %.3f", what, got, want, off)
	}
}

func several(w *world) {
	var reports []lease.Report
	for i, kind := range []lease.Kind{lease.Slots, lease.Budget, lease.Rate, lease.Budget} {
		p := w.peer(kind, 1000*int64(i+1), 1).wants(100)
		p.r.Key += fmt.Sprint(i)
		p.r.Seq, p.r.Ask = 1, 10+int64(i)
		reports = append(reports, p.r)
	}
	gs, err := w.Store.Exchange(context.Background(), reports)
	if err != nil || len(gs) != 4 {
		w.t.Fatal(gs, err)
	}
	w.equal("slots", gs[0].Amount, 1000)
	w.equal("first budget", gs[1].Amount, 11)
	w.equal("rate", gs[2].Amount, 12)
	w.equal("second budget", gs[3].Amount, 13)
	if gs, err := w.Store.Exchange(context.Background(), nil); err != nil || len(gs) != 0 {
		w.t.Fatalf("nothing to report: %v, %v", gs, err)
	}
}

func nonsense(w *world) {
	for name, spoil := range map[string]func(*lease.Report){
		"kind":      func(r *lease.Report) { r.Kind = 9 },
		"no key":    func(r *lease.Report) { r.Key = "" },
		"no holder": func(r *lease.Report) { r.Holder = "" },
		"sidecars":  func(r *lease.Report) { r.Sidecars = 0 },
		"delta":     func(r *lease.Report) { r.Delta = 0 },
		"per":       func(r *lease.Report) { r.Per = 0 },
		"limit":     func(r *lease.Report) { r.Limit = -1 },
		"held":      func(r *lease.Report) { r.Held = 1 << 60 },
		"weight":    func(r *lease.Report) { r.Demands = []lease.Demand{{Tenant: "t", Amount: 1}} },
		"amount":    func(r *lease.Report) { r.Demands = []lease.Demand{{Tenant: "t", Weight: 1, Amount: -1}} },
	} {
		p := w.peer(lease.Rate, 100, 1)
		p.r.Seq = 1
		spoil(&p.r)
		if _, err := w.Store.Exchange(context.Background(), []lease.Report{p.r}); !errors.Is(err, lease.ErrStore) {
			w.t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := w.Store.Exchange(ctx, []lease.Report{w.peer(lease.Rate, 100, 1).r}); !errors.Is(err, lease.ErrStore) {
		w.t.Errorf("after its context: %v", err)
	}
}
