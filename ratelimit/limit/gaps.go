package limit

import (
	"math"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	gapsHalfLife = 64
	// gapsReady is how many samples, over all keys, a distribution needs before it is believed.
	gapsReady = 4
	// never is in the last bucket, which stands for programs that do not come back.
	never = float64(1 << 30)
)

// Gaps learns tool times: how long after an answer its program's next call comes. They are kept in decayed histograms for
// (tenant, model, agent), (tenant, agent), tenant and all, from a millisecond to four hours; Key.Model may be any finer
// key, such as the program. Programs that did not come back count too (Gone).
type Gaps struct {
	hists *simplelru.LRU[Key, *hist]
	all   *hist
}

// NewGaps returns a model that knows nothing and remembers that many keys, least recently used out first.
func NewGaps(keys int) *Gaps {
	return &Gaps{newLRU[Key, *hist](keys), newHist(gapsHalfLife)}
}

func gapKeys(k Key) [3]Key {
	return [3]Key{k, {Tenant: k.Tenant, Agent: k.Agent}, {Tenant: k.Tenant}}
}

// Observe learns that a program came back d after its last answer ended.
func (g *Gaps) Observe(k Key, d time.Duration) {
	g.add(k, min(max(0, d.Seconds()*1000), histEdge(histBuckets-1)-1))
}

// Gone learns that a program has not come back and will not.
func (g *Gaps) Gone(k Key) { g.add(k, never) }

func (g *Gaps) add(k Key, ms float64) {
	keys := gapKeys(k)
	for i, key := range keys {
		if i > 0 && key == keys[i-1] {
			continue
		}
		h, ok := g.hists.Get(key)
		if !ok {
			h = newHist(gapsHalfLife)
			g.hists.Add(key, h)
		}
		h.add(ms)
	}
	g.all.add(ms)
}

func (g *Gaps) levels(k Key) mix {
	var l [4]*hist
	keys := gapKeys(k)
	for i, key := range keys {
		if i == 0 || key != keys[i-1] {
			l[i], _ = g.hists.Get(key)
		}
	}
	l[3] = g.all
	return mixed(l[:])
}

// Within returns the probability that a program of k comes back within d of its last answer; 0 while nothing is known.
func (g *Gaps) Within(k Key, d time.Duration) float64 {
	m := g.levels(k)
	if !m.ok || d <= 0 {
		return 0
	}
	return 1 - m.above(d.Seconds()*1000)
}

// Quantile returns the time within which a share q of k's programs come back, and whether that many do at all.
func (g *Gaps) Quantile(k Key, q float64) (time.Duration, bool) {
	m := g.levels(k)
	if !m.ok || q <= 0 {
		return 0, false
	}
	v := m.quantile(min(q, 1), 0)
	return time.Duration(v * float64(time.Millisecond)), v < histEdge(histBuckets-1)
}

// Anticipate returns how long a slot that just became free, or still is, should be kept for a program of k that ended its last
// answer since ago, because its prefix is warm there and would cost cold to compute again. 0: do not. Forever: nothing else
// waits, so keeping it costs nothing until something does.
//
// Keeping it for d gains the cold prefill if the program returns within d, and costs the slot's time until it does or d is
// over. With R the return time given that it has not happened by now, the best d maximises
//
//	gain(d) = cold * P(R <= d) - E[min(R, d)]
//
// and holding pays as long as the hazard of R is above 1/cold. It is looked for at the edges of the histogram's buckets. Other
// work is delayed by the idle time and by the cold prefill alike, so how much of it waits does not change the sign. While too
// little is known, the slot is kept for as long as the prefill takes, once: whatever R is, that costs at most twice what
// knowing it would have (ski rental, Karlin et al., "Competitive snoopy caching", 1988). Keeping a resource for who
// is about to return is anticipatory scheduling (Iyer and Druschel, "Anticipatory scheduling: a disk scheduling framework to
// overcome deceptive idleness in synchronous I/O", 2001).
//
// Ask only for programs whose last answer called for tools; an answer that ended the task brings nobody back.
func (g *Gaps) Anticipate(k Key, since, cold time.Duration, waiting bool) time.Duration {
	if !waiting {
		return Forever
	}
	if cold <= 0 {
		return 0
	}
	since = max(0, since)
	m := g.levels(k)
	if m.n < gapsReady {
		return max(0, cold-since)
	}
	return time.Duration(m.best(since.Seconds()*1000, cold.Seconds()*1000) * float64(time.Millisecond))
}

// best returns the d that maximises c*P(R-t <= d) - E[min(R-t, d)] for R > t, or 0 if none is worth it.
func (m *mix) best(t, c float64) float64 {
	left := m.above(t)
	if left < 1e-6 {
		return 0 // later than ever seen
	}
	best, bestGain := 0.0, 0.0
	within, spent := 0.0, 0.0 // P(R <= t+d), and the part of E[min(R-t, d)] from returns
	for b := histBucket(max(t, 1)); b < histBuckets-1; b++ {
		lo, hi := max(t, histEdge(b)), histEdge(b+1)
		p := m.p[b]
		if lo == t {
			p *= 1 - m.part(b, t)
		}
		p /= left
		within += p
		spent += p * ((lo+hi)/2 - t)
		d := hi - t
		if gain := c*within - spent - (1-within)*d; gain > bestGain+1e-9 {
			best, bestGain = d, gain
		}
		if d > c && (1-within)*d > c {
			break // no later gain can make up for the wait
		}
	}
	return math.Max(0, best)
}
