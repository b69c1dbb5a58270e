package leasetest

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/trapgate/trapgate/ratelimit/lease"
)

// twins sends the same reports to the store and to lease.Memory, and compares the grants.
func twins(t *testing.T, open func(t *testing.T, now func() time.Time) Fixture) {
	clock := NewClock()
	f := open(t, clock.Now)
	twin := lease.NewMemory(clock.Now)
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]lease.Kind{lease.Rate, lease.Budget, lease.Slots}).Draw(t, "kind")
		sidecars := rapid.IntRange(1, 5).Draw(t, "sidecars")
		base := lease.Report{
			Key: unique("twins"), Kind: kind, Limit: rapid.Int64Range(0, 50_000).Draw(t, "limit"), Per: time.Minute,
			Depth: 500, Sidecars: sidecars, Delta: time.Second, TTL: 5 * time.Second, Grace: 10 * time.Second, Life: time.Hour,
		}
		seqs, gens := map[string]uint64{}, map[string][2]string{}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			clock.Advance(time.Duration(rapid.Int64Range(0, 4_000).Draw(t, "ms")) * time.Millisecond)
			if rapid.IntRange(0, 19).Draw(t, "lose") == 0 {
				f.Lose()
				twin.Forget()
			}
			r := drawReport(t, base, seqs)
			mine, other := r, r
			mine.Gen, other.Gen = gens[r.Holder][0], gens[r.Holder][1]
			got, err := f.Store.Exchange(context.Background(), []lease.Report{mine})
			if err != nil {
				t.Fatal(err)
			}
			want, err := twin.Exchange(context.Background(), []lease.Report{other})
			if err != nil {
				t.Fatal(err)
			}
			if err := alike(got[0], want[0]); err != nil {
				t.Fatalf("%v\nthe store  %+v\nthe twin   %+v\nthe report %+v", err, got[0], want[0], r)
			}
			gens[r.Holder] = [2]string{got[0].Gen, want[0].Gen}
		}
	})
}

func drawReport(t *rapid.T, base lease.Report, seqs map[string]uint64) lease.Report {
	amount := rapid.Int64Range(0, 3_000)
	r := base
	r.Holder = rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "holder")
	if rapid.IntRange(0, 9).Draw(t, "late") > 0 {
		seqs[r.Holder]++
	}
	r.Seq = max(seqs[r.Holder], 1)
	r.Held, r.Ask = amount.Draw(t, "held"), amount.Draw(t, "ask")
	if rapid.Bool().Draw(t, "needs") {
		r.Need = rapid.Int64Range(0, r.Ask).Draw(t, "need")
	}
	switch r.Kind {
	case lease.Rate:
		r.Back = amount.Draw(t, "back")
	case lease.Budget:
		r.Used, r.Known, r.Was = amount.Draw(t, "used"), amount.Draw(t, "known"), amount.Draw(t, "was")
		if r.Prior = amount.Draw(t, "prior"); rapid.Bool().Draw(t, "lasts") {
			r.Sidecar = rapid.SampledFrom([]string{"x", "y"}).Draw(t, "sidecar")
		}
		r.Alone = amount.Draw(t, "alone") * int64(rapid.IntRange(0, 1).Draw(t, "is alone"))
	case lease.Slots:
		r.Used = amount.Draw(t, "used")
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "demands") {
		r.Demands = append(r.Demands, lease.Demand{
			Tenant: fmt.Sprint("t", i), Weight: float64(rapid.IntRange(1, 8).Draw(t, "weight")) / 2, Amount: amount.Draw(t, "wants"),
		})
	}
	r.Failed = rapid.IntRange(0, 3).Draw(t, "failed") == 0
	r.Leave = rapid.IntRange(0, 19).Draw(t, "leave") == 0
	return r
}

// alike compares grants up to what the order of additions may do to the last digits.
func alike(a, b lease.Grant) error {
	near := func(x, y float64) bool { return math.Abs(x-y) <= 1e-6*(1+math.Abs(y)) }
	switch {
	case math.IsNaN(b.Share) || b.Amount < 0 || b.Retry < 0 || b.Retry > time.Minute:
		return fmt.Errorf("the twin makes no sense")
	case a.Amount != b.Amount || a.Total != b.Total:
		return fmt.Errorf("amount or total differ")
	case !near(a.Share, b.Share) || !near(float64(a.Retry), float64(b.Retry)):
		return fmt.Errorf("share or retry differ")
	case len(a.Tenants) != len(b.Tenants):
		return fmt.Errorf("tenants differ")
	}
	for i := range a.Tenants {
		if !near(a.Tenants[i], b.Tenants[i]) {
			return fmt.Errorf("part %d differs", i)
		}
	}
	return nil
}
