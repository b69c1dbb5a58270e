package schedule

import (
	"testing"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/filters/filtertest"
	"github.com/trapgate/trapgate/internal/wire"
)

// scheduled is a host that has the filter in both rings, wherever a scenario's own filters stand.
type scheduled struct {
	b     *bench
	first bool // before the scenario's filters, not behind them
}

func (h scheduled) Run(tb testing.TB, c filtertest.Case) filtertest.Outcome {
	if h.first {
		c.Outer, c.Inner = append([]filters.Filter{h.b.f.Outer()}, c.Outer...), append([]filters.Filter{h.b.f}, c.Inner...)
	} else {
		c.Outer, c.Inner = append(c.Outer[:len(c.Outer):len(c.Outer)], h.b.f.Outer()), append(c.Inner[:len(c.Inner):len(c.Inner)], h.b.f)
	}
	out := filtertest.Memory{}.Run(tb, c)
	h.b.TB = tb
	h.b.idle()
	return out
}

// The filter changes nothing that a host must do, and is left with nothing after each scenario.
func TestConformance(t *testing.T) {
	for name, first := range map[string]bool{"first": true, "last": false} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, oneSlot())
			b.f.plain.add(plainKey{"memory", "test-model"}) // asking for usage is an edit, which TestConformanceAsking has
			filtertest.Conformance(t, scheduled{b, first})
		})
	}
}

// With usage asked for, everything that does not count requests and their bytes goes on as before.
func TestConformanceAsking(t *testing.T) {
	sent := map[string]bool{ // these look at the request, or at how many there were after an answer of 400
		"edits": true, "error answer": true, "error answer to a hidden call": true, "error answer after a turn that was shown": true,
		"plain attempt": true, "plain attempt that is refused too": true, "error answer behind comments": true,
		// and here bytes of an event that was cut off pass one who only looks
		"upstream cut, nobody looks": true,
	}
	for _, s := range filtertest.Scenarios() {
		if sent[s.Name] || !s.Fits(true) {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			s.Run(t, scheduled{newBench(t, oneSlot()), false}, wire.Chat, true)
		})
	}
}
