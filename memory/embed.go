package memory

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

const (
	denseShare  = 0.6 // of a recall's deadline, for the question's embedding; the rest is for the search
	embedBatch  = 32  // texts
	embedPause  = 50 * time.Millisecond
	embedWithin = 30 * time.Second
	embedAgain  = time.Minute // after an error
)

// A vectorKey names an embedded question. Tenants share none, so that none can tell what another asked by how fast it is answered.
type vectorKey struct {
	tenant, model string
	text          xxh3.Uint128
}

// embedQuestion returns the question's vector, if it comes in time.
func (e *Engine) embedQuestion(ctx context.Context, q *Question, text string) ([]float32, string, Dense) {
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
	ctx, cancel := context.WithTimeout(ctx, time.Duration(float64(e.opt.Deadline)*denseShare))
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

// tenants are those that may have records without a vector: those that stored something, and each one when it is first seen.
type tenants struct {
	mu    sync.Mutex
	seen  map[string]bool
	todo  map[string]bool
	ready chan struct{}
}

func (t *tenants) init() {
	t.seen, t.todo, t.ready = map[string]bool{}, map[string]bool{}, make(chan struct{}, 1)
}

// maxTenants bounds how many are kept in mind: then all are forgotten, and seen first again.
const maxTenants = 4096

func (t *tenants) add(tenant string, stored bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !stored && t.seen[tenant] {
		return
	}
	if len(t.seen) >= maxTenants {
		clear(t.seen)
	}
	tenant = strings.Clone(tenant)
	t.seen[tenant], t.todo[tenant] = true, true
	signal(t.ready)
}

func (t *tenants) take() (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for tenant := range t.todo {
		delete(t.todo, tenant)
		return tenant, true
	}
	return "", false
}

// embedLoop gives vectors to what was stored without one, a batch at a time, with pauses.
func (e *Engine) embedLoop() {
	for {
		select {
		case <-e.tenants.ready:
		case <-e.life.Done():
			return
		}
		for tenant, ok := e.tenants.take(); ok; tenant, ok = e.tenants.take() {
			if err := e.embedStored(tenant); err != nil && e.life.Err() == nil {
				e.opt.Log.Warn("memory: texts were not embedded", "error", err)
				if !pause(e.life, embedAgain) {
					return
				}
				e.tenants.add(tenant, true)
			}
		}
	}
}

// embedStored embeds all of a tenant's records that have no vector of the model.
func (e *Engine) embedStored(tenant string) error {
	for pause(e.life, embedPause) {
		n, err := e.embedSome(tenant)
		if err != nil || n == 0 {
			return err
		}
	}
	return nil
}

// embedSome embeds one batch and returns how many got a vector.
func (e *Engine) embedSome(tenant string) (int, error) {
	ctx, cancel := context.WithTimeout(e.life, embedWithin)
	defer cancel()
	model := e.opt.Embed.Model()
	bare, err := e.opt.Store.Bare(ctx, tenant, model, embedBatch)
	if err != nil || len(bare) == 0 {
		return 0, err
	}
	texts := make([]string, len(bare))
	for i, r := range bare {
		texts[i] = embedText(r)
	}
	vectors, err := embed(ctx, e.opt.Embed, tenant, texts)
	if err != nil {
		return 0, err
	}
	c := store.Changes{Tenant: tenant, At: e.opt.Now()}
	for i, v := range vectors {
		if v != nil {
			c.Vectors = append(c.Vectors, store.Vector{ID: bare[i].ID, Model: model, Unit: v})
		}
	}
	if len(c.Vectors) == 0 {
		return 0, errors.New("the embedder has no vector for any of the texts")
	}
	// A record that was forgotten meanwhile does not stand, so its vector is left out by the store.
	return len(c.Vectors), e.opt.Store.Apply(ctx, c)
}

// embedText is what stands for a record: its words, and who said them and when, which questions ask for.
func embedText(r *record.Record) string {
	const most = 2 << 10
	text := r.Text
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
	}
	who := r.Speaker
	if who == "" {
		who = r.Role.String()
	}
	return date(r.Said) + " " + who + ": " + text
}
