package main

import (
	"cmp"
	"slices"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

// worstWindow is the most that lies in any time of the given length within from..to.
func worstWindow(uses []benchkit.Point, length, from, to float64) float64 {
	in := slices.DeleteFunc(slices.Clone(uses), func(u benchkit.Point) bool { return u.At < from || u.At >= to })
	slices.SortFunc(in, func(a, b benchkit.Point) int { return cmp.Compare(a.At, b.At) })
	sum, worst, first := 0.0, 0.0, 0
	for _, u := range in {
		sum += u.Value
		for in[first].At <= u.At-length {
			sum -= in[first].Value
			first++
		}
		worst = max(worst, sum)
	}
	return worst
}

// total is what lies in from..to.
func total(uses []benchkit.Point, from, to float64) (sum float64) {
	for _, u := range uses {
		if u.At >= from && u.At < to {
			sum += u.Value
		}
	}
	return sum
}
