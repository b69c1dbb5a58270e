package main

import (
	"fmt"
	"strings"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

// plots draws the waits over time of the first seed, one picture for a scenario.
func (r *results) plots(o *options) map[string]string {
	pics := map[string]string{}
	if r.s1 != nil {
		pics["s1.svg"] = benchkit.WaitsPlot("S1: waits of light tenants", pick([]side{sideFIFO, sideRobin, sideStream, sideLight, sideOurs}, r.s1, func(x s1Result) []benchkit.Point { return x.waits }))
	}
	for _, rate := range o.rates {
		if r.s2[rate] != nil {
			name := fmt.Sprintf("s2-%03.0f.svg", rate*100)
			pics[name] = benchkit.WaitsPlot(fmt.Sprintf("S2 at %.2f programs a second: waits of calls", rate),
				pick([]side{sideFIFO, sideLAS, sideFirst, sideOracle, sideOurs}, r.s2[rate], func(x s2Result) []benchkit.Point { return x.waits }))
		}
	}
	if m := r.s3[s3Limits[0].tpm]; m != nil {
		var sides []side
		for _, s := range s3Sides {
			sides = append(sides, side{name: s.name})
		}
		pics["s3.svg"] = benchkit.WaitsPlot("S3 at 100,000 tokens a minute: waits", pick(sides, m, func(x s3Result) []benchkit.Point { return x.waits }))
	}
	if r.hog != nil {
		pics["hog.svg"] = benchkit.WaitsPlot("Hog test: waits of light tenants", pick([]side{sideFIFO, sideRobin, sideSettle, sideLight, sideOurs}, r.hog, func(x hogResult) []benchkit.Point { return x.points }))
	}
	return pics
}

// pick takes the first seed of some sides.
func pick[T any](sides []side, runs map[string][]T, points func(T) []benchkit.Point) []benchkit.Series {
	var all []benchkit.Series
	for _, s := range sides {
		if x := runs[s.name]; len(x) > 0 {
			all = append(all, benchkit.Series{Name: strings.Trim(s.name, "*"), Points: points(x[0])})
		}
	}
	return all
}
