package main

import (
	"fmt"
	"math"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

// Colours that people with any kind of colour vision tell apart.
var colours = map[string]string{direct: "#777777", nginx: "#009e73", copier: "#e69f00", gate: "#0072b2", spans: "#cc79a7"}

var drawn = []string{direct, nginx, copier, gate, spans}

// legend names the sides and their colours.
func legend(c *benchkit.Canvas, names []string) {
	c.Legend(names, func(i int) string { return colours[names[i]] })
}

// addedPlot shows each figure that has a target as bars, scaled so that the targets stand in one line.
func addedPlot(r *results) string {
	var rows []figure
	for _, f := range figures {
		if f.target > 0 && r.Series[f.key] != nil {
			rows = append(rows, f)
		}
	}
	names := drawn[1:]
	const left, scale, barHigh = 300.0, 260.0, 11.0
	rowHigh := barHigh*float64(len(names)) + 14
	c := benchkit.NewCanvas(900, int(70+rowHigh*float64(len(rows))+30), "Added over direct (CPU: used), as a share of what must be reached")
	legend(c, names)
	y, bottom := 66.0, 66+rowHigh*float64(len(rows))
	c.Line(left+scale, 58, left+scale, bottom, "#d55e00", 1.5)
	c.Text(left+scale, bottom+14, "middle", 11, "#d55e00", "must reach")
	for _, f := range rows {
		c.Text(left-10, y+rowHigh/2-2, "end", 12, "#111111", f.name)
		for i, n := range names {
			v := f.value(r, n)
			if math.IsNaN(v) {
				continue
			}
			w := min(max(v, 0)/f.target*scale, 520)
			c.Bar(left, y+float64(i)*barHigh, w, barHigh-2, colours[n])
			c.Text(left+w+5, y+float64(i)*barHigh+9, "start", 10, "#333333", number(v))
		}
		y += rowHigh
	}
	return c.Done()
}

// curvePlot shows how many of 100 requests are slower than x: both axes logarithmic, so that the tail can be seen.
func curvePlot(title, unit string, samples map[string]sample) string {
	const left, top, wide, high = 60.0, 66.0, 780.0, 330.0
	c := benchkit.NewCanvas(900, 460, title)
	lo, hi := math.Inf(1), 0.0
	var names []string
	for _, n := range drawn {
		if s := samples[n]; len(s) > 0 {
			names = append(names, n)
			lo, hi = min(lo, s.at(0.001)), max(hi, s.at(0.9995))
		}
	}
	legend(c, names)
	if len(names) == 0 || lo <= 0 || hi <= lo {
		return c.Done()
	}
	px := func(v float64) float64 { return left + wide*math.Log(max(v, lo)/lo)/math.Log(hi/lo) }
	py := func(share float64) float64 { return top + high*math.Log10(1/share)/3.3 } // down to 0.05 %
	for _, share := range []float64{1, 0.5, 0.1, 0.01, 0.001} {
		c.Line(left, py(share), left+wide, py(share), "#dddddd", 1)
		c.Text(left-6, py(share)+4, "end", 11, "#333333", fmt.Sprintf("%g %%", share*100))
	}
	for step := math.Pow(10, math.Floor(math.Log10(lo))); step <= hi; step *= 10 {
		for _, m := range []float64{1, 2, 5} {
			if v := step * m; v >= lo && v <= hi {
				c.Line(px(v), top, px(v), top+high, "#eeeeee", 1)
				c.Text(px(v), top+high+16, "middle", 11, "#333333", fmt.Sprintf("%g", v))
			}
		}
	}
	for _, n := range names {
		s, path := samples[n], [][2]float64(nil)
		for i := 0; i <= 330; i++ {
			share := math.Pow(10, -float64(i)/100)
			path = append(path, [2]float64{min(px(s.at(1-share)), left+wide), py(share)})
		}
		c.Path(path, colours[n])
	}
	c.Text(left+wide/2, top+high+40, "middle", 12, "#333333", unit+" (share of all that took longer, by latency; both axes logarithmic)")
	return c.Done()
}

// cancelPlot shows p50, p99 and the worst of each transport and state.
func cancelPlot(rows []cancelRow) string {
	const left, wide = 270.0, 560.0
	c := benchkit.NewCanvas(900, 90+22*len(rows)+30, "From the agent's close to the upstream's, ms (p50, p99, worst; logarithmic)")
	px := func(us float64) float64 { return left + wide*math.Log10(max(us, 10)/10)/4 } // 10 us to 100 ms
	bottom := float64(70 + 22*len(rows))
	for _, us := range []float64{10, 100, 1000, 10_000, 100_000} {
		c.Line(px(us), 50, px(us), bottom, "#dddddd", 1)
		c.Text(px(us), bottom+16, "middle", 11, "#333333", fmt.Sprintf("%g", us/1000))
	}
	for us, label := range map[float64]string{500: "p50 must reach", 20_000: "worst must reach"} {
		c.Line(px(us), 50, px(us), bottom, "#d55e00", 1.5)
		c.Text(px(us), 46, "middle", 10, "#d55e00", label)
	}
	for i, r := range rows {
		y := 66 + 22*float64(i)
		c.Text(left-10, y+4, "end", 12, "#111111", r.Transport+", "+r.State)
		if r.P50 == 0 {
			continue
		}
		c.Line(px(r.P50), y, px(r.Worst), y, "#9ecae1", 3)
		for _, v := range []float64{r.P50, r.P99, r.Worst} {
			c.Dot(px(v), y, 4, colours[gate])
		}
	}
	return c.Done()
}
