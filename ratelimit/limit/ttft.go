package limit

import (
	"math"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	ttftHalfLife = 200.0
	// A sample above the line weighs a tenth of one below it, so that the line lies near the floor: the time that the
	// engine itself needs. (Expectile regression, Newey and Powell, "Asymmetric least squares estimation and testing", 1987.)
	ttftAbove = 0.1
	ttftBelow = 0.9
	// An outlier counts as so many times the line.
	ttftClip  = 4.0
	ttftReady = 4.0
	// The spread of prompt sizes that a slope can be told from, as a share of their mean.
	ttftSpread = 0.25
)

// A TTFT learns, for each model of one pool, the time to the first token as overhead + seconds for each uncached token: a line
// fitted by least squares whose sums decay. It lies near the floor of what is seen, because waiting at the upstream only ever
// adds. Long prompts are thereby no congestion (see Gradient), and the cost of a cold prefix is the slope times its tokens.
type TTFT struct{ lines *simplelru.LRU[string, *line] }

// NewTTFT returns a model that knows nothing and remembers that many models.
func NewTTFT(keys int) *TTFT { return &TTFT{newLRU[string, *line](keys)} }

// Observe learns from a call: seconds from its dispatch to its first token. It returns how many times longer that was than
// the line said before, and whether a line was known. What cannot be meant is ignored.
func (t *TTFT) Observe(model string, uncached int, seconds float64) (ratio float64, ok bool) {
	return t.observe(model, uncached, seconds, ttftAbove)
}

// ObserveBusy is Observe for a call that was sent while the upstream was so full that it may have waited there: it can lower
// the line and never raise it. Without that a lasting overload would become the new normal.
func (t *TTFT) ObserveBusy(model string, uncached int, seconds float64) (ratio float64, ok bool) {
	return t.observe(model, uncached, seconds, 0)
}

func (t *TTFT) observe(model string, uncached int, seconds, above float64) (ratio float64, ok bool) {
	if uncached < 0 || !(seconds > 0) || math.IsInf(seconds, 0) {
		return 0, false
	}
	l, found := t.lines.Get(model)
	if !found {
		l = new(line)
		t.lines.Add(model, l)
	}
	x := float64(uncached)
	base, known := l.at(x)
	weight, y := 1.0, seconds
	if known {
		ratio = seconds / max(base, 1e-6)
		y = min(seconds, ttftClip*base)
		weight = ttftBelow
		if y > base {
			weight = above
		}
	}
	if weight > 0 {
		l.add(x, y, weight)
	}
	return ratio, known
}

// Predict returns the seconds to the first token that an idle upstream would need, and whether enough is known.
func (t *TTFT) Predict(model string, uncached int) (float64, bool) {
	l, ok := t.lines.Get(model)
	if !ok {
		return 0, false
	}
	return l.at(float64(uncached))
}

// PerToken returns the seconds for each uncached token, and whether prompts of different sizes were seen to tell it from.
func (t *TTFT) PerToken(model string) (float64, bool) {
	l, ok := t.lines.Get(model)
	if !ok || l.n < ttftReady {
		return 0, false
	}
	_, slope, told := l.fit()
	return slope, told && slope > 0
}

// A line is y = a + b*x by decayed sums, with a and b not below zero.
type line struct{ n, w, x, y, xx, xy float64 }

func (l *line) add(x, y, weight float64) {
	keep := math.Exp2(-weight / ttftHalfLife)
	l.n = l.n*keep + 1
	l.w = l.w*keep + weight
	l.x = l.x*keep + weight*x
	l.y = l.y*keep + weight*y
	l.xx = l.xx*keep + weight*x*x
	l.xy = l.xy*keep + weight*x*y
}

// fit returns the line, and whether its slope is more than a guess.
func (l *line) fit() (a, b float64, told bool) {
	mx, my := l.x/l.w, l.y/l.w
	vx := l.xx/l.w - mx*mx
	told = vx > (ttftSpread*mx)*(ttftSpread*mx) && vx > 0
	if !told {
		return my, 0, false
	}
	b = max(0, (l.xy/l.w-mx*my)/vx)
	if a = my - b*mx; a < 0 { // through the origin
		a, b = 0, l.xy/l.xx
	}
	return a, b, true
}

// at returns the line at x. While sizes hardly differ it is flat, and good only near them.
func (l *line) at(x float64) (float64, bool) {
	if l.n < ttftReady {
		return 0, false
	}
	a, b, told := l.fit()
	if !told {
		m := l.x / l.w
		return a, x >= m*(1-2*ttftSpread) && x <= m*(1+2*ttftSpread)
	}
	return a + b*x, true
}
