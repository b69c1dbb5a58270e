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

// lopsided is a budget of which the last of four has spent 1200, more than its static share of 1000, since the others heard of the
// store last, and rests: it is silent for longer than a TTL. Then the store is lost.
func (w *world) lopsided() (ps []*peer) {
	w.t.Helper()
	ps = w.peers(4, lease.Budget, 4000)
	for _, p := range ps {
		p.wants(100)
	}
	w.grownUp(ps...)
	d := ps[3]
	w.equal("a block above the static share", d.ask(1200, 1200), 1200)
	d.spend(1200)
	d.r.Demands = nil
	d.ask(0, 0)
	w.Lose()
	return ps
}

// spendAll has each peer of ps take and use what it can get in a second, and returns what that was.
func (w *world) spendAll(ps []*peer) (n int64) {
	w.t.Helper()
	w.clock.Advance(time.Second)
	for _, p := range ps {
		got := p.ask(4000, 1)
		p.spend(got)
		n += got
	}
	return n
}

func budgetLearns(w *world) {
	ps := w.lopsided()
	abc := ps[:3]
	spent := int64(0)
	for range 12 { // far beyond the TTL
		spent += w.spendAll(abc)
	}
	w.equal("three have no more than their static shares", spent, 3000)
	w.equal("the last one's spending", ps[3].ask(100, 0), 0)
	w.equal("is known now", ps[3].g.Total, 4200)

	// The same, with the last one heard in time.
	w.key = unique(w.key)
	ps = w.lopsided()
	ps[3].ask(0, 0)
	w.equal("what is known of the lost record", ps[3].g.Total, 1200)
	spent = 0
	for range 12 {
		spent += w.spendAll(ps[:3])
		ps[3].ask(0, 0)
	}
	w.equal("all that is left", spent, 2800)
}

func budgetUntold(w *world) {
	ps := w.lopsided()
	ab := ps[:2] // the third and the last died
	spent := int64(0)
	for range 29 {
		spent += w.spendAll(ab)
	}
	w.equal("static shares until the grace is over", spent, 2000)
	for range 8 {
		spent += w.spendAll(ab)
	}
	w.equal("and then what nobody has claimed", spent, 4000)
}

// restart is another start of p's sidecar, which has written down what was used.
func (p *peer) restart() *peer {
	q := p.w.peer(lease.Budget, p.r.Limit, p.r.Sidecars).wants(100)
	q.r.Sidecar, q.r.Prior = p.r.Sidecar, p.r.Prior+p.r.Used
	return q
}

func budgetRestart(w *world) {
	ps := w.peers(2, lease.Budget, 4000)
	a, b := ps[0].wants(100), ps[1].wants(100)
	a.r.Sidecar, b.r.Sidecar = "a", "b"
	w.grownUp(a, b)
	a.ask(500, 0)
	a.spend(400)
	a.ask(0, 0)
	a = a.restart() // and did not leave
	a.ask(0, 0)
	w.equal("what the store knows is counted once", a.g.Total, 500)
	w.equal("a block", a.ask(300, 0), 300)
	a.spend(300)
	a.leave()
	a.r.Leave = false
	a = a.restart()
	a.ask(0, 0)
	w.equal("again", a.g.Total, 800)
	w.clock.Advance(40 * time.Second)
	b.ask(0, 0)
	w.equal("when the first start is forgotten, with its block", b.g.Total, 800)
	b.ask(1000, 0)
	b.spend(1000)
	b.ask(0, 0)
	w.Lose() // while both start again
	a, b = a.restart(), b.restart()
	w.equal("of a static share of 2000", a.ask(4000, 1), 1300)
	w.equal("what is written down is known", a.g.Total, 700+1300)
	w.equal("of another", b.ask(1000, 1000), 1000)
	w.equal("all", b.g.Total, 4000)
}
