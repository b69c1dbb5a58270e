package lease

import (
	"context"
	"errors"
	"net"
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

// The other side of a Remote hangs, ends and comes back.
func TestRemoteFailures(t *testing.T) {
	m := NewMemory(time.Now)
	var mode atomic.Pointer[string]
	set := func(s string) { mode.Store(&s) }
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	dial := func(context.Context) (net.Conn, error) {
		near, far := net.Pipe()
		switch *mode.Load() {
		case "gone":
			return nil, errors.New("gone")
		case "hangs":
			wg.Go(func() {
				<-ctx.Done()
				_ = far.Close()
			})
		case "talks nonsense":
			wg.Go(func() {
				_, _ = far.Read(make([]byte, 10_000))
				_, _ = far.Write([]byte("hello\n"))
				_ = far.Close()
			})
		case "serves":
			wg.Go(func() { _ = ServeConn(ctx, far, m) })
		}
		return near, nil
	}
	r := NewRemote(dial)
	defer wg.Wait()
	defer cancel()
	seq := uint64(0)
	exchange := func() ([]Grant, error) {
		seq++
		short, done := context.WithTimeout(context.Background(), 30*time.Millisecond)
		defer done()
		return r.Exchange(short, []Report{{
			Key: "s", Kind: Slots, Limit: 9, Sidecars: 1, Delta: time.Second, TTL: time.Second, Life: time.Hour, Holder: "h", Seq: seq,
			Demands: []Demand{{Weight: 1, Amount: 9}},
		}})
	}
	for _, s := range []string{"gone", "hangs", "talks nonsense"} {
		set(s)
		if _, err := exchange(); !errors.Is(err, ErrStore) {
			t.Errorf("%s: %v", s, err)
		}
		set("serves")
		if g, err := exchange(); err != nil || g[0].Amount != 9 {
			t.Errorf("after it %s: %v, %v", s, g, err)
		}
		r.conn.Close() // as if the other side had ended
		if _, err := exchange(); !errors.Is(err, ErrStore) {
			t.Errorf("on a dead connection: %v", err)
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := exchange(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
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
