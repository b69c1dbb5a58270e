package main

import (
	"fmt"
	"math"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

// costs are what one side's exchanges took, and how much more than the first side's, by round, in microseconds.
type costs struct {
	p50, p99, added50, added99 []float64
	inside50, inside99         []float64 // what the filter says of itself
}

// add takes a round of a side and the first side's.
func (c *costs) add(s, off *side) {
	at := benchkit.Percentile
	c.p50, c.p99 = append(c.p50, at(s.took, 0.5)), append(c.p99, at(s.took, 0.99))
	c.added50, c.added99 = append(c.added50, at(s.took, 0.5)-at(off.took, 0.5)), append(c.added99, at(s.took, 0.99)-at(off.took, 0.99))
	c.inside50, c.inside99 = append(c.inside50, at(s.inside, 0.5)), append(c.inside99, at(s.inside, 0.99))
}

// costHead begins a table of costs.
const costHead = "medians over the rounds, µs. Off again is a second gate without the section: what it adds is the machine's noise. Filter: what Server-Timing says of it.\n\n" +
	"| | p50 | p99 | added p50 | added p99 | filter p50 | filter p99 |\n| --- | --- | --- | --- | --- | --- | --- |\n"

// costs adds a side's row.
func (r *report) costs(name string, c *costs) {
	m := benchkit.Median
	r.printf("| %s | %.0f | %.0f | %+.1f | %+.1f | %s | %s |\n", name, m(c.p50), m(c.p99), m(c.added50), m(c.added99), ifAny(m(c.inside50)), ifAny(m(c.inside99)))
}

// ifAny shows a number that may not be there.
func ifAny(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return fmt.Sprintf("%.1f", v)
}
