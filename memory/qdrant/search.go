package qdrant

import (
	"context"
	"math"
	"slices"

	pb "github.com/qdrant/go-client/qdrant"

	"github.com/trapgate/trapgate/memory/index"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

const (
	leastCandidates = 48 // of each leg
	mostAround      = 4096
	reach           = 2 // how far neighbours are fetched, in Seq: as far as windows go
)

// Search asks the server three times: for how many records have each word of the question, for the candidates of each leg (words, runs
// of characters, vectors), and for what stands around the candidates. It ranks them as memory/index does, with the statistics of the
// space. What the scope must not see is left out by the server, and again by the index.
func (s *Store) Search(ctx context.Context, scope record.Scope, q *store.Query) ([]store.Hit, error) {
	if !scope.Valid() || q.Limit <= 0 {
		return nil, ctx.Err()
	}
	if err := s.Ready(ctx); err != nil {
		return nil, err
	}
	terms := distinct(index.Terms(q.Text))
	stats, df, err := s.statistics(ctx, scope.Space(), terms)
	if err != nil {
		return nil, err
	}
	f := &finder{s: s, scope: scope, q: q, known: map[pointID]bool{}, byID: map[record.ID]*record.Record{}}
	f.index = index.New(index.Options{Stats: stats})
	if err := f.candidates(ctx, weigh(terms, df, stats.Records)); err != nil || len(f.rows) == 0 {
		return nil, err
	}
	asked := make(chan error, 1)
	rest := f.beside()
	go func() { asked <- rest.around(ctx) }() // the candidates are read meanwhile
	if err := f.read(ctx, f.rows); err != nil {
		<-asked
		return nil, err
	}
	if err := <-asked; err != nil {
		return nil, err
	}
	if err := f.read(ctx, rest.rows); err != nil {
		return nil, err
	}
	f.close(append(f.rows, rest.rows...))
	hits := f.index.Search(ctx, scope, q)
	return hits, ctx.Err()
}

func distinct(terms []string) []string {
	slices.Sort(terms)
	return slices.Compact(terms)
}

// weights are what the dimensions of a question count.
type weights struct{ words, grams sparse }

// weigh gives each term its inverse document frequency, and spreads that over its runs of characters.
func weigh(terms []string, df map[string]int, records int) (w weights) {
	words, grams := map[uint32]float32{}, map[uint32]float32{}
	for _, t := range terms {
		n, d := float64(max(records, df[t])), float64(df[t])
		idf := float32(math.Log(1 + (n-d+.5)/(d+.5)))
		words[dimOf(t)] = idf
		runs := 0
		eachGram(t, func(uint32) { runs++ })
		eachGram(t, func(dim uint32) { grams[dim] = max(grams[dim], idf/float32(runs)) })
	}
	return weights{sparseOf(words), sparseOf(grams)}
}

// A finder collects what may answer a question.
type finder struct {
	s     *Store
	scope record.Scope
	q     *store.Query
	known map[pointID]bool
	rows  []row
	byID  map[record.ID]*record.Record
	index *index.Index
}

// lookedFor is what a hit must be.
func (f *finder) lookedFor() []cond {
	conds := append(seen(f.scope), unexpired(f.q.Now))
	if !f.q.Past {
		conds = append(conds, either(isInt(fKind, int64(record.Episode)), both(current(f.q.Now)...)))
	}
	return conds
}

func (f *finder) take(r row) {
	if !f.known[r.id] {
		f.known[r.id] = true
		f.rows = append(f.rows, r)
	}
}

// candidates are the union of what the legs find.
func (f *finder) candidates(ctx context.Context, w weights) error {
	limit := pb.PtrOf(uint64(max(leastCandidates, f.q.Limit)))
	filter := all(f.lookedFor()...)
	leg := func(query *pb.Query, using string, filter *pb.Filter) *pb.QueryPoints {
		return &pb.QueryPoints{
			CollectionName: f.s.o.Collection, Query: query, Using: &using, Filter: filter, Limit: limit,
			WithPayload: shown, WithVectors: f.vectors(),
		}
	}
	var legs []*pb.QueryPoints
	if len(w.words.indices) > 0 {
		legs = append(legs,
			leg(pb.NewQuerySparse(w.words.indices, w.words.values), wordsVector, filter),
			leg(pb.NewQuerySparse(w.grams.indices, w.grams.values), gramsVector, filter))
	}
	if f.vectors() != nil {
		own := all(append(f.lookedFor(), is(fModel, f.q.Model))...)
		legs = append(legs, leg(pb.NewQueryDense(f.q.Vector), denseVector(len(f.q.Vector)), own))
	}
	if len(legs) == 0 {
		return nil
	}
	resp, err := call(ctx, f.s, f.s.points.QueryBatch, &pb.QueryBatchPoints{CollectionName: f.s.o.Collection, QueryPoints: legs})
	for _, batch := range resp.GetResult() {
		for _, p := range batch.GetResult() {
			f.take(row{pointID(p.GetId().GetUuid()), p.GetPayload(), p.GetVectors()})
		}
	}
	return err
}

// vectors are the vectors to be returned: those that the question is compared with, if it has a vector that can be.
func (f *finder) vectors() *pb.WithVectorsSelector {
	if len(f.q.Vector) == 0 || f.s.dimsKnown(len(f.q.Vector)) != nil {
		return nil
	}
	return pb.NewWithVectorsInclude(denseVector(len(f.q.Vector)))
}

// A neighbourhood is what stands around the rows of a finder.
type neighbourhood struct {
	f       *finder
	places  map[string][]int64 // of episodes, by session
	sources []pointID          // episodes that facts stand on
	facts   []string
	rows    []row
}

// beside looks at the rows of a finder; around does no more.
func (f *finder) beside() *neighbourhood {
	n := &neighbourhood{f: f, places: map[string][]int64{}}
	for _, row := range f.rows {
		p := row.payload
		if record.Kind(p.getInt(fKind)) == record.Fact {
			n.facts = append(n.facts, p[fID].GetStringValue())
			for _, source := range p.getIDs(fSources) {
				n.sources = append(n.sources, recordPoint(f.scope.Tenant, source))
			}
		} else {
			n.places[p.getStr(fSession)] = append(n.places[p.getStr(fSession)], p.getInt(fSeq))
		}
	}
	return n
}

// around fetches the neighbours of candidates, the episodes that facts stand on, and facts that have taken the place of candidates.
func (n *neighbourhood) around(ctx context.Context) error {
	f := n.f
	var wanted []cond
	if len(n.sources) > 0 {
		wanted = append(wanted, points(n.sources...))
	}
	if len(n.facts) > 0 {
		wanted = append(wanted, pb.NewMatchKeywords(fCloses, n.facts...))
	}
	for session, seqs := range n.places {
		var spans []cond
		for _, span := range spansOf(seqs) {
			spans = append(spans, pb.NewRange(fSeq, &pb.Range{Gte: pb.PtrOf(float64(span[0])), Lte: pb.PtrOf(float64(span[1]))}))
		}
		wanted = append(wanted, both(is(fSession, session), isInt(fKind, int64(record.Episode)), either(spans...)))
	}
	resp, err := call(ctx, f.s, f.s.points.Scroll, &pb.ScrollPoints{
		CollectionName: f.s.o.Collection, Filter: all(append(seen(f.scope), unexpired(f.q.Now), either(wanted...))...),
		Limit: pb.PtrOf(uint32(mostAround)), WithPayload: shown, WithVectors: f.vectors(),
	})
	for _, p := range resp.GetResult() {
		n.rows = append(n.rows, row{pointID(p.GetId().GetUuid()), p.GetPayload(), p.GetVectors()})
	}
	return err
}

// spansOf are the ranges of places that are within reach of the given ones, as few as possible.
func spansOf(seqs []int64) (spans [][2]int64) {
	slices.Sort(seqs)
	for _, seq := range seqs {
		if n := len(spans); n > 0 && seq-reach <= spans[n-1][1]+1 {
			spans[n-1][1] = seq + reach
			continue
		}
		spans = append(spans, [2]int64{seq - reach, seq + reach})
	}
	return spans
}

// read puts rows into the index.
func (f *finder) read(ctx context.Context, rows []row) error {
	for i, row := range rows {
		r, err := recordOf(row.payload)
		if err != nil {
			return err
		}
		if f.byID[r.ID] != nil || !f.scope.Sees(r) {
			continue
		}
		f.byID[r.ID] = r
		f.index.Put(r)
		v := row.vectors.GetVectors().GetVectors()[denseVector(len(f.q.Vector))].GetDense().GetData()
		if len(v) > 0 && r.Model == f.q.Model {
			f.index.SetVector(r.ID, r.Model, v)
		}
		if i%32 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// close ends the facts of which another says that it took their place: see decode.
func (f *finder) close(rows []row) {
	for _, row := range rows {
		for _, c := range closesOf(row.payload) {
			by, old := f.byID[c.By], f.byID[c.ID]
			if by != nil && old != nil && old.Closed.IsZero() {
				closeBy(old, by, c)
			}
		}
	}
}
