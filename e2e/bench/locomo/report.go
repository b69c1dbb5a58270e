package main

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/trapgate/trapgate/e2e/bench/locomo/internal/set"
)

// report prints the figures of all questions that have evidence, and by category.
func report(w io.Writer, conversations []set.Conversation, rankings map[string][][]string) {
	var all set.Score
	by := map[int]*set.Score{}
	for i := range conversations {
		c := &conversations[i]
		for j, q := range c.Questions {
			ranks := make([]int, len(q.Evidence))
			for k, e := range q.Evidence {
				ranks[k] = slices.Index(rankings[c.ID][j], e)
			}
			if by[q.Category] == nil {
				by[q.Category] = &set.Score{}
			}
			by[q.Category].Add(ranks)
			all.Add(ranks)
		}
	}
	fmt.Fprintf(w, "%-12s %9s %6s %6s %6s %9s %6s\n", "", "questions", "any@5", "any@10", "any@20", "recall@10", "MRR")
	line := func(name string, s set.Score) {
		s = s.Mean()
		fmt.Fprintf(w, "%-12s %9d %6.1f %6.1f %6.1f %9.1f %6.1f\n",
			name, s.Questions, 100*s.Any5, 100*s.Any10, 100*s.Any20, 100*s.Recall10, 100*s.MRR)
	}
	for _, n := range slices.Sorted(maps.Keys(by)) {
		line(set.Category(n), *by[n])
	}
	line("all", all)
}
