package budget

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// A pot is a lender with one balance for each window of a sum.
type pot struct {
	mu   sync.Mutex
	size int64
	out  map[cell]int64 // taken and not given back
	told int64          // taken beyond what there was
}

func (p *pot) Take(k Key, start, limit, n int64, must bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := cell{k, start}
	if over := p.out[c] + n - min(p.size, limit); over > 0 {
		if !must {
			return false
		}
		p.told += min(over, n)
	}
	p.out[c] += n
	return true
}

func (p *pot) Give(k Key, start, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out[cell{k, start}] -= n
}

// Two processes share one pot: together they hold to it, and what they took is what they spent and hold.
func TestSharedBudgets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &pot{size: 500, out: map[cell]int64{}}
		c := newClock()
		cfg := config(hard(PerTenant, Tokens, 1000, Day), hard(PerAgent, Tokens, 300, Minute), hard(PerTenant, Requests, 400, Day),
			Budget{Unit: Tokens, Limit: 10, Window: Hour})
		var both [2]*Budgets
		var accounts [6]Account
		for i := range both {
			b, err := New(bg, cfg, nil, Options{Now: c.now, Lender: p})
			if err != nil {
				t.Fatal(err)
			}
			both[i] = b
		}
		for i := range accounts {
			both[i%2].Open(&accounts[i], alice, false)
		}
		used := rapid.Int64Range(0, 100)
		for range 60 {
			a := &accounts[rapid.IntRange(0, len(accounts)-1).Draw(t, "account")]
			switch rapid.IntRange(0, 4).Draw(t, "act") {
			case 0, 1:
				_, err := a.Reserve(a.attempt+1, "m", "up", tokens(used.Draw(t, "est")))
				if e := (*Exceeded)(nil); err != nil && !errors.As(err, &e) {
					t.Fatal(err)
				}
			case 2:
				a.TopUp(tokens(used.Draw(t, "so far")))
			case 3:
				a.Settle(a.attempt, tokens(used.Draw(t, "used")), Outcome(rapid.IntRange(0, 3).Draw(t, "how")))
			case 4:
				if rapid.IntRange(0, 9).Draw(t, "late") == 0 {
					c.move(60e9)
				}
			}
		}
		for i := range accounts {
			accounts[i].Close()
		}
		sum := map[cell]int64{}
		for _, b := range both {
			for _, s := range b.Snapshot() {
				if s.Held != 0 {
					t.Fatalf("%+v is held by nobody", s)
				}
				sum[cell{s.Key, s.Start}] += s.Used
			}
		}
		for k, n := range sum {
			if k.Window != Hour && n != p.out[k] {
				t.Fatalf("%+v: spent %d, taken %d", k, n, p.out[k])
			}
			if k.Unit == Tokens && k.Window == Day && n > p.size+p.told {
				t.Fatalf("%d spent of %d, %d of it without asking", n, p.size, p.told)
			}
		}
	})
}

// Many goroutines at once: the sum is exact and the limit holds.
func TestConcurrently(t *testing.T) {
	const limit, workers, rounds = 40_000, 8, 400
	var mu sync.Mutex
	var settled, refused int64
	store := newMemory()
	b := mustNew(t, config(hard(PerTenant, Tokens, limit, Month), hard(PerAgent, Tokens, limit, Month)), store, newClock(), Options{})
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(w)))
			for range rounds {
				var a Account
				b.Open(&a, alice, false)
				est := 1 + r.Int64N(30)
				if _, err := a.Reserve(1, "m", "up", tokens(est)); err != nil {
					mu.Lock()
					refused++
					mu.Unlock()
				} else {
					a.TopUp(tokens(est / 2))
					used := r.Int64N(est + 1)
					a.Settle(1, tokens(used), Done)
					mu.Lock()
					settled += used
					mu.Unlock()
				}
				a.Close()
			}
		})
	}
	for range 20 {
		b.Snapshot()
		if err := b.Swap(config(hard(PerTenant, Tokens, limit, Month), hard(PerAgent, Tokens, limit, Month))); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	used, held := spent(b, PerTenant, Tokens, Month, "")
	if used != settled || held != 0 || used > limit {
		t.Errorf("%d used and %d held, %d were settled of %d", used, held, settled, limit)
	}
	if got := store.total().Input; got != settled {
		t.Errorf("usage has %d", got)
	}
	if want := int64(limit) - 30; refused > 0 && used < want/2 {
		t.Errorf("refused %d with %d of %d used", refused, used, limit)
	}
}

