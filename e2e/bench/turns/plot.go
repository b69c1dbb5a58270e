package main

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// A series is one line of a plot.
type series struct {
	name   string
	points []point
}

// Colours that people with any kind of colour vision tell apart; the last one is ours.
var colours = []string{"#777777", "#e69f00", "#0072b2", "#009e73", "#cc79a7"}

const (
	plotLeft, plotTop, plotWide, plotHigh = 60.0, 66.0, 780.0, 300.0
	plotBins                              = 60
	plotLeast                             = 0.01 // seconds: the axis is logarithmic
)

// plot draws, for each sixtieth of the time, the 90th percentile of the waits that began in it.
func plot(title, x string, all []series) string {
	end, most := 1.0, plotLeast*10
	for _, s := range all {
		for _, p := range s.points {
			end, most = max(end, p.at), max(most, p.wait)
		}
	}
	top := math.Ceil(math.Log10(most))
	y := func(v float64) float64 {
		return plotTop + plotHigh*(top-math.Log10(max(v, plotLeast)))/(top-math.Log10(plotLeast))
	}
	b := canvas(title, all)
	for e := math.Log10(plotLeast); e <= top; e++ {
		b.level(y(math.Pow(10, e)), math.Pow(10, e))
	}
	for i, s := range all {
		b.path(i, s.points, end, y, func(v []float64) float64 { return percentile(v, 0.9) })
	}
	return b.axis(end, x+"; wait, s: nine of ten waited less (logarithmic)")
}

// speedPlot draws, for each sixtieth of the time, the sum of what lies in it by second.
func speedPlot(title string, all []series) string {
	end := 1.0
	for _, s := range all {
		for _, p := range s.points {
			end = max(end, p.at)
		}
	}
	speed := func(v []float64) float64 { return mean(v) * float64(len(v)) / (end / plotBins) }
	most := 1.0
	for _, s := range all {
		for _, v := range bins(s.points, end) {
			if len(v) > 0 {
				most = max(most, speed(v))
			}
		}
	}
	y := func(v float64) float64 { return plotTop + plotHigh*(1-v/most) }
	b := canvas(title, all)
	for i := range 5 {
		b.level(y(most*float64(i)/4), most*float64(i)/4)
	}
	for i, s := range all {
		b.path(i, s.points, end, y, speed)
	}
	return b.axis(end, "s")
}

type drawing struct{ strings.Builder }

func canvas(title string, all []series) *drawing {
	b := &drawing{}
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 430" width="900" height="430" font-family="system-ui, sans-serif" font-size="12">`+"\n")
	b.WriteString(`<rect width="900" height="430" fill="#ffffff"/>` + "\n")
	b.label(16, 24, "start", 15, title)
	x := 16.0
	for i, s := range all {
		fmt.Fprintf(b, `<rect x="%.1f" y="36" width="10" height="10" fill="%s"/>`+"\n", x, colours[i%len(colours)])
		b.label(x+15, 45, "start", 12, s.name)
		x += 30 + 7*float64(len(s.name))
	}
	return b
}

func (b *drawing) label(x, y float64, anchor string, size int, s string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d" fill="#333333">%s</text>`+"\n", x, y, anchor, size, html.EscapeString(s))
}

func (b *drawing) level(y, v float64) {
	fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#dddddd"/>`+"\n", plotLeft, y, plotLeft+plotWide, y)
	b.label(plotLeft-6, y+4, "end", 11, number(v))
}

func bins(points []point, end float64) (v [plotBins][]float64) {
	for _, p := range points {
		i := min(plotBins-1, max(0, int(p.at/end*plotBins)))
		v[i] = append(v[i], p.wait)
	}
	return v
}

func (b *drawing) path(colour int, points []point, end float64, y func(float64) float64, of func([]float64) float64) {
	var parts []string
	for i, v := range bins(points, end) {
		if len(v) > 0 {
			slices.Sort(v)
			parts = append(parts, fmt.Sprintf("%.1f,%.1f", plotLeft+plotWide*(float64(i)+0.5)/plotBins, y(of(v))))
		}
	}
	fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(parts, " "), colours[colour%len(colours)])
}

func (b *drawing) axis(end float64, label string) string {
	for i := range 7 {
		b.label(plotLeft+plotWide*float64(i)/6, plotTop+plotHigh+18, "middle", 11, number(end*float64(i)/6))
	}
	b.label(plotLeft+plotWide/2, plotTop+plotHigh+40, "middle", 12, label)
	return b.String() + "</svg>\n"
}
