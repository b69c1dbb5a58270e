package main

import (
	"slices"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

// A sample is what one measurement of one side in one round gave, in microseconds.
type sample []float64

func (s *sample) add(d time.Duration) { *s = append(*s, float64(d)/1e3) }

// at is the percentile of the share q, NaN of nothing. It sorts the sample.
func (s sample) at(q float64) float64 {
	slices.Sort(s)
	return benchkit.AtRank(s, q)
}

// A series is one figure of every side, round by round: series[side][round].
type series map[string][]float64

func (s series) put(side string, v float64) { s[side] = append(s[side], v) }

// value is the median over the rounds.
func (s series) value(side string) float64 { return benchkit.Median(s[side]) }

// added is the median over the rounds of what a side has more than direct had in the same round.
func (s series) added(side string) float64 {
	var d []float64
	for i, v := range s[side] {
		if i < len(s[direct]) {
			d = append(d, v-s[direct][i])
		}
	}
	return benchkit.Median(d)
}

// ratio is the median over the rounds of a side's value by another's in the same round.
func (s series) ratio(side, by string) float64 {
	var d []float64
	for i, v := range s[side] {
		if i < len(s[by]) && s[by][i] != 0 {
			d = append(d, v/s[by][i])
		}
	}
	return benchkit.Median(d)
}
