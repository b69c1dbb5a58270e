package tokens

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

const (
	up    = "upstream"
	model = "model"
)

func near(t *testing.T, c *Calibration, want, within float64) {
	t.Helper()
	if got := c.Factor(up, model); math.Abs(got-want) > within {
		t.Errorf("factor %.4f, want %.4f", got, want)
	}
}

func TestCalibration(t *testing.T) {
	var c Calibration
	near(t, &c, 1, 0)
	c.Used(up, model, 10_000, 13_000)
	near(t, &c, 1.24, 0.001) // (0.25 x 1 + 1 x 1.3) / 1.25: the first answer nearly decides
	for range 50 {
		c.Used(up, model, 10_000, 13_000)
	}
	near(t, &c, 1.3, 0.002)
	if c.Factor("another", model) != 1 || c.Factor(up, "another") != 1 {
		t.Error("learnt for others too")
	}
	for range 50 {
		c.Used(up, model, 10_000, 20_000)
	}
	near(t, &c, 2, 0.02) // it follows
}

func TestCalibrationNeverGoesFarBelowExactCounts(t *testing.T) {
	var c Calibration
	for range 100 {
		c.Used(up, model, 10_000, 6_000)
	}
	near(t, &c, 0.95, 1e-9) // no exact count yet: the estimate is taken for it
	for range 100 {
		c.Exact(up, model, 10_000, 11_000)
	}
	near(t, &c, 0.95*1.1, 0.002)
	for range 100 {
		c.Exact(up, model, 10_000, 7_000)
	}
	near(t, &c, 0.95*0.7, 0.01)
}

func TestCalibrationByExactCountsAlone(t *testing.T) {
	var c Calibration
	for range 50 {
		c.Exact(up, model, 10_000, 10_500)
	}
	near(t, &c, 1.05, 0.001)
}

func TestCalibrationOutliers(t *testing.T) {
	var c Calibration
	for range 20 {
		c.Used(up, model, 10_000, 11_000)
	}
	c.Used(up, model, 10_000, 900_000) // images, say
	near(t, &c, 1.155, 0.001)          // a tenth of the way to 1.5 times the mean
	for range 20 {
		c.Used(up, model, 10_000, 11_000)
	}
	before := c.Factor(up, model)
	c.Used(up, model, 20, 90) // a template around nothing
	if got := c.Factor(up, model); got-before > 0.001 {
		t.Errorf("a request of 20 tokens moved the factor from %.4f to %.4f", before, got)
	}
	c.Used(up, model, 0, 90)
	c.Used(up, model, 90, 0)
	c.Used(up, model, -1, -1)
	if got := c.Factor(up, model); math.Abs(got-before) > 0.001 {
		t.Errorf("measurements that say nothing moved the factor to %.4f", got)
	}
}

func TestCalibrationProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Calibration
		least, most := math.Inf(1), math.Inf(-1)
		for range rapid.IntRange(1, 60).Draw(t, "n") {
			estimated, counted := rapid.IntRange(-5, 300_000).Draw(t, "estimated"), rapid.IntRange(-5, 900_000).Draw(t, "counted")
			exact := rapid.Bool().Draw(t, "exact")
			if exact {
				c.Exact(up, model, estimated, counted)
			} else {
				c.Used(up, model, estimated, counted)
			}
			if estimated > 0 && counted > 0 {
				r := float64(counted) / float64(estimated)
				least, most = min(least, r), max(most, r)
			}
		}
		f := c.Factor(up, model)
		if f < leastFactor || f > mostFactor || math.IsNaN(f) {
			t.Fatalf("factor %v", f)
		}
		if f > max(1, most)+1e-9 || f < exactFloor*min(1, max(least, leastFactor))-1e-9 {
			t.Fatalf("factor %v outside what was measured: %v to %v", f, least, most)
		}
		ratios := c.ratios.get(place{up, model})
		if ratios != nil && ratios.exact.weight > 0 && f < min(exactFloor*ratios.exact.value, mostFactor)-1e-9 {
			t.Fatalf("factor %v, exact counts say %v", f, ratios.exact.value)
		}
	})
}

func BenchmarkCalibrationFactor(b *testing.B) {
	var c Calibration
	for _, m := range []string{"a", "b", model} {
		c.Used(up, m, 10_000, 11_000)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if c.Factor(up, model) == 1 {
				b.Error("nothing learnt")
			}
		}
	})
}
