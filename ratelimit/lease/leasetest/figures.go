package leasetest

import (
	"sort"
	"time"

	"github.com/trapgate/trapgate/ratelimit/lease"
)

// Worst is the most that all sidecars spent in any time of length window that lies in from..to.
func Worst(logs []Log, window, from, to time.Duration) int64 {
	all := merge(logs)
	var sum, worst int64
	first := 0
	for _, s := range all {
		if s.At < from || s.At >= to {
			continue
		}
		sum += s.Amount
		for all[first].At < from || all[first].At <= s.At-window {
			if all[first].At >= from {
				sum -= all[first].Amount
			}
			first++
		}
		worst = max(worst, sum)
	}
	return worst
}

func merge(logs []Log) []Spend {
	var all []Spend
	for _, s := range logs {
		all = append(all, s.Spends...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].At < all[j].At })
	return all
}

// Sum is what was spent in from..to.
func Sum(spends []Spend, from, to time.Duration) (n int64) {
	for _, s := range spends {
		if s.At >= from && s.At < to {
			n += s.Amount
		}
	}
	return n
}

// A Log is what one sidecar did.
type Log struct {
	Spends   []Spend `json:"spends"`
	Arrivals []Spend `json:"arrivals"`
}

// Distance is how far what tenants got in from..to is from weighted max-min of limit (units a second): the largest part by
// which one got less than it should have. What they should have is computed from what arrived, not from what anybody
// reported.
func Distance(loads [][]Load, logs []Log, limit float64, from, to time.Duration) float64 {
	index := map[string]int{}
	var wants, weights, got []float64
	sum := func(spends []Spend, load int) (n float64) {
		for _, s := range spends {
			if s.Load == load && s.At >= from && s.At < to {
				n += float64(s.Amount) / (to - from).Seconds()
			}
		}
		return n
	}
	for i, ls := range loads {
		for k, l := range ls {
			t, known := index[l.Tenant]
			if !known {
				t = len(wants)
				index[l.Tenant] = t
				wants, weights, got = append(wants, 0), append(weights, l.Weight), append(got, 0)
			}
			wants[t] += sum(logs[i].Arrivals, k)
			got[t] += sum(logs[i].Spends, k)
		}
	}
	want := make([]float64, len(wants))
	lease.MaxMin(limit, wants, weights, want)
	worst := 0.0
	for t := range want {
		if want[t] > 0 {
			worst = max(worst, 1-got[t]/want[t])
		}
	}
	return worst
}

// Four is the load of the figures: four sidecars, tenants of different weight that call through several of them, one that
// is light in the first half and heavy in the second, and twice the limit in all. limit is in units a second.
func Four(limit float64, half time.Duration) [][]Load {
	steady := func(part float64) func(time.Duration) float64 {
		return func(time.Duration) float64 { return part * limit }
	}
	late := func(at time.Duration) float64 {
		if at < half {
			return .1 * limit
		}
		return .8 * limit
	}
	return [][]Load{
		{{"a", 1, steady(.8)}},
		{{"a", 1, steady(.4)}, {"b", 2, steady(.5)}},
		{{"b", 2, steady(.5)}, {"d", 1, steady(.05)}},
		{{"c", 1, late}},
	}
}
