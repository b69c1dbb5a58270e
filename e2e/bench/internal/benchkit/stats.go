package benchkit

import (
	"math"
	"slices"
)

// Percentile returns the smallest value that at least the share q (0 to 1) of v does not exceed (the nearest rank), NaN of nothing.
func Percentile(v []float64, q float64) float64 { return AtRank(slices.Sorted(slices.Values(v)), q) }

// AtRank is Percentile of values that are sorted already.
func AtRank(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// Median of the values that are numbers, NaN of none.
func Median(v []float64) float64 {
	s := slices.DeleteFunc(slices.Clone(v), math.IsNaN)
	slices.Sort(s)
	n := len(s)
	if n == 0 {
		return math.NaN()
	}
	return (s[(n-1)/2] + s[n/2]) / 2
}

// Mean of v, NaN of nothing.
func Mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// Jain is Jain's fairness index (Jain, Chiu, Hawe 1984): 1 when all are equal, 1/n when one has everything, NaN when nobody has anything.
func Jain(v []float64) float64 {
	var sum, squares float64
	for _, x := range v {
		sum += x
		squares += x * x
	}
	return sum * sum / (float64(len(v)) * squares)
}
