package leasetest

import (
	"time"

	"github.com/trapgate/trapgate/ratelimit/lease"
)

func budgetBlocks(w *world) {
	ps := w.peers(2, lease.Budget, 1000)
	a, b := ps[0].wants(400), ps[1].wants(400)
	w.equal("at first the static share", a.ask(600, 0), 500)
	w.equal("nothing above it", a.ask(100, 0), 0)
	w.grownUp(a, b)
	w.equal("a second block", a.ask(200, 0), 200)
	w.equal("committed", a.g.Total, 700)
	// 300 are left, and both want 400: each may have half of it.
	w.equal("a fair part of what is left", b.ask(400, 0), 150)
	w.equal("what is needed comes before what is fair", a.ask(200, 100), 100)
	w.equal("less than is needed is not given", b.ask(60, 60), 0)
	w.equal("the rest", b.ask(50, 50), 50)
	w.equal("it is used up", a.ask(1, 0), 0)
	if a.g.Retry != a.r.TTL {
		w.t.Errorf("asks again after %v", a.g.Retry)
	}
	a.spend(300)
	a.r.Held -= 500 // and gives the rest back
	a.ask(0, 0)
	w.equal("given back", a.g.Total, 500)
}

func budgetLost(w *world) {
	p := w.peer(lease.Budget, 1000, 1).wants(100)
	w.grownUp(p)
	w.equal("a block", p.ask(100, 0), 100)
	w.equal("a block that never arrives", p.send(100, 0).Amount, 100)
	p.spend(50)
	w.equal("the next report corrects the store", p.ask(10, 0), 10)
	w.equal("committed", p.g.Total, 110)
	late := p.again() // the same report once more
	w.equal("a report that was seen", late.Amount, 0)
	w.equal("it changes nothing", late.Total, 110)
}

func budgetDeaf(w *world) {
	ps := w.peers(2, lease.Budget, 1000)
	a, b := ps[0].wants(100), ps[1].wants(100)
	w.grownUp(a, b)
	a.ask(100, 0)
	a.r.Alone = 250
	a.send(0, 0) // it does not hear the answer
	w.equal("what it may use meanwhile is kept for it", b.ask(651, 651), 0)
	w.equal("and no more", b.ask(650, 650), 650)
	a.r.Alone = 0
	a.ask(0, 0)
	w.equal("until it hears", b.ask(250, 250), 250)
}

func budgetEnds(w *world) {
	ps := w.peers(4, lease.Budget, 1000)
	for _, p := range ps {
		p.wants(100)
	}
	w.grownUp(ps[:3]...)
	a, b, c := ps[0], ps[1], ps[2]
	a.ask(100, 0)
	a.spend(30)
	a.leave()
	b.ask(100, 0)
	w.equal("who leaves gives back what it did not use", b.g.Total, 130)
	// Now b vanishes. It may spend its block, and what the static share still allows: a quarter of what was left then.
	for range 6 {
		w.clock.Advance(time.Second)
		c.ask(0, 0)
	}
	w.equal("what a vanished holder may use is kept for it", c.ask(1000, 721), 0)
	w.equal("and no more than that", c.ask(720, 720), 720)
	c.r.Held = 0
	c.ask(0, 0)
	w.clock.Advance(40 * time.Second)
	c.ask(0, 0)
	w.equal("a forgotten holder has spent its block", c.g.Total, 130)
	w.equal("and nothing is kept for it", c.ask(870, 870), 870)
	c.r.Held = 0
	c.ask(0, 0)
	b.spend(60)
	w.equal("until it comes back", b.ask(0, 0), 0)
	b.r.Held = 0
	b.ask(0, 0)
	w.equal("committed", b.g.Total, 90)
}

func budgetEmpty(w *world) {
	ps := w.peers(4, lease.Budget, 2000)
	for _, p := range ps {
		p.wants(200)
	}
	w.grownUp(ps...)
	for _, p := range ps {
		w.equal("a block", p.ask(200, 0), 200)
		p.spend(150)
	}
	for _, p := range ps[:3] { // the fourth dies
		p.ask(0, 0)
	}
	w.Lose()
	a := ps[0]
	a.spend(20) // meanwhile
	w.equal("nothing above the static share while others may hold leases", a.ask(400, 0), 300)
	w.equal("what is known of the lost record counts", a.g.Total, 1100)
	w.equal("the second that comes back", ps[1].ask(0, 0), 0)
	w.equal("is counted once", ps[1].g.Total, 1100)
	ps[2].spend(30)
	ps[2].r.Held = 0
	w.equal("the third", ps[2].ask(0, 0), 0)
	w.equal("gave 20 back", ps[2].g.Total, 1080)
	fresh := w.peer(lease.Budget, 2000, 4).wants(10)
	for range 6 {
		w.clock.Advance(time.Second)
		for _, p := range ps[:3] {
			p.ask(0, 0)
		}
	}
	// 920 are left, 610 are wanted: a quarter of the difference is anybody's.
	w.equal("one that starts now", fresh.ask(200, 0), 87)
	w.equal("gets what it needs of the rest", fresh.ask(833, 833), 833)
	w.equal("all", fresh.g.Total, 2000)
}
