package lease

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// start runs a client of store with one lease, in a bubble.
func start(t *testing.T, store Store, r Resource) (*Client, *Lease) {
	t.Helper()
	c := New(store, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = c.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	l, err := c.Add(r)
	if err != nil {
		t.Fatal(err)
	}
	return c, l
}

// counting is a store that counts exchanges.
type counting struct {
	Store
	n    atomic.Int64
	last atomic.Pointer[Report]
}

func (c *counting) Exchange(ctx context.Context, r []Report) ([]Grant, error) {
	c.n.Add(1)
	last := r[len(r)-1]
	c.last.Store(&last)
	return c.Store.Exchange(ctx, r)
}

func TestRefusedCallIsGrantedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		granted := make(chan Share, 10)
		_, l := start(t, NewMemory(time.Now), Resource{Key: "r", Kind: Rate, Limit: 60_000, Changed: func(s Share) { granted <- s }})
		time.Sleep(time.Minute)
		for len(granted) > 0 {
			<-granted
		}
		began := time.Now()
		if l.TryTake(began, 100) {
			t.Fatal("an idle lease holds nothing")
		}
		s := <-granted
		if d := time.Since(began); d > 20*time.Millisecond || s.Fallback || s.Amount != 60_000 {
			t.Fatalf("granted after %v: %+v", d, s)
		}
		if !l.TryTake(time.Now(), 100) {
			t.Fatal("it was granted")
		}
		if c := l.Counters(); c.Used != 100 || c.Denied != 1 || c.Granted < 100 || c.Held != c.Granted-c.Wasted-100 {
			t.Fatalf("%+v", c)
		}
	})
}

func TestIdleLeaseGivesBackAndIsSilent(t *testing.T) {
	for _, kind := range []Kind{Rate, Budget, Slots} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &counting{Store: NewMemory(time.Now)}
				_, l := start(t, store, Resource{Key: "k", Kind: kind, Limit: 6000, Window: oneWindow})
				l.TryTake(time.Now(), 3)
				time.Sleep(100 * time.Millisecond)
				if !l.TryTake(time.Now(), 3) {
					t.Fatal("not granted")
				}
				if kind == Slots {
					l.Put(3)
				}
				time.Sleep(10 * time.Second)
				if c := l.Counters(); c.Held != 0 {
					t.Fatalf("still holds: %+v", c)
				}
				if r := store.last.Load(); r.Held != 0 || len(r.Demands) != 0 {
					t.Fatalf("did not say so: %+v", r)
				}
				before := store.n.Load()
				time.Sleep(time.Minute)
				if n := store.n.Load() - before; n > 4 {
					t.Fatalf("%d exchanges in an idle minute", n)
				}
			})
		})
	}
}

// A lease is not good for longer than its TTL, even if nobody is there to notice that.
func TestLeaseEndsByItself(t *testing.T) {
	clock := &standing{now: time.Unix(1_700_000_000, 0)}
	c := New(NewMemory(clock.Now), Options{Clock: clock})
	l, err := c.Add(Resource{Key: "r", Kind: Rate, Limit: 60_000})
	if err != nil {
		t.Fatal(err)
	}
	l.TryTake(clock.now, 1000)
	c.exchange(context.Background(), []*Lease{l}, clock.now)
	if !l.TryTake(clock.now.Add(5*time.Second-1), 10) {
		t.Fatal("refused before the TTL")
	}
	if l.TryTake(clock.now.Add(5*time.Second), 10) {
		t.Fatal("taken after the TTL")
	}
	if got := l.Counters(); got.Held != 0 || got.Wasted != got.Granted-10 {
		t.Fatalf("%+v", got)
	}
}

func TestWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		window := func(at time.Time) (string, time.Time) {
			start := at.Truncate(time.Minute)
			return start.Format("15:04"), start.Add(time.Minute)
		}
		time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)))
		store := &counting{Store: NewMemory(time.Now)}
		_, l := start(t, store, Resource{Key: "b", Kind: Budget, Limit: 1000, Window: window})
		take := func(n int64) bool {
			for range 3 {
				if l.TryTake(time.Now(), n) {
					return true
				}
				time.Sleep(time.Second)
			}
			return false
		}
		if !take(900) || take(200) {
			t.Fatal("first window")
		}
		if d := l.When(time.Now(), 200); d <= 0 || d > time.Minute {
			t.Fatalf("the next window is in %v", d)
		}
		time.Sleep(l.When(time.Now(), 200))
		if !take(900) {
			t.Fatal("second window")
		}
		if key := store.last.Load().Key; !strings.HasPrefix(key, "b@") {
			t.Fatalf("key %q", key)
		}
	})
}

func TestUsedBeforeTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l0 := &line{cut: true}
		_, l := start(t, l0, Resource{Key: "b", Kind: Budget, Limit: 1000, Sidecars: 2, Used: 450, Window: oneWindow})
		time.Sleep(time.Second)
		if l.TryTake(time.Now(), 51) || !l.TryTake(time.Now(), 50) || l.TryTake(time.Now(), 1) {
			t.Fatalf("%+v", l.Counters())
		}
		if s := l.Share(); !s.Fallback {
			t.Fatalf("%+v", s)
		}
	})
}

func TestDebtIsPaidFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, l := start(t, NewMemory(time.Now), Resource{Key: "b", Kind: Budget, Limit: 1000, Window: oneWindow})
		time.Sleep(6 * time.Second)
		l.TryTake(time.Now(), 10)
		time.Sleep(time.Second)
		l.Take(300)
		l.TryTake(time.Now(), 10)
		time.Sleep(time.Second)
		if !l.TryTake(time.Now(), 10) {
			t.Fatalf("%+v", l.Counters())
		}
		l.Put(200)
		if c := l.Counters(); c.Used != 110 {
			t.Fatalf("%+v", c)
		}
	})
}

func TestRemoveAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &counting{Store: NewMemory(time.Now)}
		c, l := start(t, store, Resource{Key: "b", Kind: Budget, Limit: 1000, Window: oneWindow})
		if _, err := c.Add(Resource{Key: "b", Kind: Slots, Limit: 1}); err == nil {
			t.Fatal("added twice")
		}
		l.TryTake(time.Now(), 10)
		time.Sleep(time.Second)
		c.Remove(l)
		time.Sleep(time.Second)
		if r := store.last.Load(); !r.Leave || r.Held != 0 {
			t.Fatalf("%+v", r)
		}
		if l.TryTake(time.Now(), 1) {
			t.Fatal("taken from a lease that is gone")
		}
		if _, err := c.Add(Resource{Key: "b", Kind: Slots, Limit: 1}); err != nil {
			t.Fatal(err)
		}
	})
}

// A scheduler calls the lease and is called by it, under one lock of its own.
func TestHooksMayCallBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *Lease
		var calls atomic.Int64
		use := func() {
			calls.Add(1)
			_, _, _ = l.When(time.Now(), 1), l.Share(), l.Counters()
			if l.TryTake(time.Now().Add(time.Hour), 1) { // looks closer
				l.Put(1)
			}
		}
		c := New(NewMemory(time.Now), Options{})
		var err error
		l, err = c.Add(Resource{
			Key: "s", Kind: Slots, Limit: 5,
			Changed: func(Share) { use() },
			Demands: func(buf []Demand) []Demand {
				use()
				return append(buf, Demand{Weight: 1, Amount: calls.Load() % 5})
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = c.Run(ctx)
		if calls.Load() < 15 {
			t.Fatalf("%d calls", calls.Load())
		}
	})
}

func TestDemandsAreTidied(t *testing.T) {
	long := strings.Repeat("x", 300)
	got := tidy([]Demand{{"a", 1, 0}, {"b", 0, 5}, {long, 2e9, 1 << 60}})
	want := []Demand{{"b", 1, 5}, {long[:maxName], 1e9, maxUnits}}
	if !slices.Equal(got, want) {
		t.Fatalf("%v", got)
	}
	var many []Demand
	for i := range 300 {
		many = append(many, Demand{fmt.Sprint(i), 2, 10})
	}
	got = tidy(many)
	if len(got) != maxDemands || got[254].Tenant != "254" || got[255] != (Demand{"", 1, 450}) {
		t.Fatalf("%d: %v", len(got), got[254:])
	}
}

func TestResourceErrors(t *testing.T) {
	c := New(NewMemory(time.Now), Options{})
	for name, r := range map[string]Resource{
		"kind":     {Key: "k", Limit: 1},
		"key":      {Kind: Slots},
		"long key": {Key: strings.Repeat("k", 200), Kind: Slots},
		"limit":    {Key: "k", Kind: Slots, Limit: -1},
		"window":   {Key: "k", Kind: Budget},
		"per":      {Key: "k", Kind: Rate, Per: -1},
	} {
		if _, err := c.Add(r); !errors.Is(err, errResource) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Taking and putting back from many goroutines loses nothing and gives nothing twice, while renewals go on.
func TestConcurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, l := start(t, NewMemory(time.Now), Resource{Key: "s", Kind: Slots, Limit: 7})
		var inFlight, most, done atomic.Int64
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range 50 {
					for !l.TryTake(time.Now(), 1) {
						time.Sleep(time.Millisecond)
					}
					if n := inFlight.Add(1); n > most.Load() {
						most.Store(n)
					}
					time.Sleep(3 * time.Millisecond)
					inFlight.Add(-1)
					done.Add(1)
					l.Put(1)
				}
			})
		}
		wg.Wait()
		if most.Load() != 7 || done.Load() != 1000 || l.Counters().Used != 0 {
			t.Fatalf("at most %d at once, %d done: %+v", most.Load(), done.Load(), l.Counters())
		}
	})
}

func BenchmarkTryTake(b *testing.B) {
	c := New(NewMemory(time.Now), Options{})
	l, err := c.Add(Resource{Key: "s", Kind: Slots, Limit: 10})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	l.TryTake(now, 1)
	c.exchange(context.Background(), []*Lease{l}, now)
	for b.Loop() {
		if !l.TryTake(now, 1) {
			b.Fatal("refused")
		}
		l.Put(1)
	}
}
