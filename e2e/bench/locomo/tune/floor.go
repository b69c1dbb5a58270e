package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/trapgate/trapgate/e2e/bench/locomo/internal/set"
	"github.com/trapgate/trapgate/memory/index"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// calibrate shows how the best score tells a question whose answer is remembered from one whose answer is not: the same question,
// with the names exchanged, asked of every other conversation.
func calibrate(sets []set.Conversation, w *index.Weights) {
	var right, found, nothing []float32
	scope := record.Scope{Tenant: "t", User: "u"}
	for i := range sets {
		x := index.New(index.Options{Weights: w})
		turn := map[record.ID]string{}
		for _, r := range sets[i].Records(scope) {
			x.Put(r.Record)
			turn[r.Record.ID] = r.Turn
		}
		for j := range sets {
			exchange := names(&sets[j], &sets[i])
			for _, q := range sets[j].Questions {
				if len(q.Evidence) == 0 {
					continue
				}
				hits := x.Search(context.Background(), scope, &store.Query{Text: exchange.Replace(q.Text), Limit: 5, Now: sets[i].End()})
				best := float32(0)
				if len(hits) > 0 {
					best = hits[0].Score
				}
				switch {
				case i != j:
					nothing = append(nothing, best)
				default:
					found = append(found, best)
					for _, h := range hits {
						if slices.Contains(q.Evidence, turn[h.Record.ID]) {
							right = append(right, h.Score)
							break
						}
					}
				}
			}
		}
	}
	fmt.Println("floor; % above it: the best where nothing is to be found, the best where something is, evidence in the first five")
	for _, floor := range [...]float32{.1, .15, .2, .25, .3, .35, .38, .4, .45, .5, .55, .6, .7, .8} {
		fmt.Printf("%.2f  %5.1f %5.1f %5.1f\n", floor, above(nothing, floor), above(found, floor), above(right, floor))
	}
}

func above(scores []float32, floor float32) float64 {
	n := 0
	for _, s := range scores {
		if s >= floor {
			n++
		}
	}
	return 100 * float64(n) / float64(max(1, len(scores)))
}

// names puts the speakers of one conversation in the place of another's.
func names(from, to *set.Conversation) *strings.Replacer {
	a, b := from.Speakers(), to.Speakers()
	var pairs []string
	for i := range min(len(a), len(b)) {
		pairs = append(pairs, a[i], b[i])
	}
	return strings.NewReplacer(pairs...)
}