func TestTenantsAreForgotten(t *testing.T) {
	c := newClock()
	b := mustNew(t, config(hard(PerTenant, Tokens, 10, Minute)), newMemory(), c, Options{})
	spend := func(tenant string) (book string) {
		var a Account
		b.Open(&a, Who{Tenant: tenant}, false)
		defer a.Close()
		if _, err := a.Reserve(1, "m", "up", tokens(1)); err == nil {
			a.Settle(1, tokens(1), Done)
		}
		return a.book.tenant
	}
	name := func(i int) string { return string([]rune{'a', rune(0x4000 + i)}) }
	for i := range maxTenants {
		spend(name(i))
	}
	if got := spend("one more"); got != otherName {
		t.Errorf("above the bound a tenant has a book of its own: %q", got)
	}
	if got := spend(name(0)); got != name(0) {
		t.Errorf("a tenant that was known: %q", got)
	}
	c.move(60e9)
	if got := spend("one more"); got != "one more" {
		t.Errorf("what is over is not forgotten: %q", got)
	}
	if n := len(b.books); n > 5 {
		t.Errorf("%d books", n)
	}
}

func fourBudgets() Config {
	return config(hard(PerTenant, Tokens, 1e15, Day), hard(PerUser, Requests, 1e15, Minute), hard(PerAgent, USD, 1e18, Month),
		Budget{Per: PerModel, Unit: Tokens, Limit: 1e15, Window: Hour})
}

func exchange(b *Budgets, a *Account) error {
	b.Open(a, alice, false)
	if _, err := a.Reserve(1, "big-1", "up", Usage{Input: 1000, Output: 600}); err != nil {
		return err
	}
	a.TopUp(Usage{Input: 1000, Output: 64})
	a.Settle(1, Usage{Input: 1000, Cached: 900, Output: 200}, Done)
	a.Close()
	return nil
}

// stale is a store that is asked once and never writes, as one that is busy: what follows is the path of a request alone.
type stale struct{ nowhere }

func (stale) Save(func(*Batch)) error { return nil }

func TestNothingIsAllocated(t *testing.T) {
	b := mustNew(t, fourBudgets(), stale{}, newClock(), Options{})
	var a Account
	if n := testing.AllocsPerRun(200, func() {
		if err := exchange(b, &a); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations in an exchange", n)
	}
}

// BenchmarkReserve is one reservation against four budgets.
func BenchmarkReserve(b *testing.B) {
	budgets, err := New(bg, fourBudgets(), stale{}, Options{})
	if err != nil {
		b.Fatal(err)
	}
	var a Account
	budgets.Open(&a, alice, false)
	b.ReportAllocs()
	for n := int64(0); b.Loop(); n++ { // each changes what is held
		if _, err := a.Reserve(1, "big-1", "up", Usage{Input: 1000, Output: 600 + n&1}); err != nil {
			b.Fatal(err)
		}
		a.running = false // as if it were settled at no cost
	}
}

// BenchmarkExchange is all of an exchange: open, reserve, top up, settle with its row of usage, close.
func BenchmarkExchange(b *testing.B) {
	for name, store := range map[string]Store{"memory": stale{}, "state": NewStore(openState(b, b.TempDir()))} {
		b.Run(name, func(b *testing.B) {
			budgets, err := New(bg, fourBudgets(), store, Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				var a Account
				for pb.Next() {
					if err := exchange(budgets, &a); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
