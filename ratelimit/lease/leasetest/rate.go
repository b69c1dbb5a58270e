package leasetest

import (
	"time"

	"github.com/trapgate/trapgate/ratelimit/lease"
)

// Rates here are 6,000 a minute: 100 a second, in a bucket of 240.

func rateBucket(w *world) {
	p := w.peer(lease.Rate, 6000, 1).wants(100)
	w.equal("a new bucket, one sidecar", p.ask(1000, 0), 240)
	p.spend(240)
	w.clock.Advance(500 * time.Millisecond)
	w.equal("tokens count as inside until their use is reported", p.ask(1000, 0), 0)
	w.clock.Advance(500 * time.Millisecond)
	w.equal("refilled since", p.ask(1000, 0), 50)
	w.clock.Advance(time.Hour / 2)
	w.equal("leased tokens vanish after the TTL, the bucket has its depth", p.ask(1000, 0), 240)
	p.spend(240)
	p.ask(0, 0)
	w.clock.Advance(time.Second)
	w.equal("a block", p.ask(100, 0), 100)
	p.r.Back, p.r.Held = 60, 40
	p.ask(0, 0)
	w.equal("what was given back is there for others", p.ask(1000, 0), 60)
}

// pump lets every peer spend all and ask for ask at each quarter of a second, and returns what each got.
func (w *world) pump(d time.Duration, ask int64, ps ...*peer) []int64 {
	w.t.Helper()
	sums := make([]int64, len(ps))
	for range int(d / (250 * time.Millisecond)) {
		w.clock.Advance(250 * time.Millisecond)
		for i, p := range ps {
			p.r.Held = 0
			sums[i] += p.ask(ask, 0)
		}
	}
	return sums
}

func rateShares(w *world) {
	ps := w.peers(4, lease.Rate, 6000)
	for i, d := range []int64{10, 20, 500, 500} {
		ps[i].wants(d)
	}
	w.pump(10*time.Second, 100, ps...)
	for i, want := range []float64{600, 1200, 2100, 2100} {
		w.about("share", ps[i].g.Share, want, 1)
	}
	// Those with small demands ask for no more than they want.
	for i, limit := range []int64{3, 5} {
		ps[i].r.Held = 0
		ps[i].ask(limit, 0)
	}
	sums := make([]int64, 4)
	for range 240 {
		w.clock.Advance(250 * time.Millisecond)
		for i, ask := range []int64{2, 5, 100, 100} {
			ps[i].r.Held = 0
			sums[i] += ps[i].ask(ask, 0)
		}
	}
	w.equal("a small demand is met", sums[0], 480)
	w.about("another", float64(sums[1]), 1200, 20)
	w.about("large ones share the rest", float64(sums[2]), 2160, 60)
	w.about("alike", float64(sums[3]), 2160, 60)
}

func rateTurns(w *world) {
	ps := w.peers(4, lease.Rate, 6000)
	for _, p := range ps {
		p.wants(1000)
		p.r.Depth = 2000
	}
	w.grownUp(ps...)
	// Each call costs 1,000: ten seconds of the limit.
	calls := make([]int64, 4)
	for range 1200 {
		w.clock.Advance(250 * time.Millisecond)
		held := int64(0)
		for i, p := range ps {
			if n := p.ask(1000, 1000); n > 0 {
				w.equal("a call or nothing", n, 1000)
				calls[i]++
				p.spend(n)
				p.ask(0, 0)
			}
			held += p.r.Held
		}
		w.equal("nothing lies about", held, 0)
	}
	sum := int64(0)
	for _, n := range calls {
		w.about("calls", float64(n), 7.5, 1.5)
		sum += n
	}
	w.about("in all", float64(sum), 31, 1.1)
}

func rateVanished(w *world) {
	ps := w.peers(2, lease.Rate, 6000)
	a, b := ps[0].wants(500), ps[1].wants(500)
	w.pump(10*time.Second, 100, a, b)
	w.pump(6*time.Second, 100, a) // b is silent, with a lease
	got := w.pump(10*time.Second, 100, a)
	w.about("the static share is kept for who vanished", float64(got[0]), 500, 30)
	w.pump(20*time.Second, 100, a)
	got = w.pump(10*time.Second, 100, a)
	w.about("until it is forgotten", float64(got[0]), 1000, 30)
	b.r.Held = 0
	got = w.pump(20*time.Second, 100, a, b)
	w.about("it comes back", float64(got[1]), 1000, 150)
	b.leave()
	got = w.pump(10*time.Second, 100, a)
	w.about("nothing is kept for who leaves", float64(got[0]), 1000, 120)
}
