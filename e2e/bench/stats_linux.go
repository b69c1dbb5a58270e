package main

import (
	"math"
	"slices"
	"time"
)

// A sample is what one measurement of one side in one round gave, in microseconds.
type sample []float64

func (s *sample) add(d time.Duration) { *s = append(*s, float64(d)/1e3) }

// at returns the value below which the share q of the sample lies, NaN of nothing. It sorts the sample.
func (s sample) at(q float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	slices.Sort(s)
	return s[min(len(s)-1, int(q*float64(len(s))))]
}

// median of the values that are numbers.
func median(v []float64) float64 {
	s := slices.DeleteFunc(slices.Clone(v), math.IsNaN)
	if len(s) == 0 {
		return math.NaN()
	}
	slices.Sort(s)
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// A series is one figure of every side, round by round: series[side][round].
type series map[string][]float64

func (s series) put(side string, v float64) { s[side] = append(s[side], v) }

// value is the median over the rounds.
func (s series) value(side string) float64 { return median(s[side]) }

// added is the median over the rounds of what a side has more than direct had in the same round.
func (s series) added(side string) float64 {
	var d []float64
	for i, v := range s[side] {
		if i < len(s[direct]) {
			d = append(d, v-s[direct][i])
		}
	}
	return median(d)
}

// ratio is the median over the rounds of a side's value by another's in the same round.
func (s series) ratio(side, by string) float64 {
	var d []float64
	for i, v := range s[side] {
		if i < len(s[by]) && s[by][i] != 0 {
			d = append(d, v/s[by][i])
		}
	}
	return median(d)
}
