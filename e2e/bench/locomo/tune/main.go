// Command tune finds the weights of memory/index on a question set, a number for each leg, by descent on a smooth loss and then by
// coordinate ascent on the figures, and measures them by leaving one conversation out: those that a conversation is ranked with were
// found on the others. The shapes of the legs were tried one at a time (--shapes) and are flat.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/locomo/internal/set"
	"github.com/trapgate/trapgate/memory/index"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A problem is a question and what each leg measured of each record.
type problem struct {
	conversation, category int
	text                   string
	records                int
	gold                   []int       // places of the evidence among the records; -1: no leg found it
	legs                   [][]float32 // by leg, by record; nil where all are 0
	ids                    []string
	say                    func(id string) string
}

func main() {
	data := flag.String("data", "../shared/data/locomo_dev.json", "question set")
	rounds := flag.Int("rounds", 2, "rounds of ascent; more fit the set better, and what is left out worse")
	out := flag.Bool("final", false, "also tune on all conversations and print the weights")
	shapes := flag.Bool("shapes", false, "try changes of the shapes")
	cache := flag.String("vectors", "", "JSON object of texts and their embeddings: tune the weights for embeddings")
	floor := flag.Bool("floor", false, "calibrate the floor of the weights as they are")
	misses := flag.Bool("misses", false, "print what was missed")
	flag.Parse()
	sets, err := set.Read(*data)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	w := index.Default
	if *floor {
		calibrate(sets, &w)
		return
	}
	w.Legs = start()
	vectors, err := readVectors(*cache)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if vectors != nil {
		w.Dense = w.Legs
		w.Dense[slices.Index(index.Legs(), "dense")], w.Dense[slices.Index(index.Legs(), "densenear")] = .2, .2
		w.Legs = w.Dense
	}
	began := time.Now()
	problems := extract(sets, &w, vectors)
	fmt.Printf("%d questions, legs measured in %v\n", len(problems), time.Since(began).Round(time.Millisecond))
	report("as they are", problems, func(int) []float32 { return w.Legs[:] })
	if *shapes {
		tryShapes(sets, w, vectors)
		return
	}
	per := leaveOneOut(problems, len(sets), w.Legs[:], *rounds)
	report("one left out", problems, func(c int) []float32 { return per[c] })
	if *out {
		final := ascend(problems, w.Legs[:], *rounds)
		report("on all", problems, func(int) []float32 { return final })
		for i, n := range index.Legs() {
			if final[i] != 0 {
				fmt.Printf("%s: %.4g, ", n, final[i])
			}
		}
		fmt.Println()
		if *misses {
			miss(problems, final)
			return
		}
		ablate(problems, final)
	}
}

func extract(sets []set.Conversation, w *index.Weights, vectors map[string][]float32) []problem {
	all := make([][]problem, len(sets))
	var wait sync.WaitGroup
	for i := range sets {
		wait.Go(func() { all[i] = measure(i, &sets[i], w, vectors) })
	}
	wait.Wait()
	var out []problem
	for _, p := range all {
		out = append(out, p...)
	}
	return out
}

func measure(n int, c *set.Conversation, w *index.Weights, vectors map[string][]float32) (out []problem) {
	x := index.New(index.Options{Weights: w})
	scope := record.Scope{Tenant: "t", User: c.ID}
	turn := map[record.ID]string{}
	text := map[string]string{}
	say := func(id string) string { return text[id] }
	total := 0
	for _, r := range c.Records(scope) {
		r.Record.Vector, r.Record.Model = vectors[embedded(r.Record)], "cached"
		x.Put(r.Record)
		turn[r.Record.ID] = r.Turn
		text[r.Turn] = r.Record.Speaker + ": " + r.Record.Text
		total++
	}
	for _, q := range c.Questions {
		if len(q.Evidence) == 0 {
			continue
		}
		query := &store.Query{Text: q.Text, Vector: vectors[q.Text], Model: "cached", Limit: total, Now: c.End()}
		hits := x.Search(context.Background(), scope, query)
		p := problem{
			say: say, conversation: n, category: q.Category, text: q.Text, records: len(hits), legs: make([][]float32, len(index.Legs())),
		}
		at := map[string]int{}
		for i, h := range hits {
			p.ids = append(p.ids, turn[h.Record.ID])
			at[turn[h.Record.ID]] = i
			for j, l := range h.Legs {
				if l.Value != 0 {
					if p.legs[j] == nil {
						p.legs[j] = make([]float32, len(hits))
					}
					p.legs[j][i] = l.Value
				}
			}
		}
		for _, e := range q.Evidence {
			if i, ok := at[e]; ok {
				p.gold = append(p.gold, i)
			} else {
				p.gold = append(p.gold, -1)
			}
		}
		out = append(out, p)
	}
	return out
}

func miss(problems []problem, w []float32) {
	for i := range problems {
		p := &problems[i]
		s := newState([]*problem{p}, w)
		r := ranks(p, s.scores[0])
		bad := false
		for _, k := range r {
			bad = bad || k < 0 || k >= 10
		}
		if !bad {
			continue
		}
		fmt.Printf("\n[%s] %s\n", set.Category(p.category), p.text)
		for j, g := range p.gold {
			id := "-"
			if g >= 0 {
				id = p.ids[g]
			}
			fmt.Printf("   #%d %s %s\n", r[j], id, p.say(id))
		}
	}
}
