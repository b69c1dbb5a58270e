package leasetest

import (
	"time"

	"github.com/trapgate/trapgate/ratelimit/lease"
)

// settle lets everybody report until shares have found their places.
func (w *world) settle(ps ...*peer) {
	w.t.Helper()
	for range 3 {
		w.clock.Advance(250 * time.Millisecond)
		for _, p := range ps {
			p.ask(0, 0)
		}
	}
}

func slotShares(w *world) {
	ps := w.peers(4, lease.Slots, 16)
	for i, d := range []int64{1, 3, 20, 20} {
		w.equal("at first at most the static share", ps[i].wants(d).ask(0, 0), min(4, 16))
	}
	w.grownUp(ps...)
	w.settle(ps...)
	for i, want := range []int64{1, 3, 6, 6} {
		w.equal("share", ps[i].r.Held, want)
	}
	// The second wants more: it gets it once somebody else has less.
	ps[1].wants(20)
	ps[2].r.Used = 6
	w.equal("nobody has anything to spare yet", ps[1].ask(0, 0), 3)
	if ps[1].g.Retry == 0 || ps[1].g.Retry > ps[1].r.Delta {
		w.t.Errorf("asks again after %v", ps[1].g.Retry)
	}
	w.equal("one is told to shrink", ps[2].ask(0, 0), 5)
	w.equal("that does not count before it obeys", ps[1].ask(0, 0), 3)
	w.equal("it reports", ps[2].ask(0, 0), 5)
	w.equal("but a call is under way", ps[1].ask(0, 0), 3)
	ps[2].r.Used = 5
	ps[2].ask(0, 0)
	w.equal("now it is free", ps[1].ask(0, 0), 4)
	ps[0].leave()
	w.settle(ps[1:]...)
	sum := ps[1].r.Held + ps[2].r.Held + ps[3].r.Held
	w.equal("who leaves leaves all", sum, 16)
	// The third vanishes.
	w.clock.Advance(6 * time.Second)
	w.settle(ps[1], ps[3])
	sum = ps[1].r.Held + ps[3].r.Held
	w.about("the larger of lease and static share is kept for who vanished", float64(sum), 10.5, .6)
	w.clock.Advance(31 * time.Second)
	w.settle(ps[1], ps[3])
	w.equal("until it is forgotten", ps[1].r.Held+ps[3].r.Held, 16)
}

func slotTurns(w *world) {
	ps := w.peers(4, lease.Slots, 2)
	for _, p := range ps {
		p.wants(5)
	}
	had := make([]int64, 4)
	for range 200 {
		w.clock.Advance(250 * time.Millisecond)
		sum := int64(0)
		for i, p := range ps {
			had[i] += p.ask(0, 0)
			sum += p.r.Held
		}
		if sum > 2 {
			w.t.Fatalf("%d of 2 slots", sum)
		}
	}
	for _, n := range had {
		w.about("turns", float64(n), 90, 15)
	}
}

func slotsEmpty(w *world) {
	ps := w.peers(4, lease.Slots, 16)
	for i, d := range []int64{20, 1, 1, 1} {
		ps[i].wants(d)
	}
	w.grownUp(ps...)
	w.settle(ps...)
	w.equal("the share of the busy one", ps[0].r.Held, 13)
	w.Lose()
	ps[1].wants(20)
	w.equal("an empty store gives the others no more than their static share", ps[1].ask(0, 0), 4)
	w.equal("the busy one makes room", ps[0].ask(0, 0), 8)
	ps[2].ask(0, 0)
	ps[3].ask(0, 0)
	for range 8 {
		w.clock.Advance(time.Second)
		w.settle(ps...)
	}
	for i, want := range []int64{7, 7, 1, 1} {
		w.equal("afterwards", ps[i].r.Held, want)
	}
}

func tenants(w *world) {
	a, b := w.peer(lease.Slots, 100, 2), w.peer(lease.Slots, 100, 2)
	// The tenant "many" calls through both, with all it has; "one" through the second only, with three times the weight.
	a.r.Demands = []lease.Demand{{Tenant: "many", Weight: 1, Amount: 500}}
	b.r.Demands = []lease.Demand{{Tenant: "one", Weight: 3, Amount: 500}, {Tenant: "many", Weight: 1, Amount: 500}}
	w.grownUp(a, b)
	w.settle(a, b)
	w.about("first sidecar", a.g.Share, 12.5, 1e-6)
	w.about("second sidecar", b.g.Share, 87.5, 1e-6)
	w.about("one", b.g.Tenants[0], 75, 1e-6)
	w.about("many, second sidecar", b.g.Tenants[1], 12.5, 1e-6)
	b.r.Demands[0].Amount = 10
	w.settle(a, b)
	w.about("what one does not want", b.g.Tenants[1]+a.g.Tenants[0], 90, 1e-6)
	b.r.Demands, a.r.Demands = b.r.Demands[:1], nil
	w.settle(a, b)
	w.equal("what nobody wants is at hand for who is there", b.r.Held, 100)
	w.about("but no tenant's part", b.g.Tenants[0], 10, 1e-6)
}
