package lease

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestMaxMin(t *testing.T) {
	for _, c := range []struct {
		name             string
		capacity         float64
		demands, weights []float64
		want             []float64
		left             float64
	}{
		{"nobody", 10, nil, nil, nil, 10},
		{"enough", 10, []float64{1, 2, 3}, []float64{1, 1, 1}, []float64{1, 2, 3}, 4},
		{"equal", 9, []float64{9, 9, 9}, []float64{1, 1, 1}, []float64{3, 3, 3}, 0},
		{"small demands first", 10, []float64{100, 1, 3}, []float64{1, 1, 1}, []float64{6, 1, 3}, 0},
		{"weights", 12, []float64{100, 100, 1}, []float64{3, 1, 100}, []float64{8.25, 2.75, 1}, 0},
		{"nothing", 0, []float64{5}, []float64{1}, []float64{0}, 0},
		{"less than nothing", -3, []float64{5, -1}, []float64{1, 1}, []float64{0, 0}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := make([]float64, len(c.demands))
			left := MaxMin(c.capacity, c.demands, c.weights, out)
			for i := range out {
				if math.Abs(out[i]-c.want[i]) > 1e-9 {
					t.Fatalf("got %v, want %v", out, c.want)
				}
			}
			if math.Abs(left-c.left) > 1e-9 {
				t.Fatalf("left %v, want %v", left, c.left)
			}
		})
	}
}

// What defines weighted max-min: nobody above its demand, all used or all satisfied, and whoever is not satisfied has at least as
// much for its weight as everybody else.
func TestMaxMinProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 40).Draw(t, "n")
		demands := rapid.SliceOfN(rapid.Float64Range(0, 1e6), n, n).Draw(t, "demands")
		weights := rapid.SliceOfN(rapid.Float64Range(1e-3, 1e3), n, n).Draw(t, "weights")
		capacity := rapid.Float64Range(0, 1e7).Draw(t, "capacity")
		out := make([]float64, n)
		left := MaxMin(capacity, demands, weights, out)
		const eps = 1e-6
		given, wanted := 0.0, 0.0
		for i := range out {
			given, wanted = given+out[i], wanted+demands[i]
			if out[i] < 0 || out[i] > demands[i] {
				t.Fatalf("%d gets %v of %v", i, out[i], demands[i])
			}
			if out[i] >= demands[i]-eps {
				continue
			}
			for k := range out {
				if out[k]/weights[k] > (out[i]+eps)/weights[i]*(1+1e-9) {
					t.Fatalf("%d wants more and gets %v for its weight, %d gets %v", i, out[i]/weights[i], k, out[k]/weights[k])
				}
			}
		}
		if want := math.Min(wanted, capacity); math.Abs(given-want) > eps*(1+want) {
			t.Fatalf("%v given, want %v", given, want)
		}
		if math.Abs(left-(capacity-given)) > eps*(1+capacity) {
			t.Fatalf("%v left of %v - %v", left, capacity, given)
		}
	})
}
