package main

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// Colours that people with any kind of colour vision tell apart.
var colours = []string{"#777777", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#0072b2"}

// A series is one line of a plot.
type series struct {
	name   string
	points []point
}

// plots draws the waits over time of the first seed, one picture for a scenario.
func (r *results) plots(o *options) map[string]string {
	pics := map[string]string{}
	if r.s1 != nil {
		pics["s1.svg"] = waitsPlot("S1: waits of light tenants", pick([]side{sideFIFO, sideRobin, sideStream, sideLight, sideOurs}, r.s1, func(x s1Result) []point { return x.waits }))
	}
	for _, rate := range o.rates {
		if r.s2[rate] != nil {
			name := fmt.Sprintf("s2-%03.0f.svg", rate*100)
			pics[name] = waitsPlot(fmt.Sprintf("S2 at %.2f programs a second: waits of calls", rate),
				pick([]side{sideFIFO, sideLAS, sideFirst, sideOracle, sideOurs}, r.s2[rate], func(x s2Result) []point { return x.waits }))
		}
	}
	if m := r.s3[s3Limits[0].tpm]; m != nil {
		var sides []side
		for _, s := range s3Sides {
			sides = append(sides, side{name: s.name})
		}
		pics["s3.svg"] = waitsPlot("S3 at 100,000 tokens a minute: waits", pick(sides, m, func(x s3Result) []point { return x.waits }))
	}
	if r.hog != nil {
		pics["hog.svg"] = waitsPlot("Hog test: waits of light tenants", pick([]side{sideFIFO, sideRobin, sideSettle, sideLight, sideOurs}, r.hog, func(x hogResult) []point { return x.points }))
	}
	return pics
}

// pick takes the first seed of some sides.
func pick[T any](sides []side, runs map[string][]T, points func(T) []point) []series {
	var all []series
	for _, s := range sides {
		if x := runs[s.name]; len(x) > 0 {
			all = append(all, series{strings.Trim(s.name, "*"), points(x[0])})
		}
	}
	return all
}

const (
	plotLeft, plotTop, plotWide, plotHigh = 60.0, 66.0, 780.0, 300.0
	plotBins                              = 60
	plotLeast                             = 0.01 // seconds: the axis is logarithmic
)

// waitsPlot draws the 90th percentile of the waits of what arrived in each sixtieth of the run.
func waitsPlot(title string, all []series) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 430" width="900" height="430" font-family="system-ui, sans-serif" font-size="12">`+"\n")
	b.WriteString(`<rect width="900" height="430" fill="#ffffff"/>` + "\n")
	label(&b, 16, 24, "start", 15, title)
	end, most := 0.0, plotLeast*10
	for _, s := range all {
		for _, p := range s.points {
			end, most = max(end, p.at), max(most, p.wait)
		}
	}
	top := math.Ceil(math.Log10(most))
	span := top - math.Log10(plotLeast)
	y := func(wait float64) float64 {
		return plotTop + plotHigh*(top-math.Log10(max(wait, plotLeast)))/span
	}
	for e := math.Log10(plotLeast); e <= top; e++ {
		at := y(math.Pow(10, e))
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#dddddd"/>`+"\n", plotLeft, at, plotLeft+plotWide, at)
		label(&b, plotLeft-6, at+4, "end", 11, fmt.Sprintf("%g", math.Pow(10, e)))
	}
	for i := range 7 {
		label(&b, plotLeft+plotWide*float64(i)/6, plotTop+plotHigh+18, "middle", 11, fmt.Sprintf("%.0f", end*float64(i)/6))
	}
	label(&b, plotLeft+plotWide/2, plotTop+plotHigh+40, "middle", 12, "arrival, s; wait, s: nine of ten waited less (logarithmic)")
	x := 16.0
	for i, s := range all {
		colour := colours[i%len(colours)]
		if i == len(all)-1 {
			colour = colours[len(colours)-1] // ours has one colour everywhere
		}
		fmt.Fprintf(&b, `<rect x="%.1f" y="36" width="10" height="10" fill="%s"/>`+"\n", x, colour)
		label(&b, x+15, 45, "start", 12, s.name)
		x += 30 + 7*float64(len(s.name))
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", path(s.points, end, y), colour)
	}
	return b.String() + "</svg>\n"
}

func path(points []point, end float64, y func(float64) float64) string {
	bins := make([][]float64, plotBins)
	for _, p := range points {
		i := min(plotBins-1, int(p.at/end*plotBins))
		bins[i] = append(bins[i], p.wait)
	}
	var parts []string
	for i, waits := range bins {
		if len(waits) > 0 {
			slices.Sort(waits)
			parts = append(parts, fmt.Sprintf("%.1f,%.1f", plotLeft+plotWide*(float64(i)+0.5)/plotBins, y(percentile(waits, 0.9))))
		}
	}
	return strings.Join(parts, " ")
}

func label(b *strings.Builder, x, y float64, anchor string, size int, s string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d" fill="#333333">%s</text>`+"\n", x, y, anchor, size, html.EscapeString(s))
}
