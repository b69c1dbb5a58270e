package tokens

import (
	"math"
	"sync"
	"sync/atomic"
)

const (
	leastFactor  = 0.5
	mostFactor   = 3
	exactFloor   = 0.95 // how far below o200k's exact count usage may take an estimate
	fullRequest  = 200  // tokens: measurements of smaller requests count little, because templates and rounding are most of them
	firstWeight  = 0.25 // of the assumption that estimates are right, in full measurements
	longWeight   = 9    // what all earlier measurements weigh together, at most
	trusted      = 2    // the weight from which on an outlier is known as one
	outlierTimes = 1.5  // and by how much it may then differ from the mean
)

// Calibration learns by what estimates must be multiplied, for each upstream and model. It remembers the 256 that were used last. What
// belongs to a session is told through a Session: its figures count for itself first, and for all others only as one of many. The zero
// value is ready; all methods may be called at once.
type Calibration struct {
	ratios recent[ratios]
}

// ratios are what one upstream and model taught.
type ratios struct {
	mu          sync.Mutex
	used, exact average       // of requests without a session
	sessions    []lesson      // the last sessions, the newest at the end
	factor      atomic.Uint64 // bits of the factor; 0 when nothing is known
}

// average is an exponentially weighted moving average of a ratio.
type average struct{ value, weight float64 }

// Used takes what an upstream reported as input tokens (those read from a cache included) of a request, beside what was estimated for it.
func (c *Calibration) Used(upstream, model string, estimated, reported int) {
	c.learn(upstream, model, estimated, reported, func(r *ratios) *average { return &r.used })
}

// Exact takes the exact o200k count of a request, made off the path, beside what was estimated for it.
func (c *Calibration) Exact(upstream, model string, estimated, exact int) {
	c.learn(upstream, model, estimated, exact, func(r *ratios) *average { return &r.exact })
}

// Refused takes the input tokens that an upstream named when it refused a request for its length: that much is certain, so it counts
// at once and in full.
func (c *Calibration) Refused(upstream, model string, estimated, counted int) {
	if estimated <= 0 || counted <= 0 {
		return
	}
	r := c.ratios.add(place{upstream, model}, nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	if ratio := min(max(float64(counted)/float64(estimated), leastFactor), mostFactor); ratio > r.combined() {
		r.used = average{ratio, longWeight}
		r.factor.Store(math.Float64bits(r.combined()))
	}
}

// Factor is by what to multiply an estimate of tokens for a request to this upstream and model: what usage says, but no less than 0.95
// times what exact counts say, and where these are missing, no less than 0.95. It lies in [0.5, 3], and is 1 when nothing is known.
func (c *Calibration) Factor(upstream, model string) float64 {
	if r := c.ratios.get(place{upstream, model}); r != nil {
		if bits := r.factor.Load(); bits != 0 {
			return math.Float64frombits(bits)
		}
	}
	return 1
}

func (c *Calibration) learn(upstream, model string, estimated, counted int, of func(*ratios) *average) {
	if estimated <= 0 || counted <= 0 {
		return // no answer, or one that says nothing
	}
	p := place{upstream, model}
	r := c.ratios.get(p)
	if r == nil {
		r = c.ratios.add(p, nil)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	of(r).add(float64(counted)/float64(estimated), math.Min(1, float64(estimated)/fullRequest))
	r.factor.Store(math.Float64bits(r.combined()))
}

// add takes a measurement; size is 1 for a full request, and less for a small one, which counts by its square.
func (a *average) add(ratio, size float64) {
	if a.weight == 0 {
		*a = average{1, firstWeight}
	}
	ratio = min(max(ratio, leastFactor), mostFactor)
	if a.weight >= trusted {
		ratio = min(max(ratio, a.value/outlierTimes), a.value*outlierTimes)
	}
	w := size * size
	a.value += (ratio - a.value) * w / (a.weight + w)
	a.weight = min(a.weight+w, longWeight)
}

// combined is the factor of a request of which nothing more is known.
func (r *ratios) combined() float64 { return combine(r.shared()) }

// combine is what usage says, held to what exact counts say.
func combine(used, counted average) float64 {
	exact, usage := 1.0, 1.0
	if counted.weight > 0 {
		exact = counted.value
		usage = exact
	}
	if used.weight > 0 {
		usage = used.value
	}
	return min(max(usage, exactFloor*exact, leastFactor), mostFactor)
}
