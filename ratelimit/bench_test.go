package ratelimit

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// BenchmarkFree is one call with capacity free, from Submit to Release.
func BenchmarkFree(b *testing.B) {
	for _, policy := range policies {
		b.Run(string(policy), func(b *testing.B) {
			s := New(Config{Policy: policy}, Options{})
			p := s.Pool("up")
			p.SetLimits(configured, Limits{Concurrency: 8, Requests: 1e9, Tokens: 1e12})
			b.ReportAllocs()
			for b.Loop() {
				t := &Ticket{Call: Call{
					Exchange: "x", Tenant: "team", Agent: "coder", Program: "p-1", Session: "s-1", Model: "m",
					Input: 1000, MaxOutput: 500, Timeout: time.Minute,
				}}
				if ok, err := p.Submit(t); !ok {
					b.Fatal(err)
				}
				t.Settle(Usage{Input: 1000, Output: 300})
				t.Release()
			}
		})
	}
}

// BenchmarkGrant is Submit alone, with capacity free: what a call waits for.
func BenchmarkGrant(b *testing.B) {
	s := New(Config{}, Options{})
	p := s.Pool("up")
	p.SetLimits(configured, Limits{Concurrency: 1 << 30, Requests: 1e12, Tokens: 1e15})
	var took []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		t := &Ticket{Call: Call{
			Exchange: "x", Tenant: "team", Agent: "coder", Program: "p-1", Session: "s-1", Model: "m", Input: 1000, MaxOutput: 500,
		}}
		at := time.Now()
		ok, err := p.Submit(t)
		d := time.Since(at)
		if !ok {
			b.Fatal(err)
		}
		if len(took) < 1<<20 {
			took = append(took, d)
		}
		t.Done()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
	b.ReportMetric(float64(took[len(took)*99/100]), "p99-ns")
}

// crowd queues n calls of n programs of 100 tenants behind one that runs.
func crowd(tb testing.TB, policy Policy, n int) (p *Pool, first *Ticket, all []*Ticket) {
	s := New(Config{Policy: policy, Queue: QueueConfig{Calls: -1, TenantCalls: -1}}, Options{})
	p = s.Pool("up")
	p.SetLimits(configured, Limits{Concurrency: 1, Requests: 1e9, Tokens: 1e12})
	all = make([]*Ticket, 0, n)
	for i := range n + 1 {
		t := &Ticket{Call: Call{
			Exchange: "x", Tenant: fmt.Sprint("t", i%100), Agent: "a", Program: fmt.Sprint("p", i), Model: "m",
			Input: int64(100 + i%977), MaxOutput: 500, Timeout: time.Hour,
		}}
		t.Ready = func(*Ticket, error) {}
		ok, err := p.Submit(t)
		if err != nil || ok != (i == 0) {
			tb.Fatal(ok, err)
		}
		if i == 0 {
			first = t
		} else {
			all = append(all, t)
		}
	}
	return p, first, all
}

// TestDispatchMany prints, for 10,000 flows, what one dispatch and one cancel take, and how fast the queue drains: half of it is
// dispatched, the other half cancelled.
func TestDispatchMany(t *testing.T) {
	const n, half = 10_000, 5_000
	for _, policy := range policies {
		_, running, all := crowd(t, policy, n)
		var next *Ticket
		for _, x := range all {
			x.Ready = func(x *Ticket, err error) { next = x }
		}
		var took, cancels []time.Duration
		began := time.Now()
		for range half {
			at := time.Now()
			running.Settle(Usage{Input: running.Call.Input, Output: 200})
			next = nil
			running.Release() // dispatches the next one before it returns
			took = append(took, time.Since(at))
			if next == nil {
				t.Fatal("nobody went")
			}
			running = next
		}
		rate := half / time.Since(began).Seconds()
		for i := range all {
			at := time.Now()
			if all[(i*7919)%n].Cancel() {
				cancels = append(cancels, time.Since(at))
			}
		}
		running.Done()
		if len(cancels) != half {
			t.Fatalf("%d cancelled of %d", len(cancels), half)
		}
		slices.Sort(took)
		slices.Sort(cancels)
		t.Logf("%-8s settle + release + dispatch p50 %v p99 %v (target 50us), drain %.0f/s (target 100k); cancel p50 %v p99 %v max %v (target 1ms)",
			policy, took[half/2], took[half*99/100], rate, cancels[half/2], cancels[half*99/100], cancels[half-1])
	}
}
