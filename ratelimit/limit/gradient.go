package limit

import (
	"math"
	"slices"
	"time"
)

const (
	gradientTolerance = 1.5 // how many times the floor a time to first token may be before the limit falls
	gradientSmooth    = 0.3
	gradientLeast     = 0.5 // one window takes half at most
	gradientSamples   = 8   // a window holds so many, or as many as the limit
	gradientWindow    = 64
)

// GradientOptions bound the limit. Zero fields mean their defaults.
type GradientOptions struct {
	Start, Min, Max int // defaults 8, 1, 256
}

// A Gradient learns how many calls an upstream takes at once from the time to their first token. Each sample is that time over
// what TTFT says an idle upstream needs for that prompt, so neither long prompts nor long answers are taken for congestion.
// Over a window of samples (as many as the limit, 8 at least) with median ratio m
//
//	g = clamp(1/2, 1, tolerance/m);  limit <- limit + 0.3 * (g*limit + q - limit);  q = sqrt(limit)
//
// so that it grows while the upstream keeps up, and settles where the time to first token has grown enough to pay for a queue of
// q. It does not grow while less than half of it is in use, for then the samples say nothing about it. A refusal takes 30 %. The
// form is that of gradient limiters (Netflix's concurrency-limits, Envoy's adaptive concurrency); what is measured, the window
// and the floor are not.
type Gradient struct {
	o       GradientOptions
	limit   float64
	samples []float64
	peak    int
	cutAt   time.Time
}

// NewGradient returns a learner.
func NewGradient(o GradientOptions) *Gradient {
	if o.Min <= 0 {
		o.Min = 1
	}
	if o.Max <= 0 {
		o.Max = 256
	}
	o.Max = max(o.Max, o.Min)
	if o.Start <= 0 {
		o.Start = 8
	}
	return &Gradient{
		o: o, limit: float64(min(max(o.Start, o.Min), o.Max)),
		samples: make([]float64, 0, gradientWindow),
	}
}

// Limit returns how many calls may be in flight.
func (g *Gradient) Limit() int { return int(g.limit) }

// Busy reports whether a call sent when that many were in flight may have waited at the upstream: its time belongs to
// TTFT.ObserveBusy. At the least limit nothing is busy, or a slower engine would never become the new floor.
func (g *Gradient) Busy(inflight int) bool {
	return float64(inflight) > max(float64(g.o.Min), g.limit/2)
}

// Observe takes one sample: ratio as TTFT.Observe returned it, inflight as it was when the call was sent, itself included.
func (g *Gradient) Observe(ratio float64, inflight int) {
	if !(ratio > 0) || math.IsInf(ratio, 0) {
		return
	}
	g.peak = max(g.peak, inflight)
	g.samples = append(g.samples, ratio)
	if len(g.samples) < min(gradientWindow, max(gradientSamples, int(g.limit))) {
		return
	}
	slices.Sort(g.samples)
	m := g.samples[len(g.samples)/2]
	slope := min(1, max(gradientLeast, gradientTolerance/m))
	next := g.limit + gradientSmooth*(slope*g.limit+math.Sqrt(g.limit)-g.limit)
	if next < g.limit || float64(g.peak) >= g.limit/2 {
		g.set(next)
	}
	g.samples, g.peak = g.samples[:0], 0
}

// Refused tells that the upstream refused a call sent at sentAt because it was full. Calls sent before the last cut do not cut
// again.
func (g *Gradient) Refused(now, sentAt time.Time) {
	if !g.cutAt.IsZero() && sentAt.Before(g.cutAt) {
		return
	}
	g.cutAt = now
	g.set(g.limit * aimdCut)
	g.samples, g.peak = g.samples[:0], 0
}

func (g *Gradient) set(v float64) {
	g.limit = min(float64(g.o.Max), max(float64(g.o.Min), v))
}
