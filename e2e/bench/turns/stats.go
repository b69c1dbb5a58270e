package main

import (
	"math"
	"slices"
)

// percentile returns the value below which the share q of v lies, NaN of nothing.
func percentile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(v))
	return s[min(len(s)-1, int(q*float64(len(s))))]
}

// median of the values that are numbers.
func median(v []float64) float64 {
	s := slices.DeleteFunc(slices.Clone(v), math.IsNaN)
	slices.Sort(s)
	n := len(s)
	if n == 0 {
		return math.NaN()
	}
	return (s[(n-1)/2] + s[n/2]) / 2
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// jain is Jain's fairness index: 1 when all are equal, 1/n when one has everything.
func jain(v []float64) float64 {
	var sum, squares float64
	for _, x := range v {
		sum += x
		squares += x * x
	}
	if squares == 0 {
		return math.NaN()
	}
	return sum * sum / (float64(len(v)) * squares)
}

// A use is an amount at a time, in seconds.
type use struct{ at, n float64 }

// worstWindow is the most that lies in any time of the given length within from..to.
func worstWindow(uses []use, length, from, to float64) float64 {
	in := slices.DeleteFunc(slices.Clone(uses), func(u use) bool { return u.at < from || u.at >= to })
	slices.SortFunc(in, func(a, b use) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	sum, worst, first := 0.0, 0.0, 0
	for _, u := range in {
		sum += u.n
		for in[first].at <= u.at-length {
			sum -= in[first].n
			first++
		}
		worst = max(worst, sum)
	}
	return worst
}

// total is what lies in from..to.
func total(uses []use, from, to float64) (sum float64) {
	for _, u := range uses {
		if u.at >= from && u.at < to {
			sum += u.n
		}
	}
	return sum
}
