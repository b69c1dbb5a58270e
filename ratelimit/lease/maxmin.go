package lease

import "sort"

// MaxMin divides capacity by weighted max-min fairness (water filling; Bertsekas and Gallager, Data Networks, 6.5.2):
// nobody gets more than its demand, and whoever gets less has at least as much for its weight as anybody else. It writes
// the parts to out, which is as long as demands and weights, and returns what is left when all demands are met. Weights are
// above 0; a demand below 0 counts as 0.
func MaxMin(capacity float64, demands, weights, out []float64) (left float64) {
	order := make([]int, len(demands))
	sum := 0.0
	for i := range order {
		order[i] = i
		sum += weights[i]
	}
	sort.SliceStable(order, func(a, b int) bool {
		i, j := order[a], order[b]
		return demands[i]*weights[j] < demands[j]*weights[i]
	})
	left = max(capacity, 0)
	for _, i := range order {
		d := max(demands[i], 0)
		if fair := left * weights[i] / sum; d > fair {
			d = fair
		}
		out[i] = d
		left = max(left-d, 0)
		sum -= weights[i]
	}
	return left
}
