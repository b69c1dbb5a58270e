package ratelimit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

func TestWait(t *testing.T) {
	s := New(Config{Pools: []PoolConfig{{Name: "up", Limits: Limits{Concurrency: 1}}}}, Options{})
	p := s.Pool("up")
	first := &Ticket{}
	if err := p.Wait(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error)
	go func() { errs <- p.Wait(ctx, &Ticket{}) }()
	for p.State().Queued == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if p.State().Queued != 0 {
		t.Error("its place is still taken")
	}
	go func() { errs <- p.Wait(t.Context(), &Ticket{}) }()
	for p.State().Queued == 0 {
		time.Sleep(time.Millisecond)
	}
	first.Done()
	if err := <-errs; err != nil {
		t.Fatal(err)
	}
	go func() { errs <- p.Wait(t.Context(), &Ticket{}) }()
	for p.State().Queued == 0 {
		time.Sleep(time.Millisecond)
	}
	s.Close()
	var r *Rejected
	if err := <-errs; !errors.As(err, &r) || r.Reason != Closed {
		t.Fatal(err)
	}
	if err := p.Wait(t.Context(), &Ticket{}); !errors.As(err, &r) {
		t.Fatal(err)
	}
}

// Many goroutines, most of which go away at some moment: nothing may be left, nobody goes twice, the slots hold.
func TestConcurrently(t *testing.T) {
	for _, policy := range policies {
		s := New(Config{Policy: policy, Pools: []PoolConfig{{Name: "up", Limits: Limits{Concurrency: 3}, Cache: CacheConfig{Slots: 2}}}}, Options{})
		p := s.Pool("up")
		var wg sync.WaitGroup
		var mu sync.Mutex
		running, most := 0, 0
		for g := range 16 {
			wg.Go(func() {
				for i := range 100 {
					ctx, cancel := context.WithCancel(t.Context())
					x := &Ticket{Call: Call{
						Exchange: fmt.Sprint(g, i), Tenant: fmt.Sprint(g % 3), Program: fmt.Sprint(g), Session: fmt.Sprint(g), Input: int64(i), MaxOutput: 10,
					}}
					if i%3 == 0 {
						go cancel()
					}
					if p.Wait(ctx, x) == nil {
						mu.Lock()
						running++
						most = max(most, running)
						mu.Unlock()
						x.Streamed(int64(i % 30))
						if i%5 == 0 {
							x.Abort(Usage{})
						}
						mu.Lock()
						running--
						mu.Unlock()
						go x.Settle(Usage{Input: int64(i), Output: 3})
						x.Done()
						x.Settle(Usage{})
					}
					cancel()
				}
			})
		}
		wg.Wait()
		if most > 3 {
			t.Errorf("%s: %d at once", policy, most)
		}
		st := p.State()
		if st.Queued != 0 || st.Inflight != 0 || st.Reserved != 0 {
			t.Errorf("%s: left %+v", policy, st)
		}
		checkPool(t, p)
	}
}

// A callback may call back, and one that panics takes nobody with it.
func TestCallbacks(t *testing.T) {
	bed := newBed(t, Config{}, PoolConfig{Limits: Limits{Concurrency: 1}})
	first := bed.call(Call{Exchange: "first"})
	depth, deepest, n := 0, 0, 0
	for i := range 2000 {
		x := &Ticket{Call: Call{Exchange: fmt.Sprint(i), Program: fmt.Sprint(i)}}
		x.Ready = func(x *Ticket, err error) {
			depth++
			deepest = max(deepest, depth)
			n++
			x.Done()
			depth--
		}
		if ok, err := bed.p.Submit(x); ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	first.Done()
	if n != 2000 || deepest != 1 {
		t.Errorf("%d went, %d deep", n, deepest)
	}
	hold := bed.call(Call{Exchange: "hold"})
	bad := &Ticket{Ready: func(*Ticket, error) { panic("host") }}
	if _, err := bed.p.Submit(bad); err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() { _ = recover() }()
		hold.Done()
	}()
	bad.Done()
	after := bed.call(Call{Exchange: "after"})
	waits := bed.call(Call{Exchange: "waits"})
	after.Done()
	if waits.state != granted {
		t.Error("the pool is stuck after a panic")
	}
	waits.Done()
	bed.wantEmpty()
}

func TestState(t *testing.T) {
	for _, policy := range policies {
		bed := newBed(t, Config{Tenants: []TenantConfig{{"a", 2}}}, PoolConfig{Policy: policy, Limits: Limits{Concurrency: 1, Tokens: 6000}, Cache: CacheConfig{Slots: 1}})
		bed.call(Call{Exchange: "1", Tenant: "a", Agent: "x", Program: "p", Session: "s", Input: 100})
		bed.clock.advance(time.Second)
		bed.call(Call{Exchange: "2", Tenant: "a", Agent: "x", Program: "q", Input: 100})
		bed.call(Call{Exchange: "3", Tenant: "b", Agent: "y", Program: "q", Input: 100, Class: Background})
		bed.clock.advance(time.Second)
		st := bed.s.State()
		raw, err := json.Marshal(st)
		if err != nil {
			t.Fatal(err)
		}
		p := st.Pools[0]
		if len(p.Waiting) != 2 || p.Waiting[0].Exchange != "2" || p.Waiting[0].Wait != time.Second || p.Waiting[0].Cause != ForSlot {
			t.Errorf("%s: waiting %+v", policy, p.Waiting)
		}
		if len(p.Warm) != 1 || !p.Warm[0].Busy || len(p.Buckets) != 1 || p.Attained != 100 {
			t.Errorf("%s: %s", policy, raw)
		}
		if policy == Fair || policy == Program {
			var def *ClassState
			for i := range p.Classes {
				if p.Classes[i].Name == "default" {
					def = &p.Classes[i]
				}
			}
			if def == nil || len(def.Tenants) != 1 || def.Tenants[0].Weight != 2 || len(def.Tenants[0].Agents) != 1 || len(def.Tenants[0].Programs) != 2 {
				t.Errorf("%s: %s", policy, raw)
			}
		}
	}
}

// What is remembered is bounded, however many tenants and programs come.
func TestForgets(t *testing.T) {
	t.Parallel()
	for _, policy := range policies {
		bed := newBed(t, Config{Policy: policy}, PoolConfig{Cache: CacheConfig{Slots: 2}})
		// Of each eight programs two share a tenant: their tenant goes with the later one.
		for i := range maxIdle + maxIdle/4 {
			finish(bed.call(Call{Exchange: fmt.Sprint(i), Tenant: fmt.Sprint("t", i-i%8/7), Agent: fmt.Sprint(i), Program: fmt.Sprint(i), Session: fmt.Sprint(i)}))
			bed.went = bed.went[:0]
		}
		p := bed.p
		nodes := 0
		var count func(n *node)
		count = func(n *node) {
			nodes++
			for _, c := range n.children {
				count(c)
			}
		}
		count(p.tree.root)
		if len(p.tree.programs) > maxIdle || len(p.tree.flows) > maxIdle || len(p.tree.tenants) > maxIdle || nodes > 2*maxIdle+depths || len(p.cache.warm) > maxGhosts+2 {
			t.Errorf("%s: %d programs, %d flows, %d tenants, %d nodes, %d conversations", policy, len(p.tree.programs), len(p.tree.flows), len(p.tree.tenants), nodes, len(p.cache.warm))
		}
	}
}
