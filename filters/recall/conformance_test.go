package recall

import (
	"testing"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/filters/filtertest"
	"github.com/trapgate/trapgate/filters/identity"
)

// remembering is a host that has identity and recall in the outer ring, wherever a scenario's own filters stand.
type remembering struct {
	filter *Filter
	first  bool // before the scenario's filters, not behind them
}

func (h remembering) Run(tb testing.TB, c filtertest.Case) filtertest.Outcome {
	tb.Helper()
	c.Fields = append(c.Fields[:len(c.Fields):len(c.Fields)], [2]string{"x-trapgate-session", "s"})
	ours := []filters.Filter{identity.New(identity.Options{}), h.filter}
	if h.first {
		c.Outer = append(ours, c.Outer...)
	} else {
		c.Outer = append(c.Outer[:len(c.Outer):len(c.Outer)], ours...)
	}
	return filtertest.Memory{}.Run(tb, c)
}

// The filter changes nothing that a host must do, with nothing to tell and with a note in every request.
func TestConformance(t *testing.T) {
	for name, first := range map[string]bool{"first": true, "last": false} {
		t.Run(name, func(t *testing.T) {
			f := New(&scripted{}, Options{})
			f.Configure(Settings{})
			filtertest.Conformance(t, remembering{f, first})
		})
	}
}

// With a note, all but what compares the request's bytes goes on as before.
func TestConformanceTelling(t *testing.T) {
	f := New(says("NOTE"), Options{})
	f.Configure(Settings{})
	for _, s := range filtertest.Scenarios() {
		if s.Name == "edits" {
			continue
		}
		for _, d := range dialects {
			for _, stream := range []bool{true, false} {
				if s.Fits(stream) {
					t.Run(s.Name+"/"+d.String(), func(t *testing.T) { s.Run(t, remembering{f, true}, d, stream) })
				}
			}
		}
	}
}
