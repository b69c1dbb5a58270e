package limit

import "math"

const (
	// histPerOctave buckets to a doubling: a value is known to within 9 %.
	histPerOctave = 4
	histBuckets   = 24 * histPerOctave // 1 to 2^24
	histRescale   = 1e6
)

// A hist is a histogram of positive values over logarithmic buckets, in which each observation makes the older ones count
// less. It is of fixed size and costs a few nanoseconds to add to.
type hist struct {
	weight [histBuckets]float32
	total  float64
	sum    float64
	next   float64 // weight of the next observation; older ones are smaller instead of being multiplied each time
	growth float64
	count  int
	cache  answers
}

// newHist returns a histogram in which an observation counts half after halfLife others.
func newHist(halfLife float64) *hist {
	return &hist{next: 1, growth: math.Exp2(1 / halfLife)}
}

func histBucket(v float64) int {
	if v <= 1 {
		return 0
	}
	return min(histBuckets-1, int(math.Log2(v)*histPerOctave))
}

// histEdge is the lower edge of a bucket.
func histEdge(i int) float64 {
	if i <= 0 {
		return 0
	}
	return math.Exp2(float64(i) / histPerOctave)
}

func (h *hist) add(v float64) {
	h.count++
	h.weight[histBucket(v)] += float32(h.next)
	h.total += h.next
	h.sum += v * h.next
	if h.next *= h.growth; h.next > histRescale {
		for i := range h.weight {
			h.weight[i] /= histRescale
		}
		h.total, h.sum, h.next = h.total/histRescale, h.sum/histRescale, h.next/histRescale
	}
}

// samples is how many observations of full weight the histogram amounts to.
func (h *hist) samples() float64 {
	if h == nil {
		return 0
	}
	return h.total / h.next
}

// A mix is a histogram shared out over levels, from the narrowest key to the widest: each level counts as many samples as it
// has, and the wider ones together as many as priorSamples. So a key with few samples of its own is answered for by those
// around it, and with many by itself, without a threshold in between (Jelinek and Mercer's interpolation; the weights are
// those of a Dirichlet prior).
type mix struct {
	p    [histBuckets]float64
	mean float64
	ok   bool
	n    float64 // samples of the level that has any and is widest
}

// priorSamples is how many samples the wider levels are worth.
const priorSamples = 8

func mixed(levels []*hist) (m mix) {
	for i := len(levels) - 1; i >= 0; i-- { // widest first
		h := levels[i]
		n := h.samples()
		if n == 0 {
			continue
		}
		m.n = max(m.n, n)
		own := n / (n + priorSamples)
		if !m.ok {
			own = 1
		}
		m.ok = true
		m.mean += own * (h.sum/h.total - m.mean)
		for j := range m.p {
			m.p[j] += own * (float64(h.weight[j])/h.total - m.p[j])
		}
	}
	return m
}

// above returns the share of values above v.
func (m *mix) above(v float64) float64 {
	b := histBucket(v)
	s := m.p[b] * (1 - m.part(b, v))
	for i := b + 1; i < histBuckets; i++ {
		s += m.p[i]
	}
	return min(1, s)
}

// part is how much of a bucket lies below v, spread evenly inside.
func (m *mix) part(b int, v float64) float64 {
	lo, hi := histEdge(b), histEdge(b+1)
	return min(1, max(0, (v-lo)/(hi-lo)))
}

// quantile returns the value that a share q of those above floor stays under.
func (m *mix) quantile(q, floor float64) float64 {
	over := m.above(floor)
	if over <= 0 {
		return floor
	}
	need := 1 - over + q*over
	s := 0.0
	for i, p := range m.p {
		if p > 0 && s+p >= need {
			lo, hi := histEdge(i), histEdge(i+1)
			return max(floor, lo+(hi-lo)*max(0, (need-s)/p))
		}
		s += p
	}
	return floor
}

// meanAbove returns the mean of the values above floor.
func (m *mix) meanAbove(floor float64) float64 {
	if floor <= 0 {
		return m.mean
	}
	b := histBucket(floor)
	w := m.p[b] * (1 - m.part(b, floor))
	s := w * (floor + histEdge(b+1)) / 2
	for i := b + 1; i < histBuckets; i++ {
		w += m.p[i]
		s += m.p[i] * (histEdge(i) + histEdge(i+1)) / 2
	}
	if w <= 0 {
		return floor
	}
	return s / w
}
