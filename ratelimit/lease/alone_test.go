package lease

import (
	"context"
	"testing"
	"time"
)

// A rate on its own is refilled at the smaller of share and static share while the lease is valid, then at the static
// share; what it held above its part of the depth is lost with the lease.
func TestRateAlone(t *testing.T) {
	clock := &standing{now: time.Unix(1_700_000_000, 0)}
	store := &line{Store: NewMemory(clock.Now)}
	c := New(store, Options{Clock: clock})
	wants := int64(60)
	l, err := c.Add(Resource{
		Key: "r", Kind: Rate, Limit: 6000, Sidecars: 2, Depth: 30,
		Demands: func(buf []Demand) []Demand { return append(buf, Demand{Tenant: "t", Weight: 1, Amount: wants}) },
	})
	if err != nil {
		t.Fatal(err)
	}
	renew := func(after time.Duration) {
		clock.now = clock.now.Add(after)
		c.exchange(context.Background(), []*Lease{l}, clock.now)
	}
	equal := func(what string, got, want int64) {
		t.Helper()
		if got < want-1 || got > want+1 {
			t.Fatalf("%s: got %d, want %d", what, got, want)
		}
	}
	for range 6 {
		renew(time.Second)
	}
	// Another takes most of the limit: our share becomes 20 a second, below the static 50.
	other := New(store, Options{Clock: clock})
	heavy, err := other.Add(Resource{Key: "r", Kind: Rate, Limit: 6000, Sidecars: 2, Depth: 30, Demands: func(buf []Demand) []Demand {
		return append(buf, Demand{Tenant: "u", Weight: 1, Amount: 500})
	}})
	if err != nil {
		t.Fatal(err)
	}
	wants = 20
	for range 3 {
		renew(time.Second)
		other.exchange(context.Background(), []*Lease{heavy}, clock.now)
	}
	renew(0)
	equal("share", int64(l.Share().Amount), 20*60)
	held := l.Counters().Held
	equal("held, more than its 15 of the depth", held, 30)
	store.cut = true
	renew(time.Second)
	equal("share on its own", int64(l.Share().Amount), 20*60)
	l.Take(held + 50)
	renew(time.Second)
	l.look(clock.now)
	equal("refilled at the share", l.Counters().Held, -30)
	l.Put(held + 30)
	equal("held again", l.Counters().Held, 30)
	renew(5 * time.Second)
	equal("its part of the depth is left", l.Counters().Held, 15)
	equal("static share", int64(l.Share().Amount), 3000)
	l.Take(115)
	renew(time.Second)
	equal("refilled at the static share", l.Counters().Held, -50)
}
