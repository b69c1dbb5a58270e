package set

import "math"

// A Score is how well rankings found the evidence: means over the questions that have any, 0 to 1.
type Score struct {
	Questions                         int
	Any5, Any10, Any20, Recall10, MRR float64
}

// Add counts a question's evidence by its ranks, from 0; -1 is not found.
func (s *Score) Add(ranks []int) {
	if len(ranks) == 0 {
		return
	}
	best, in := math.MaxInt, 0
	for _, r := range ranks {
		if r < 0 {
			continue
		}
		best = min(best, r)
		if r < 10 {
			in++
		}
	}
	s.Questions++
	s.Any5 += one(best < 5)
	s.Any10 += one(best < 10)
	s.Any20 += one(best < 20)
	s.Recall10 += float64(in) / float64(len(ranks))
	if best < math.MaxInt {
		s.MRR += 1 / float64(best+1)
	}
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Mean is the score for a question.
func (s Score) Mean() Score {
	n := float64(max(1, s.Questions))
	return Score{s.Questions, s.Any5 / n, s.Any10 / n, s.Any20 / n, s.Recall10 / n, s.MRR / n}
}
