package qdrant

import (
	"context"
	"sync"
	"time"

	"github.com/trapgate/trapgate/memory/index"
	"github.com/trapgate/trapgate/memory/record"
)

const (
	countsKept = 30 * time.Second // how long a count is good enough: weights change with its logarithm
	mostCounts = 1 << 16
)

// counts remembers statistics of spaces, which are numbers only.
type counts struct {
	now func() time.Time
	mu  sync.Mutex
	of  map[countKey]counted
}

type countKey struct {
	space string
	dim   uint32
	whole bool // of the space itself, not of a term
}

type counted struct {
	at     time.Time
	n      int
	length float64 // of whole: terms of a record, on average
}

func (c *counts) init(now func() time.Time) { c.now, c.of = now, map[countKey]counted{} }

func (c *counts) get(k countKey) (counted, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.of[k]
	return v, ok && c.now().Sub(v.at).Abs() < countsKept // a clock may go backwards
}

func (c *counts) put(k countKey, v counted) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.of) >= mostCounts {
		clear(c.of)
	}
	v.at = c.now()
	c.of[k] = v
}

// statistics are those of a space for some terms: how many records have each, counted exactly by the server, all calls at the same
// time, and what was counted a moment ago not again.
func (s *Store) statistics(ctx context.Context, space record.Space, terms []string) (*index.Stats, map[string]int, error) {
	name := spaceName(space)
	df := make(map[string]int, len(terms))
	var whole counted
	var mu sync.Mutex
	var all sync.WaitGroup
	var failed error
	run := func(k countKey, count func() (counted, error), use func(counted)) {
		if v, ok := s.counts.get(k); ok {
			mu.Lock()
			defer mu.Unlock()
			use(v)
			return
		}
		all.Go(func() {
			v, err := count()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
				return
			}
			s.counts.put(k, v)
			use(v)
		})
	}
	run(countKey{space: name, whole: true}, func() (counted, error) { return s.lengths(ctx, space) }, func(v counted) { whole = v })
	for _, t := range terms {
		k := countKey{space: name, dim: dimOf(t)}
		run(k, func() (counted, error) {
			n, err := s.count(ctx, append(within(space), isInt(fTerms, int64(k.dim)))...)
			return counted{n: n}, err
		}, func(v counted) { df[t] = v.n })
	}
	all.Wait()
	if failed != nil {
		return nil, nil, failed
	}
	return &index.Stats{Records: whole.n, Length: whole.length, DF: func(term string) int { return df[term] }}, df, nil
}

// lengths counts the records of a space by how many terms they have.
func (s *Store) lengths(ctx context.Context, space record.Space) (v counted, err error) {
	groups, err := s.facet(ctx, fLength, within(space)...)
	sum := 0.0
	for _, g := range groups {
		v.n += int(g.GetCount())
		sum += float64(g.GetCount()) * float64(g.GetValue().GetIntegerValue())
	}
	if v.n > 0 {
		v.length = sum / float64(v.n)
	}
	return v, err
}
