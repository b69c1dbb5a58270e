package main

import (
	"fmt"
	"slices"
	"sync"

	"github.com/trapgate/trapgate/e2e/bench/locomo/internal/set"
	"github.com/trapgate/trapgate/memory/index"
)

// A state is the problems under one set of weights.
type state struct {
	problems []*problem
	weights  []float32
	scores   [][]float32
}

func newState(problems []*problem, weights []float32) *state {
	s := &state{problems: problems, weights: slices.Clone(weights)}
	for _, p := range problems {
		v := make([]float32, p.records)
		for leg, w := range weights {
			addScaled(v, p.legs[leg], w)
		}
		s.scores = append(s.scores, v)
	}
	return s
}

func addScaled(v, leg []float32, w float32) {
	if leg == nil || w == 0 {
		return
	}
	leg = leg[:len(v)]
	for i := range v {
		v[i] += w * leg[i]
	}
}

// with is what the problems would be worth if a weight were changed.
func (s *state) with(leg int, by float32) float64 {
	var sum [2]float64
	var n [2]float64
	var room []float32
	for i, p := range s.problems {
		v := s.scores[i]
		if p.legs[leg] != nil && by != 0 {
			room = append(room[:0], v...)
			addScaled(room, p.legs[leg], by)
			v = room
		}
		w := worth(p, v)
		sum[0] += w
		n[0]++
		if p.category == 1 {
			sum[1] += w
			n[1]++
		}
	}
	// Multi-hop questions are few and the hardest: they count for a little more than their number.
	return .85*sum[0]/n[0] + .15*sum[1]/max(1, n[1])
}

func (s *state) change(leg int, by float32) {
	s.weights[leg] += by
	for i, p := range s.problems {
		addScaled(s.scores[i], p.legs[leg], by)
	}
}

// worth is smoother than any one of the figures, so that ascent does not follow the noise of a single rank.
func worth(p *problem, v []float32) float64 {
	var recall float64
	best := 1 << 30
	for _, r := range ranks(p, v) {
		if r < 0 {
			continue
		}
		best = min(best, r)
		for _, k := range [...]int{5, 8, 10, 12, 16, 24} {
			if r < k {
				recall += 1. / 6
			}
		}
	}
	any := 0.
	for _, k := range [...]int{4, 5, 6, 8, 10, 12} {
		if best < k {
			any += 1. / 6
		}
	}
	return .45*recall/float64(len(p.gold)) + .4*any + .15/float64(best+1)
}

func ranks(p *problem, v []float32) []int {
	var room [32]int
	out := room[:0]
	for _, g := range p.gold {
		if g < 0 {
			out = append(out, -1)
			continue
		}
		rank, own := 0, v[g]
		for i, s := range v {
			if s > own || s == own && i < g {
				rank++
			}
		}
		out = append(out, rank)
	}
	return out
}

// never are legs that this set cannot tell anything about: their weights stay.
var never = map[string]bool{"trust": true, "recent": true, "fact": true}

func ascend(problems []problem, start []float32, rounds int) []float32 {
	var use []*problem
	for i := range problems {
		use = append(use, &problems[i])
	}
	return climb(use, start, rounds)
}

func climb(use []*problem, start []float32, rounds int) []float32 {
	start = descend(use, start, 120)
	if rounds == 0 {
		return start
	}
	s := newState(use, start)
	now := s.with(0, 0)
	for step := float32(.08); rounds > 0; rounds-- {
		moved := false
		for leg, name := range index.Legs() {
			if never[name] {
				continue
			}
			best, by := now+1e-5, float32(0)
			for _, d := range [...]float32{-2, -1, -.5, .5, 1, 2} {
				if v := s.with(leg, d*step); v > best {
					best, by = v, d*step
				}
			}
			if w := s.weights[leg]; w != 0 { // a leg that is worth nothing is left out
				if v := s.with(leg, -w); v >= best-2e-5 {
					best, by = v, -w
				}
			}
			if by != 0 {
				s.change(leg, by)
				now, moved = best, true
			}
		}
		if !moved || rounds%2 == 0 {
			step *= .6
		}
	}
	return s.weights
}

func leaveOneOut(problems []problem, conversations int, start []float32, rounds int) [][]float32 {
	out := make([][]float32, conversations)
	var wait sync.WaitGroup
	for c := range conversations {
		wait.Go(func() {
			var use []*problem
			for i := range problems {
				if problems[i].conversation != c {
					use = append(use, &problems[i])
				}
			}
			out[c] = climb(use, start, rounds)
		})
	}
	wait.Wait()
	return out
}

func score(problems []problem, weights func(conversation int) []float32) (all set.Score, by [6]set.Score) {
	for i := range problems {
		p := &problems[i]
		s := newState([]*problem{p}, weights(p.conversation))
		r := ranks(p, s.scores[0])
		all.Add(r)
		by[p.category].Add(r)
	}
	all = all.Mean()
	for i := range by {
		by[i] = by[i].Mean()
	}
	return all, by
}

func report(title string, problems []problem, weights func(int) []float32) {
	all, by := score(problems, weights)
	fmt.Printf("%-14s any@5 %.1f any@10 %.1f any@20 %.1f recall@10 %.1f MRR %.1f | recall@10",
		title, 100*all.Any5, 100*all.Any10, 100*all.Any20, 100*all.Recall10, 100*all.MRR)
	for c := 1; c <= 5; c++ {
		fmt.Printf(" %s %.1f", set.Category(c), 100*by[c].Recall10)
	}
	fmt.Println()
}

func ablate(problems []problem, weights []float32) {
	base, _ := score(problems, func(int) []float32 { return weights })
	for i, n := range index.Legs() {
		if weights[i] == 0 {
			continue
		}
		w := slices.Clone(weights)
		w[i] = 0
		s, _ := score(problems, func(int) []float32 { return w })
		fmt.Printf("without %-9s any@10 %+.1f recall@10 %+.1f any@5 %+.1f MRR %+.1f\n",
			n, 100*(s.Any10-base.Any10), 100*(s.Recall10-base.Recall10), 100*(s.Any5-base.Any5), 100*(s.MRR-base.MRR))
	}
}

// start is where ascent begins: by hand, so that nothing of a conversation that is left out is in it.
func start() (w [index.NumLegs]float32) {
	by := map[string]float32{
		"turn": .2, "wide": .5, "session": .25, "letters": .3, "meaning": .1, "answer": .2, "date": .3, "speaker": .1, "question": -.1,
		"time": .1, "own": .05, "length": .1, "recent": .01, "trust": .01,
	}
	for i, n := range index.Legs() {
		w[i] = by[n]
	}
	return w
}
