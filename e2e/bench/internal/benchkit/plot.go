package benchkit

import (
	"fmt"
	"math"
)

// A Point is a value at a time, in seconds: a wait that began then, an amount that ended.
type Point struct{ At, Value float64 }

// A Series is one line of a plot. The last one of a plot is ours, and has one colour everywhere.
type Series struct {
	Name   string
	Points []Point
}

// Colours that people with any kind of colour vision tell apart; the last one is ours.
var colours = []string{"#777777", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#0072b2"}

const (
	plotLeft, plotTop, plotWide, plotHigh = 60.0, 66.0, 780.0, 300.0
	plotBins                              = 60
	plotLeast                             = 0.01 // seconds: the axis of waits is logarithmic
)

// WaitsPlot draws, for each sixtieth of the time, the 90th percentile of the waits that began in it, as SVG. Waits are in seconds.
func WaitsPlot(title string, all []Series) string {
	most := plotLeast * 10
	for _, s := range all {
		for _, p := range s.Points {
			most = max(most, p.Value)
		}
	}
	top := math.Ceil(math.Log10(most))
	y := func(v float64) float64 {
		return plotTop + plotHigh*(top-math.Log10(max(v, plotLeast)))/(top-math.Log10(plotLeast))
	}
	d := newDrawing(title, all)
	for e := math.Log10(plotLeast); e <= top; e++ {
		v := math.Pow(10, e)
		d.level(y(v), fmt.Sprintf("%g", v))
	}
	d.paths(y, func(v []float64) float64 { return Percentile(v, 0.9) })
	return d.done("arrival, s; wait, s: nine of ten waited less (logarithmic)")
}

// SpeedPlot draws, for each sixtieth of the time, the sum of what lies in it by second, as SVG.
func SpeedPlot(title string, all []Series) string {
	d := newDrawing(title, all)
	speed := func(v []float64) float64 { return Mean(v) * float64(len(v)) / (d.end / plotBins) }
	most := 1.0
	for _, s := range all {
		for _, v := range d.bins(s.Points) {
			if len(v) > 0 {
				most = max(most, speed(v))
			}
		}
	}
	y := func(v float64) float64 { return plotTop + plotHigh*(1-v/most) }
	for i := range 5 {
		v := most * float64(i) / 4
		d.level(y(v), fmt.Sprintf("%.0f", v))
	}
	d.paths(y, speed)
	return d.done("s")
}

// A drawing is a plot in the making, of a time that ends with the last point.
type drawing struct {
	*Canvas
	all []Series
	end float64
}

func newDrawing(title string, all []Series) *drawing {
	d := &drawing{Canvas: NewCanvas(900, 430, title), all: all, end: 1}
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
		for _, p := range s.Points {
			d.end = max(d.end, p.At)
		}
	}
	d.Legend(names, d.colour)
	return d
}

func (d *drawing) colour(i int) string {
	if i == len(d.all)-1 {
		return colours[len(colours)-1]
	}
	return colours[i%(len(colours)-1)]
}

// level draws a line across the plot.
func (d *drawing) level(y float64, label string) {
	d.Line(plotLeft, y, plotLeft+plotWide, y, "#dddddd", 1)
	d.Text(plotLeft-6, y+4, "end", 11, "#333333", label)
}

// bins sorts the values of points into the plot's sixtieths.
func (d *drawing) bins(points []Point) (v [plotBins][]float64) {
	for _, p := range points {
		i := min(plotBins-1, max(0, int(p.At/d.end*plotBins)))
		v[i] = append(v[i], p.Value)
	}
	return v
}

// paths draws what of makes of each sixtieth's values.
func (d *drawing) paths(y func(float64) float64, of func([]float64) float64) {
	for i, s := range d.all {
		var path [][2]float64
		for k, v := range d.bins(s.Points) {
			if len(v) > 0 {
				path = append(path, [2]float64{plotLeft + plotWide*(float64(k)+0.5)/plotBins, y(of(v))})
			}
		}
		d.Path(path, d.colour(i))
	}
}

// done labels the axis of time and ends the picture.
func (d *drawing) done(label string) string {
	form := "%.0f"
	if d.end < 20 {
		form = "%.1f"
	}
	for i := range 7 {
		d.Text(plotLeft+plotWide*float64(i)/6, plotTop+plotHigh+18, "middle", 11, "#333333", fmt.Sprintf(form, d.end*float64(i)/6))
	}
	d.Text(plotLeft+plotWide/2, plotTop+plotHigh+40, "middle", 12, "#333333", label)
	return d.Done()
}
