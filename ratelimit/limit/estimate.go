package limit

import "github.com/hashicorp/golang-lru/v2/simplelru"

// A Key is what estimates are kept by. Empty parts are the wider keys; callers leave out what they do not know.
type Key struct{ Tenant, Model, Agent string }

// A Want says what an estimate is for.
type Want int

const (
	// Mean has the smallest sum of errors over many calls: for shares, where too much and too little are the same.
	Mean Want = iota
	// P80 is exceeded by one call in five: for buckets, where too little overshoots at once, and too much is given back.
	P80
	// P95 is exceeded by one call in twenty.
	P95
)

const (
	coldOutput        = 600  // of a call of which nothing is known, if max_tokens allows
	coldTokensPerByte = 0.25 // four bytes to a token
	defaultKeys       = 4096
	defaultHalfLife   = 100
)

// EstimatorOptions set the bounds. The zero value means the defaults.
type EstimatorOptions struct {
	Keys     int     // keys remembered, least recently used out first; default 4096 (about 0.5 KB each)
	HalfLife float64 // samples after which one counts half; default 100
}

// An Estimator predicts the tokens of calls from those that ended before. Output is kept in decayed histograms for (tenant,
// model, agent), (tenant, model), model and all, and the wider ones help out while a key has few samples.
type Estimator struct {
	opt    EstimatorOptions
	hists  *simplelru.LRU[Key, *hist]
	all    *hist
	ratios *simplelru.LRU[string, *ratio]
}

// NewEstimator returns an estimator that knows nothing.
func NewEstimator(o EstimatorOptions) *Estimator {
	if o.Keys <= 0 {
		o.Keys = defaultKeys
	}
	if o.HalfLife <= 0 {
		o.HalfLife = defaultHalfLife
	}
	return &Estimator{opt: o, hists: newLRU[Key, *hist](o.Keys), all: newHist(o.HalfLife), ratios: newLRU[string, *ratio](o.Keys)}
}

// newLRU is a bounded map; simplelru fails for sizes below one only.
func newLRU[K comparable, V any](size int) *simplelru.LRU[K, V] {
	l, err := simplelru.NewLRU[K, V](max(1, size), nil)
	if err != nil {
		panic("limit: " + err.Error())
	}
	return l
}

func outputKeys(k Key) [3]Key {
	return [3]Key{k, {Tenant: k.Tenant, Model: k.Model}, {Model: k.Model}}
}

func (e *Estimator) levels(k Key) mix {
	var l [4]*hist
	for i, key := range outputKeys(k) {
		l[i], _ = e.hists.Get(key)
		if i > 0 && key == outputKeys(k)[i-1] {
			l[i] = nil // an empty part makes two levels the same
		}
	}
	l[3] = e.all
	return mixed(l[:])
}

// answers are what Output says of a key, kept until the key has a twentieth more samples: mixing the levels costs a
// microsecond, which every call would pay.
type answers struct {
	until int // the count of samples up to which they hold
	want  [P95 + 1]float64
}

// Output returns the output tokens that a call of k is expected to take, at most limit (its max_tokens; 0 if it has none), at
// least 1.
func (e *Estimator) Output(k Key, limit int, w Want) float64 {
	w = min(max(w, Mean), P95)
	h, ok := e.hists.Get(k)
	if !ok {
		return e.Revise(k, limit, 0, w)
	}
	if h.count >= h.cache.until {
		m := e.levels(k)
		h.cache.until = h.count + 1 + int(h.samples()/20)
		for i := range h.cache.want {
			h.cache.want[i] = m.answer(0, Want(i))
		}
	}
	return bounds(h.cache.want[w], 0, limit)
}

// Revise is Output for a call that has produced seen tokens already: lengths are such that one which is long already will be
// longer still than was thought at first.
func (e *Estimator) Revise(k Key, limit, seen int, w Want) float64 {
	m := e.levels(k)
	floor := float64(max(0, seen))
	return bounds(m.answer(floor, w), floor, limit)
}

func (m *mix) answer(floor float64, w Want) float64 {
	switch {
	case !m.ok:
		return coldOutput
	case w == Mean:
		return m.meanAbove(floor)
	case w == P80:
		return m.quantile(0.8, floor)
	}
	return m.quantile(0.95, floor)
}

func bounds(est, floor float64, limit int) float64 {
	est = max(est, floor, 1)
	if limit > 0 {
		est = min(est, float64(limit))
	}
	return est
}

// Observe learns from a call that ended by itself with output tokens. Calls that were cut say too little: leave them out.
func (e *Estimator) Observe(k Key, output int) {
	if output < 0 {
		return
	}
	keys := outputKeys(k)
	for i, key := range keys {
		if i > 0 && key == keys[i-1] {
			continue
		}
		h, ok := e.hists.Get(key)
		if !ok {
			h = newHist(e.opt.HalfLife)
			e.hists.Add(key, h)
		}
		h.add(float64(output))
	}
	e.all.add(float64(output))
}

// A ratio learns tokens for each byte, by decayed sums, so that large bodies count as much as they weigh.
type ratio struct{ tokens, bytes float64 }

const (
	ratioKeep = 0.98
	// What lies outside was no text: images, or usage that counts something else.
	minTokensPerByte = 0.02
	maxTokensPerByte = 2
)

// Input returns the tokens of a body's text of that many bytes. For a conversation whose last turn was settled, the usage of
// that turn plus Input of what came since is nearer.
func (e *Estimator) Input(model string, bytes int) float64 {
	r := coldTokensPerByte
	if l, ok := e.ratios.Get(model); ok {
		r = l.tokens / l.bytes
	}
	return max(0, float64(bytes)) * r
}

// ObserveInput learns from the input tokens that a provider counted for a body's text. Figures that cannot belong together are
// ignored.
func (e *Estimator) ObserveInput(model string, bytes, tokens int) {
	if bytes <= 0 || tokens <= 0 {
		return
	}
	if r := float64(tokens) / float64(bytes); r < minTokensPerByte || r > maxTokensPerByte {
		return
	}
	l, ok := e.ratios.Get(model)
	if !ok {
		l = new(ratio)
		e.ratios.Add(model, l)
	}
	l.tokens = l.tokens*ratioKeep + float64(tokens)
	l.bytes = l.bytes*ratioKeep + float64(bytes)
}
