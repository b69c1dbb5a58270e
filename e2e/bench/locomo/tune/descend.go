package main

import (
	"math"
	"slices"
	"sync"

	"github.com/trapgate/trapgate/memory/index"
)

// sharp is how steep the softmax over scores is, which are about 0 to 1.
const sharp = 12

// descend finds weights by gradient descent (Adam) on the listwise loss of ListNet (Cao and others, Learning to Rank, 2007): the
// cross entropy between the evidence and a softmax over the scores. It is smooth where the figures are steps; climb goes on from there.
func descend(use []*problem, start []float32, steps int) []float32 {
	w := slices.Clone(start)
	var m, v [index.NumLegs]float64
	for step := 1; step <= steps; step++ {
		grad := gradient(use, w)
		rate := .01 * math.Cos(float64(step)/float64(steps)*math.Pi/2)
		for i, n := range index.Legs() {
			if never[n] {
				continue
			}
			g := grad[i] + .002*float64(w[i])
			m[i] = .9*m[i] + .1*g
			v[i] = .99*v[i] + .01*g*g
			mh, vh := m[i]/(1-math.Pow(.9, float64(step))), v[i]/(1-math.Pow(.99, float64(step)))
			w[i] -= float32(rate * mh / (math.Sqrt(vh) + 1e-9))
		}
	}
	return w
}

func gradient(use []*problem, w []float32) (sum [index.NumLegs]float64) {
	const parts = 2
	var grads [parts][index.NumLegs]float64
	var wait sync.WaitGroup
	for part := range parts {
		wait.Go(func() {
			for i := part; i < len(use); i += parts {
				use[i].gradient(w, &grads[part])
			}
		})
	}
	wait.Wait()
	for _, g := range grads {
		for i := range g {
			sum[i] += g[i] / float64(len(use))
		}
	}
	return sum
}

func (p *problem) gradient(w []float32, sum *[index.NumLegs]float64) {
	if p.records == 0 {
		return
	}
	s := make([]float32, p.records)
	for leg := range w {
		addScaled(s, p.legs[leg], w[leg])
	}
	top := slices.Max(s)
	var total float64
	for i := range s {
		e := math.Exp(sharp * float64(s[i]-top))
		s[i] = float32(e)
		total += e
	}
	for i := range s {
		s[i] /= float32(total)
	}
	share := float32(1 / float64(len(p.gold)))
	for _, g := range p.gold {
		if g >= 0 {
			s[g] -= share
		}
	}
	for leg, l := range p.legs {
		if l == nil {
			continue
		}
		var d float32
		l = l[:len(s)]
		for i := range s {
			d += s[i] * l[i]
		}
		sum[leg] += sharp * float64(d)
	}
}
