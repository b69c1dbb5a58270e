package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Colours that people with any kind of colour vision tell apart.
var colours = map[string]string{direct: "#777777", nginx: "#009e73", copier: "#e69f00", gate: "#0072b2", spans: "#cc79a7"}

var drawn = []string{direct, nginx, copier, gate, spans}

// A canvas collects the elements of one picture.
type canvas struct {
	strings.Builder
	w, h int
}

func newCanvas(w, h int, title string) *canvas {
	c := &canvas{w: w, h: h}
	fmt.Fprintf(c, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="system-ui, sans-serif" font-size="12">`+"\n", w, h, w, h)
	fmt.Fprintf(c, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", w, h)
	c.text(16, 24, "start", 15, "#111111", title)
	return c
}

func (c *canvas) text(x, y float64, anchor string, size int, colour, s string) {
	fmt.Fprintf(c, `<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d" fill="%s">%s</text>`+"\n", x, y, anchor, size, colour, html.EscapeString(s))
}

func (c *canvas) line(x1, y1, x2, y2 float64, colour string, width float64) {
	fmt.Fprintf(c, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%.1f"/>`+"\n", x1, y1, x2, y2, colour, width)
}

func (c *canvas) bar(x, y, w, h float64, colour string) {
	fmt.Fprintf(c, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", x, y, max(w, 0.5), h, colour)
}

func (c *canvas) legend(names []string) {
	x := 16.0
	for _, n := range names {
		c.bar(x, 36, 10, 10, colours[n])
		c.text(x+15, 45, "start", 12, "#333333", n)
		x += 30 + 7*float64(len(n))
	}
}

func (c *canvas) done() string { return c.String() + "</svg>\n" }

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
	c := newCanvas(900, int(70+rowHigh*float64(len(rows))+30), "Added over direct (CPU: used), as a share of what must be reached")
	c.legend(names)
	y, bottom := 66.0, 66+rowHigh*float64(len(rows))
	c.line(left+scale, 58, left+scale, bottom, "#d55e00", 1.5)
	c.text(left+scale, bottom+14, "middle", 11, "#d55e00", "must reach")
	for _, f := range rows {
		c.text(left-10, y+rowHigh/2-2, "end", 12, "#111111", f.name)
		for i, n := range names {
			v := f.value(r, n)
			if math.IsNaN(v) {
				continue
			}
			w := min(max(v, 0)/f.target*scale, 520)
			c.bar(left, y+float64(i)*barHigh, w, barHigh-2, colours[n])
			c.text(left+w+5, y+float64(i)*barHigh+9, "start", 10, "#333333", number(v))
		}
		y += rowHigh
	}
	return c.done()
}

// curvePlot shows how many of 100 requests are slower than x: both axes logarithmic, so that the tail can be seen.
func curvePlot(title, unit string, samples map[string]sample) string {
	const left, top, wide, high = 60.0, 66.0, 780.0, 330.0
	c := newCanvas(900, 460, title)
	lo, hi := math.Inf(1), 0.0
	var names []string
	for _, n := range drawn {
		if s := samples[n]; len(s) > 0 {
			names = append(names, n)
			lo, hi = min(lo, s.at(0.001)), max(hi, s.at(0.9995))
		}
	}
	c.legend(names)
	if len(names) == 0 || lo <= 0 || hi <= lo {
		return c.done()
	}
	px := func(v float64) float64 { return left + wide*math.Log(max(v, lo)/lo)/math.Log(hi/lo) }
	py := func(share float64) float64 { return top + high*math.Log10(1/share)/3.3 } // down to 0.05 %
	for _, share := range []float64{1, 0.5, 0.1, 0.01, 0.001} {
		c.line(left, py(share), left+wide, py(share), "#dddddd", 1)
		c.text(left-6, py(share)+4, "end", 11, "#333333", fmt.Sprintf("%g %%", share*100))
	}
	for step := math.Pow(10, math.Floor(math.Log10(lo))); step <= hi; step *= 10 {
		for _, m := range []float64{1, 2, 5} {
			if v := step * m; v >= lo && v <= hi {
				c.line(px(v), top, px(v), top+high, "#eeeeee", 1)
				c.text(px(v), top+high+16, "middle", 11, "#333333", fmt.Sprintf("%g", v))
			}
		}
	}
	for _, n := range names {
		s, path := samples[n], []string(nil)
		for i := 0; i <= 330; i++ {
			share := math.Pow(10, -float64(i)/100)
			path = append(path, fmt.Sprintf("%.1f,%.1f", min(px(s.at(1-share)), left+wide), py(share)))
		}
		fmt.Fprintf(c, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(path, " "), colours[n])
	}
	c.text(left+wide/2, top+high+40, "middle", 12, "#333333", unit+" (share of all that took longer, by latency; both axes logarithmic)")
	return c.done()
}

// cancelPlot shows p50, p99 and the worst of each transport and state.
func cancelPlot(rows []cancelRow) string {
	const left, wide = 270.0, 560.0
	c := newCanvas(900, 90+22*len(rows)+30, "From the agent's close to the upstream's, ms (p50, p99, worst; logarithmic)")
	px := func(us float64) float64 { return left + wide*math.Log10(max(us, 10)/10)/4 } // 10 us to 100 ms
	bottom := float64(70 + 22*len(rows))
	for _, us := range []float64{10, 100, 1000, 10_000, 100_000} {
		c.line(px(us), 50, px(us), bottom, "#dddddd", 1)
		c.text(px(us), bottom+16, "middle", 11, "#333333", fmt.Sprintf("%g", us/1000))
	}
	for us, label := range map[float64]string{500: "p50 must reach", 20_000: "worst must reach"} {
		c.line(px(us), 50, px(us), bottom, "#d55e00", 1.5)
		c.text(px(us), 46, "middle", 10, "#d55e00", label)
	}
	for i, r := range rows {
		y := 66 + 22*float64(i)
		c.text(left-10, y+4, "end", 12, "#111111", r.Transport+", "+r.State)
		if r.P50 == 0 {
			continue
		}
		c.line(px(r.P50), y, px(r.Worst), y, "#9ecae1", 3)
		for _, v := range []float64{r.P50, r.P99, r.Worst} {
			fmt.Fprintf(c, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`+"\n", px(v), y, colours[gate])
		}
	}
	return c.done()
}
