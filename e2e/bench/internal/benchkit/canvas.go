package benchkit

import (
	"fmt"
	"html"
	"strings"
)

// A Canvas collects the elements of one SVG picture. Places and lengths are in pixels, from the top left corner; colours are as in
// CSS. Text is escaped.
type Canvas struct{ b strings.Builder }

// NewCanvas begins a white picture with a title.
func NewCanvas(w, h int, title string) *Canvas {
	c := &Canvas{}
	fmt.Fprintf(&c.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="system-ui, sans-serif" font-size="12">`+"\n", w, h, w, h)
	fmt.Fprintf(&c.b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", w, h)
	c.Text(16, 24, "start", 15, "#111111", title)
	return c
}

// Text writes s with its anchor (start, middle or end) at a place on its base line.
func (c *Canvas) Text(x, y float64, anchor string, size int, colour, s string) {
	fmt.Fprintf(&c.b, `<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d" fill="%s">%s</text>`+"\n", x, y, anchor, size, colour, html.EscapeString(s))
}

// Line draws a straight line.
func (c *Canvas) Line(x1, y1, x2, y2 float64, colour string, width float64) {
	fmt.Fprintf(&c.b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%.1f"/>`+"\n", x1, y1, x2, y2, colour, width)
}

// Bar fills a rectangle, half a pixel wide at least, so that nothing can still be seen.
func (c *Canvas) Bar(x, y, w, h float64, colour string) {
	fmt.Fprintf(&c.b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", x, y, max(w, 0.5), h, colour)
}

// Dot fills a circle.
func (c *Canvas) Dot(x, y, radius float64, colour string) {
	fmt.Fprintf(&c.b, `<circle cx="%.1f" cy="%.1f" r="%g" fill="%s"/>`+"\n", x, y, radius, colour)
}

// Path draws lines from each point to the next.
func (c *Canvas) Path(points [][2]float64, colour string) {
	parts := make([]string, len(points))
	for i, p := range points {
		parts[i] = fmt.Sprintf("%.1f,%.1f", p[0], p[1])
	}
	fmt.Fprintf(&c.b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(parts, " "), colour)
}

// Legend names colours in a row below the title.
func (c *Canvas) Legend(names []string, colour func(i int) string) {
	x := 16.0
	for i, n := range names {
		c.Bar(x, 36, 10, 10, colour(i))
		c.Text(x+15, 45, "start", 12, "#333333", n)
		x += 30 + 7*float64(len(n))
	}
}

// Done is the whole picture.
func (c *Canvas) Done() string { return c.b.String() + "</svg>\n" }
