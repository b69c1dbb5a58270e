package ratelimit

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// With a cache the bound between tenants that both wait all the time is wider by Ahead times the cost of the largest prefix, and
// by no more, however warm one of them is.
func TestAffinityBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots := rapid.IntRange(1, 3).Draw(t, "slots")
		ahead := rapid.SampledFrom([]float64{0.5, 2, 5}).Draw(t, "ahead")
		bed := newBed(nil, Config{}, PoolConfig{Limits: Limits{Concurrency: slots}, Cache: CacheConfig{Slots: slots, Ahead: ahead}})
		prefix := int64(rapid.IntRange(100, 5000).Draw(t, "prefix"))
		var served [2]float64
		var largest, longest float64
		var running []*Ticket
		n := 0
		submit := func(i int) {
			n++
			session := fmt.Sprint("s", rapid.IntRange(0, 3).Draw(t, "session"))
			x := &Ticket{Call: Call{
				Exchange: fmt.Sprint(i), Tenant: fmt.Sprint("t", i), Program: session, Session: session, Model: "m",
				Input: prefix + int64(rapid.IntRange(1, 200).Draw(t, "in")), MaxOutput: int64(rapid.IntRange(1, 100).Draw(t, "out")),
			}}
			x.Ready = func(x *Ticket, err error) { running = append(running, x) }
			if ok, _ := bed.p.Submit(x); ok {
				running = append(running, x)
			}
		}
		for range 8 {
			submit(0)
			submit(1)
		}
		var base [2]float64
		for step := range rapid.IntRange(20, 150).Draw(t, "steps") {
			k := rapid.IntRange(0, len(running)-1).Draw(t, "end")
			x := running[k]
			running = slices.Delete(running, k, k+1)
			i := int(x.Call.Exchange[0] - '0')
			u := Usage{Input: x.Call.Input, Cached: int64(x.need.Cached), Output: x.Call.MaxOutput}
			x.Settle(u)
			x.Release()
			served[i] += float64(u.Input - u.Cached + 2*u.Output)
			largest = max(largest, float64(x.Call.Input+2*x.Call.MaxOutput))
			longest = max(longest, float64(u.Input+u.Output))
			submit(i)
			got := served
			for _, y := range running {
				got[y.Call.Exchange[0]-'0'] += float64(y.charged)
			}
			if step == 0 {
				base = got
			}
			if diff := math.Abs((got[0] - base[0]) - (got[1] - base[1])); diff > 3*largest+2*ahead*longest {
				t.Fatalf("apart by %.0f: largest call %.0f, largest prefix %.0f", diff, largest, longest)
			}
		}
	})
}
