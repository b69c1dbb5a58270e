//go:build !race

package schedule

import (
	"slices"
	"testing"
	"time"
)

// TestCost prints the figures that the design names; only ten times as much is a failure, since others use this machine.
func TestCost(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: -short leaves timing out")
	}
	for _, kind := range []string{"queue", "headers", "budgets"} {
		l := newLoad(t, kind, 435_000)
		took := make([]time.Duration, 20_000)
		for i := range took {
			start := time.Now()
			l.once(t)
			took[i] = time.Since(start)
		}
		slices.Sort(took)
		p50, p99 := took[len(took)/2], took[len(took)*99/100]
		t.Logf("%s: p50 %v (5 us), p99 %v (50 us)", kind, p50, p99)
		if p50 > 50*time.Microsecond || p99 > 500*time.Microsecond {
			t.Errorf("%s: p50 %v, p99 %v", kind, p50, p99)
		}
		n := testing.AllocsPerRun(100, func() { l.once(t) })
		t.Logf("%s: %v allocations", kind, n)
		if kind == "queue" && n > 4 {
			t.Errorf("%s: %v allocations for each exchange", kind, n)
		}
	}
}
