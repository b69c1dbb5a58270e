package telemetry

import (
	"fmt"
	"strings"
	"testing"
)

// TestLeases: what is leased is shown as it is now, and pools from outside fill no label.
func TestLeases(t *testing.T) {
	tel := newTest(t, Options{})
	if out := exposition(t, tel); strings.Contains(out, "trapgate_lease") {
		t.Error("leases without a scheduler")
	}
	list := []LeaseState{{Limit: "budget", Held: -5, Spent: 70, Wasted: 8, Denied: 3, Fallback: 20, Away: true}}
	for i := range 300 {
		list = append(list, LeaseState{Pool: fmt.Sprint("pool-", i), Limit: "tokens", Held: 2, Denied: 1})
	}
	tel.Leases(func() []LeaseState { return list })
	beyond := 300 - maxQueuePools
	for range 2 { // the second look finds the same
		out := exposition(t, tel)
		for _, want := range []string{
			"# TYPE trapgate_lease_held gauge",
			"# TYPE trapgate_lease_denied_total counter",
			`trapgate_lease_held{trapgate_limit="budget",trapgate_pool=""} -5`,
			`trapgate_lease_spent{trapgate_limit="budget",trapgate_pool=""} 70`,
			`trapgate_lease_wasted_total{trapgate_limit="budget",trapgate_pool=""} 8`,
			`trapgate_lease_denied_total{trapgate_limit="budget",trapgate_pool=""} 3`,
			`trapgate_lease_fallback_total{trapgate_limit="budget",trapgate_pool=""} 20`,
			`trapgate_lease_away{trapgate_limit="budget",trapgate_pool=""} 1`,
			`trapgate_lease_held{trapgate_limit="tokens",trapgate_pool="pool-0"} 2`,
			`trapgate_lease_away{trapgate_limit="tokens",trapgate_pool="pool-0"} 0`,
			fmt.Sprintf(`trapgate_lease_held{trapgate_limit="tokens",trapgate_pool="other"} %d`, 2*beyond),
			fmt.Sprintf(`trapgate_lease_denied_total{trapgate_limit="tokens",trapgate_pool="other"} %d`, beyond),
		} {
			if !strings.Contains(out, want+"\n") {
				t.Errorf("missing: %s", want)
			}
		}
	}
	list = nil
	if out := exposition(t, tel); strings.Contains(out, "trapgate_lease_held{") {
		t.Error("a lease that is gone is shown")
	}
}
