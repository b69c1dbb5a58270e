package memory

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/zeebo/xxh3"
)

const (
	denseShare   = 0.6             // of a recall's deadline, for the question's embedding; the rest is for the search
	searchWithin = 5 * time.Second // for that of an operator's search, who waits
)

// A vectorKey names an embedded question. Tenants share none, so that none can tell what another asked by how fast it is answered.
type vectorKey struct {
	tenant, model string
	text          xxh3.Uint128
}

// embedQuestion returns the question's vector, if it comes in time.
func (e *Engine) embedQuestion(ctx context.Context, q *Question, text string, within time.Duration) ([]float32, string, Dense) {
	by := q.Embed
	if by == nil {
		by = e.opt.Embed
	}
	if by == nil {
		return nil, "", DenseOff
	}
	model := by.Model()
	key := vectorKey{strings.Clone(q.Scope.Tenant), model, xxh3.HashString128(text)}
	if v, ok := e.vectors.Get(key); ok {
		return v, model, DenseUsed
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	type answer struct {
		vectors [][]float32
		err     error
	}
	done := make(chan answer, 1)
	tenant, text := key.tenant, strings.Clone(text)
	go func() {
		v, err := embed(ctx, by, tenant, []string{text})
		done <- answer{v, err}
	}()
	select {
	case a := <-done:
		if a.err == nil && a.vectors[0] != nil {
			e.vectors.Add(key, a.vectors[0])
			return a.vectors[0], model, DenseUsed
		}
		if ctx.Err() == nil {
			return nil, "", DenseFailed
		}
	case <-ctx.Done():
	}
	return nil, "", DenseLate
}

// embed asks an embedder, and makes its vectors' length 1. A vector of no direction is nil.
func embed(ctx context.Context, by Embedder, tenant string, texts []string) (vectors [][]float32, err error) {
	defer func() {
		if p := recover(); p != nil {
			vectors, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	vectors, err = by.Embed(ctx, tenant, texts)
	if err == nil && len(vectors) != len(texts) {
		err = fmt.Errorf("%d vectors for %d texts", len(vectors), len(texts))
	}
	if err != nil {
		return nil, err
	}
	units := make([][]float32, len(vectors))
	for i := range vectors {
		units[i] = unit(vectors[i])
	}
	return units, nil
}

func unit(v []float32) []float32 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum == 0 || math.IsNaN(sum) || math.IsInf(sum, 0) {
		return nil
	}
	scale := float32(1 / math.Sqrt(sum))
	u := make([]float32, len(v))
	for i, x := range v {
		u[i] = x * scale
	}
	return u
}
