package limit

import (
	"math"
	"math/rand/v2"
	"sort"
	"testing"

	"pgregory.net/rapid"
)

func TestEstimatorCold(t *testing.T) {
	e := NewEstimator(EstimatorOptions{})
	for _, tt := range []struct {
		limit, seen int
		want        float64
	}{{0, 0, 600}, {4096, 0, 600}, {100, 0, 100}, {0, 1000, 1000}, {500, 450, 500}} {
		if got := e.Revise(Key{"t", "m", "a"}, tt.limit, tt.seen, P80); got != tt.want {
			t.Errorf("max_tokens %d, seen %d: %v, want %v", tt.limit, tt.seen, got, tt.want)
		}
	}
	near(t, "input of 4,000 bytes", e.Input("m", 4000), 1000, 0)
}

// Whatever the lengths are, the mean and the percentiles come near those of the sample.
func TestEstimatorConverges(t *testing.T) {
	for _, spread := range []float64{0.3, 1, 1.5} {
		e := NewEstimator(EstimatorOptions{HalfLife: 1000})
		k := Key{"t", "m", "a"}
		r := rand.New(rand.NewPCG(1, uint64(spread*10)))
		var all []float64
		for range 4000 {
			v := math.Ceil(math.Min(1e5, math.Exp(5+spread*r.NormFloat64())))
			all = append(all, v)
			e.Observe(k, int(v))
		}
		all = all[len(all)-2000:]
		sum := 0.0
		for _, v := range all {
			sum += v
		}
		sort.Float64s(all)
		mean := sum / float64(len(all))
		p80, p95 := all[len(all)*8/10], all[len(all)*95/100]
		near(t, "mean", e.Output(k, 0, Mean), mean, 0.15*mean)
		near(t, "p80", e.Output(k, 0, P80), p80, 0.12*p80)
		near(t, "p95", e.Output(k, 0, P95), p95, 0.15*p95)
		// Of those above the 80th percentile.
		tail := 0.0
		for _, v := range all[len(all)*8/10:] {
			tail += v / float64(len(all)/5)
		}
		near(t, "mean of what is longer", e.Revise(k, 0, int(p80), Mean), tail, 0.2*tail)
	}
}

func TestEstimatorBacksOff(t *testing.T) {
	e := NewEstimator(EstimatorOptions{HalfLife: 50})
	for range 200 {
		e.Observe(Key{"t", "m", "short"}, 20)
		e.Observe(Key{"t", "m", "long"}, 2000)
	}
	near(t, "short", e.Output(Key{"t", "m", "short"}, 0, P80), 20, 5)
	near(t, "long", e.Output(Key{"t", "m", "long"}, 0, Mean), 2000, 250)
	// A new agent is taken for its neighbours until it has shown itself.
	k := Key{"t", "m", "new"}
	near(t, "new", e.Output(k, 0, Mean), 1010, 150)
	for range 4 {
		e.Observe(k, 20)
	}
	some := e.Output(k, 0, Mean)
	for range 60 {
		e.Observe(k, 20)
	}
	if many := e.Output(k, 0, Mean); !(some < 900 && many < 250 && many < some) {
		t.Errorf("with 4 samples %v, with 64 %v", some, many)
	}
	// Lengths that change are followed.
	for range 200 {
		e.Observe(Key{"t", "m", "short"}, 500)
	}
	near(t, "short, now longer", e.Output(Key{"t", "m", "short"}, 0, P80), 500, 100)
}

func TestEstimatorForgetsTheLeastUsed(t *testing.T) {
	e := NewEstimator(EstimatorOptions{Keys: 30})
	for i := range 1000 {
		e.Observe(Key{"t", "m", string(rune('a' + i))}, 10)
		e.ObserveInput(string(rune('a'+i)), 100, 25)
	}
	if e.hists.Len() > 30 || e.ratios.Len() > 30 {
		t.Errorf("%d and %d keys of 30", e.hists.Len(), e.ratios.Len())
	}
}

func TestEstimatorInput(t *testing.T) {
	e := NewEstimator(EstimatorOptions{})
	for range 200 {
		e.ObserveInput("m", 10_000, 3_300)
		e.ObserveInput("m", 1_000_000, 300) // an image
		e.ObserveInput("m", 10, 3_000)
		e.ObserveInput("m", -1, 5)
	}
	near(t, "input", e.Input("m", 1000), 330, 1)
	near(t, "of another model", e.Input("n", 1000), 250, 0)
	near(t, "of less than nothing", e.Input("m", -5), 0, 0)
}

// Estimates are always numbers within max_tokens, ordered by what was wanted.
func TestEstimatorHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := NewEstimator(EstimatorOptions{Keys: 4, HalfLife: rapid.Float64Range(1, 200).Draw(t, "half life")})
		key := func() Key {
			s := rapid.SampledFrom([]string{"", "a", "b"})
			return Key{s.Draw(t, "tenant"), s.Draw(t, "model"), s.Draw(t, "agent")}
		}
		for range rapid.IntRange(0, 300).Draw(t, "n") {
			e.Observe(key(), rapid.IntRange(-1, 1<<30).Draw(t, "output"))
		}
		k, limit := key(), rapid.IntRange(0, 1<<20).Draw(t, "max_tokens")
		seen := rapid.IntRange(0, 1<<20).Draw(t, "seen")
		p80, p95 := e.Revise(k, limit, seen, P80), e.Revise(k, limit, seen, P95)
		for _, v := range []float64{p80, p95, e.Revise(k, limit, seen, Mean)} {
			if math.IsNaN(v) || math.IsInf(v, 0) || v < 1 && limit != 0 || limit > 0 && v > float64(limit) {
				t.Fatalf("estimate %v of at most %d", v, limit)
			}
		}
		if p95 < p80*(1-1e-9) {
			t.Fatalf("p95 %v is below p80 %v", p95, p80)
		}
	})
}

func BenchmarkOutput(b *testing.B) {
	e := NewEstimator(EstimatorOptions{})
	k := Key{"t", "m", "a"}
	b.ReportAllocs()
	for b.Loop() {
		e.Observe(k, 100)
		e.Output(k, 4096, P80)
	}
}
