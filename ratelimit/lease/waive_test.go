package lease

import (
	"context"
	"errors"
	"testing"
	"time"
)

// A call that is waived is not asked for any more, so that less comes; what was used stays.
func TestWaive(t *testing.T) {
	clock := &standing{now: time.Unix(1_700_000_000, 0)}
	store := &counting{Store: NewMemory(clock.Now)}
	c := New(store, Options{Clock: clock})
	l, err := c.Add(Resource{Key: "b", Kind: Budget, Limit: 1000, Window: oneWindow})
	if err != nil {
		t.Fatal(err)
	}
	renew := func() Report {
		clock.now = clock.now.Add(time.Second)
		c.exchange(context.Background(), []*Lease{l}, clock.now)
		return *store.last.Load()
	}
	l.TryTake(clock.now, 900)
	renew()
	if !l.TryTake(clock.now, 900) || l.TryTake(clock.now, 200) {
		t.Fatalf("%+v", l.Counters())
	}
	if r := renew(); r.Need != 200-r.Held || l.Counters().Held != r.Held {
		t.Fatalf("all of what is needed or nothing: %+v", r)
	}
	if l.Waive(201) || !l.Waive(150) || l.Waive(150) {
		t.Fatal("what is wanted is 200, once")
	}
	if r := renew(); r.Need != 0 || r.Used != 900 {
		t.Fatalf("%+v", r)
	}
	if !l.TryTake(clock.now, 100) || l.Counters().Used != 1000 {
		t.Fatalf("%+v", l.Counters())
	}
}

func TestResize(t *testing.T) {
	clock := &standing{now: time.Unix(1_700_000_000, 0)}
	store := &counting{Store: NewMemory(clock.Now)}
	c := New(store, Options{Clock: clock})
	l, err := c.Add(Resource{Key: "b", Kind: Budget, Limit: 1000, Window: oneWindow})
	if err != nil {
		t.Fatal(err)
	}
	take := func(n int64) bool {
		l.TryTake(clock.now, n)
		clock.now = clock.now.Add(time.Second)
		c.exchange(context.Background(), []*Lease{l}, clock.now)
		return l.TryTake(clock.now, n)
	}
	if !take(400) || take(700) {
		t.Fatalf("%+v", l.Counters())
	}
	if err := l.Resize(-1); !errors.Is(err, errResource) {
		t.Fatal(err)
	}
	if err := l.Resize(2000); err != nil {
		t.Fatal(err)
	}
	if !take(700) || store.last.Load().Limit != 2000 || l.Counters().Used < 1100 {
		t.Fatalf("%+v, %+v", l.Counters(), store.last.Load())
	}
}
