package qdranttest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	pb "github.com/qdrant/go-client/qdrant"
)

// read runs f on the points of a filter, in the order of their IDs.
func (m *Memory) read(name string, f *pb.Filter, use func(*collection, []*point) error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	c, err := m.find(name)
	if err != nil {
		return err
	}
	all, err := c.filtered(f)
	if err != nil {
		return err
	}
	return use(c, all)
}

// Count counts exactly, whether or not that is asked for.
func (m *Memory) Count(q *pb.CountPoints) (n uint64, err error) {
	err = m.read(q.GetCollectionName(), q.GetFilter(), func(_ *collection, all []*point) error {
		n = uint64(len(all))
		return nil
	})
	return n, err
}

// Facet counts the points that have a value, each once for each different value of its list.
func (m *Memory) Facet(q *pb.FacetCounts) (hits []*pb.FacetHit, err error) {
	err = m.read(q.GetCollectionName(), q.GetFilter(), func(c *collection, all []*point) error {
		if c.indexes[q.GetKey()] == nil {
			return fmt.Errorf("an index is required but not found for %q of one of the following types: [keyword, integer]", q.GetKey())
		}
		counts := map[string]*pb.FacetHit{}
		for _, p := range all {
			seen := map[string]bool{}
			for _, v := range elements(p.payload[q.GetKey()]) {
				value := pb.NewFacetValue(v.GetStringValue())
				if n, ok := v.GetKind().(*pb.Value_IntegerValue); ok {
					value = &pb.FacetValue{Variant: &pb.FacetValue_IntegerValue{IntegerValue: n.IntegerValue}}
				}
				if name := value.String(); !seen[name] {
					seen[name] = true
					if counts[name] == nil {
						counts[name] = &pb.FacetHit{Value: value}
					}
					counts[name].Count++
				}
			}
		}
		for _, hit := range counts {
			hits = append(hits, hit)
		}
		return nil
	})
	slices.SortFunc(hits, func(a, b *pb.FacetHit) int {
		return cmp.Or(cmp.Compare(b.GetCount(), a.GetCount()), cmp.Compare(a.GetValue().String(), b.GetValue().String()))
	})
	return hits[:min(len(hits), int(q.GetLimit()))], err
}

// Scroll goes through points by ID, from Offset on, or by a field.
func (m *Memory) Scroll(q *pb.ScrollPoints) (resp *pb.ScrollResponse, err error) {
	resp = &pb.ScrollResponse{}
	limit := 10
	if q.Limit != nil {
		limit = int(q.GetLimit())
	}
	err = m.read(q.GetCollectionName(), q.GetFilter(), func(c *collection, all []*point) error {
		if q.GetOrderBy() != nil {
			if all, err = c.orderBy(q.GetOrderBy(), all); err != nil {
				return err
			}
		} else if q.GetOffset() != nil {
			from, _ := slices.BinarySearchFunc(all, key(q.GetOffset()), func(p *point, id string) int { return cmp.Compare(p.key, id) })
			all = all[from:]
		}
		if len(all) > limit {
			if q.GetOrderBy() == nil {
				resp.NextPageOffset = all[limit].id
			}
			all = all[:limit]
		}
		for _, p := range all {
			resp.Result = append(resp.Result, &pb.RetrievedPoint{
				Id: p.id, Payload: p.shown(q.GetWithPayload()), Vectors: p.vectorsShown(q.GetWithVectors()),
			})
		}
		return nil
	})
	return resp, err
}

// orderBy sorts by a number or a time, and leaves out points that have none.
func (c *collection) orderBy(o *pb.OrderBy, all []*point) ([]*point, error) {
	if c.indexes[o.GetKey()] == nil {
		return nil, fmt.Errorf("there is no range index for `order_by` key: `%s`", o.GetKey())
	}
	sign, from := 1.0, math.Inf(-1)
	if o.GetDirection() == pb.Direction_Desc {
		sign = -1
	}
	if s := o.GetStartFrom(); s != nil {
		from = sign * float64(s.GetInteger())
	}
	value := func(p *point) float64 {
		switch v := p.payload[o.GetKey()].GetKind().(type) {
		case *pb.Value_IntegerValue:
			return sign * float64(v.IntegerValue)
		case *pb.Value_StringValue:
			if t, err := time.Parse(time.RFC3339Nano, v.StringValue); err == nil {
				return sign * float64(t.UnixMicro())
			}
		}
		return math.NaN()
	}
	kept := slices.DeleteFunc(slices.Clone(all), func(p *point) bool { return !(value(p) >= from) })
	slices.SortStableFunc(kept, func(a, b *point) int { return cmp.Compare(value(a), value(b)) })
	return kept, nil
}

