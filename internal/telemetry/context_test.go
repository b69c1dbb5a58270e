package telemetry

import (
	"strings"
	"testing"
)

// TestContexts: each count has its own metric, read when somebody looks.
func TestContexts(t *testing.T) {
	tel := newTest(t, Options{})
	if out := exposition(t, tel); strings.Contains(out, "trapgate_context") {
		t.Error("metrics of a piece that is off")
	}
	n := ContextCounts{
		Requests: 10, Rewritten: 9, TooLarge: 8, Failures: 7, Removed: 6, Epochs: 5, InPath: 4, Cuts: 3, Broken: 2, Learnt: 1, Observed: 12, Saving: 13,
		Volatile: 14, VolatileCost: 15, Moved: 16, Breakpoints: 17, CacheKeys: 18,
	}
	tel.Contexts(func() ContextCounts { return n })
	for range 2 { // the second look finds the same
		out := exposition(t, tel)
		for _, want := range []string{
			"# TYPE trapgate_context_requests_total counter",
			"trapgate_context_requests_total 10", "trapgate_context_rewritten_total 9", "trapgate_context_too_large_total 8",
			"trapgate_context_failures_total 7", "trapgate_context_tokens_removed_total 6", "trapgate_context_epochs_total 5",
			"trapgate_context_epochs_in_path_total 4", "trapgate_context_cuts_total 3", "trapgate_context_broken_total 2",
			"trapgate_context_windows_learnt_total 1", "trapgate_context_observed_total 12", "trapgate_context_tokens_observed_total 13",
			"trapgate_context_volatile_total 14", "trapgate_context_tokens_volatile_total 15", "trapgate_context_volatile_moved_total 16",
			"trapgate_context_breakpoints_total 17", "trapgate_context_cache_keys_total 18",
		} {
			if !strings.Contains(out, want+"\n") {
				t.Errorf("missing: %s", want)
			}
		}
	}
	n.Requests++
	if out := exposition(t, tel); !strings.Contains(out, "trapgate_context_requests_total 11\n") {
		t.Error("a count stands still")
	}
}
