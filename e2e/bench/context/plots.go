package main

import (
	"fmt"
	"math"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

// Colours that people with any kind of colour vision tell apart; the last one is ours.
var lineColours = []string{"#777777", "#e69f00", "#009e73", "#0072b2"}

// A line is one side's value at each call.
type line struct {
	name   string
	values []float64
}

const plotLeft, plotTop, plotWide, plotHigh = 70.0, 66.0, 780.0, 300.0

// callsPlot draws values over calls, from 0 to top. Marks are levels with a name.
func callsPlot(title, axis string, top float64, label func(float64) string, marks map[string]float64, lines []line) string {
	c := benchkit.NewCanvas(900, 430, title)
	names := make([]string, len(lines))
	calls := 1
	for i, l := range lines {
		names[i], calls = l.name, max(calls, len(l.values))
	}
	colour := func(i int) string { return lineColours[min(i+len(lineColours)-len(lines), len(lineColours)-1)] }
	c.Legend(names, colour)
	x := func(i int) float64 { return plotLeft + plotWide*float64(i)/float64(max(calls-1, 1)) }
	y := func(v float64) float64 { return plotTop + plotHigh*(1-math.Min(v, top)/top) }
	for i := range 6 {
		v := top * float64(i) / 5
		c.Line(plotLeft, y(v), plotLeft+plotWide, y(v), "#dddddd", 1)
		c.Text(plotLeft-6, y(v)+4, "end", 11, "#333333", label(v))
		at := (calls - 1) * i / 5
		c.Text(x(at), plotTop+plotHigh+18, "middle", 11, "#333333", fmt.Sprint(at+1))
	}
	for name, v := range marks {
		c.Line(plotLeft, y(v), plotLeft+plotWide, y(v), "#aa3377", 1)
		c.Text(plotLeft+plotWide, y(v)-4, "end", 11, "#aa3377", name)
	}
	for i, l := range lines {
		path := make([][2]float64, len(l.values))
		for k, v := range l.values {
			path[k] = [2]float64{x(k), y(v)}
		}
		c.Path(path, colour(i))
	}
	c.Text(plotLeft+plotWide/2, plotTop+plotHigh+40, "middle", 12, "#333333", axis)
	return c.Done()
}

// replayPlots draws what went out on each call and how much of it was cached.
func (r *report) replayPlots(k string, w int, all []contender) {
	var sizes, cached []line
	for i, c := range all {
		name := c.name
		if i == len(all)-1 {
			name = "trapgate"
		}
		size, hit := make([]float64, len(c.sizes)), make([]float64, len(c.sizes))
		total, hits := 0, 0
		for k := range c.sizes {
			total, hits = total+c.sizes[k], hits+c.hits[k]
			size[k], hit[k] = float64(c.sizes[k]), 100*float64(hits)/float64(total)
		}
		sizes = append(sizes, line{name, size})
		if i > 0 { // unchanged is all hits
			cached = append(cached, line{name, hit})
		}
	}
	thousands := func(v float64) string { return fmt.Sprintf("%.0fk", v/1000) }
	r.picture("size-"+k+".svg", "prompt size, "+k, callsPlot("Prompt size, window "+k, "call; o200k tokens of the request", 1.2*float64(w), thousands,
		map[string]float64{"window": float64(w), "window less reserve": float64(usable(w))}, sizes))
	r.picture("cached-"+k+".svg", "cached share, "+k, callsPlot("Cached share so far, window "+k, "call; hits of all tokens up to here, %", 100,
		func(v float64) string { return fmt.Sprintf("%.0f", v) }, nil, cached))
}