// Query finds the nearest points to a vector: those of a sparse one have at least one dimension in common with it. It searches
// exactly.
func (m *Memory) Query(q *pb.QueryPoints) (hits []*pb.ScoredPoint, err error) {
	nearest := q.GetQuery().GetNearest()
	if nearest == nil && q.GetQuery().GetVariant() != nil || len(q.GetPrefetch()) > 0 || q.ScoreThreshold != nil {
		return nil, fmt.Errorf("query %T is not known here", q.GetQuery().GetVariant())
	}
	limit := 10
	if q.Limit != nil {
		limit = int(q.GetLimit())
	}
	err = m.read(q.GetCollectionName(), q.GetFilter(), func(c *collection, all []*point) error {
		for _, p := range all {
			score, ok, err := c.score(nearest, q.GetUsing(), p)
			if err != nil {
				return err
			}
			if ok {
				hits = append(hits, &pb.ScoredPoint{
					Id: p.id, Score: score, Payload: p.shown(q.GetWithPayload()), Vectors: p.vectorsShown(q.GetWithVectors()),
				})
			}
		}
		return nil
	})
	slices.SortStableFunc(hits, func(a, b *pb.ScoredPoint) int { return cmp.Compare(b.GetScore(), a.GetScore()) })
	return hits[:min(len(hits), limit)], err
}

func (c *collection) score(q *pb.VectorInput, using string, p *point) (score float32, ok bool, err error) {
	v := p.vectors[using]
	switch {
	case q == nil:
		return 0, true, nil
	case q.GetSparse() != nil:
		if c.made.GetSparseVectorsConfig().GetMap()[using] == nil {
			return 0, false, fmt.Errorf("no vector is named %q", using)
		}
		score, ok = sparseDot(q.GetSparse(), v.GetSparse())
		return score, ok, nil
	case q.GetDense() != nil:
		params := c.made.GetVectorsConfig().GetParamsMap().GetMap()[using]
		if params == nil || int(params.GetSize()) != len(q.GetDense().GetData()) {
			return 0, false, fmt.Errorf("no vector %q of %d dimensions", using, len(q.GetDense().GetData()))
		}
		if params.GetDistance() != pb.Distance_Dot {
			return 0, false, fmt.Errorf("distance %v is not known here", params.GetDistance())
		}
		for i, x := range v.GetDense().GetData() {
			score += x * q.GetDense().GetData()[i]
		}
		return score, v.GetDense() != nil, nil
	}
	return 0, false, fmt.Errorf("vector %T is not known here", q.GetVariant())
}

func sparseDot(q, v *pb.SparseVector) (score float32, ok bool) {
	if v == nil {
		return 0, false
	}
	weights := make(map[uint32]float32, len(q.GetIndices()))
	for i, dim := range q.GetIndices() {
		weights[dim] = q.GetValues()[i]
	}
	for i, dim := range v.GetIndices() {
		if w, there := weights[dim]; there {
			score += w * v.GetValues()[i]
			ok = true
		}
	}
	return score, ok
}

func (p *point) shown(s *pb.WithPayloadSelector) map[string]*pb.Value {
	switch o := s.GetSelectorOptions().(type) {
	case *pb.WithPayloadSelector_Enable:
		if o.Enable {
			return p.payload
		}
	case *pb.WithPayloadSelector_Include:
		shown := map[string]*pb.Value{}
		for _, name := range o.Include.GetFields() {
			if v, ok := p.payload[name]; ok {
				shown[name] = v
			}
		}
		return shown
	case *pb.WithPayloadSelector_Exclude:
		shown := map[string]*pb.Value{}
		for name, v := range p.payload {
			if !slices.Contains(o.Exclude.GetFields(), name) {
				shown[name] = v
			}
		}
		return shown
	}
	return nil
}

func (p *point) vectorsShown(s *pb.WithVectorsSelector) *pb.VectorsOutput {
	shown := map[string]*pb.VectorOutput{}
	for name, v := range p.vectors {
		if !s.GetEnable() && !slices.Contains(s.GetInclude().GetNames(), name) {
			continue
		}
		if d := v.GetDense(); d != nil {
			shown[name] = &pb.VectorOutput{Vector: &pb.VectorOutput_Dense{Dense: d}}
		} else {
			shown[name] = &pb.VectorOutput{Vector: &pb.VectorOutput_Sparse{Sparse: v.GetSparse()}}
		}
	}
	if len(shown) == 0 {
		return nil
	}
	return &pb.VectorsOutput{VectorsOptions: &pb.VectorsOutput_Vectors{Vectors: &pb.NamedVectorsOutput{Vectors: shown}}}
}
