package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

const (
	embedBatch  = 32 // texts
	embedPause  = 50 * time.Millisecond
	embedWithin = 30 * time.Second
	embedAgain  = time.Minute // after an error
	mostBlank   = 1024        // records that are known to get no vector
)

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
	blank := 0
	most := embedBatch // texts that come in time
	for size := most; pause(e.life, embedPause); {
		bare, err := e.embedSome(tenant, size)
		switch {
		case err == nil && len(bare) == 0:
			return nil
		case err == nil:
			size = min(2*size, most)
		case len(bare) > 1 && errors.Is(err, context.DeadlineExceeded):
			most = len(bare) / 2
			size = most
		case len(bare) > 1 && ofTexts(err): // one of them is
			size = len(bare) / 2
		case len(bare) == 1 && ofTexts(err):
			e.blank.Add(bare[0].ID, struct{}{})
			if blank++; blank > mostBlank {
				return fmt.Errorf("%d texts were refused, at last: %w", blank, err)
			}
		default:
			return err
		}
	}
	return nil
}

// ofTexts reports whether an embedder refuses texts for what they are, so that asking again is in vain.
func ofTexts(err error) bool {
	var refused interface{ OfTexts() bool }
	return errors.As(err, &refused) && refused.OfTexts()
}

// embedSome embeds one batch and returns what was in it. Texts without a direction are not asked for again.
func (e *Engine) embedSome(tenant string, size int) ([]*record.Record, error) {
	ctx, cancel := context.WithTimeout(e.life, embedWithin)
	defer cancel()
	model := e.opt.Embed.Model()
	bare, err := e.opt.Store.Bare(ctx, tenant, model, size+e.blank.Len())
	if err != nil {
		return nil, err
	}
	bare = slices.DeleteFunc(bare, func(r *record.Record) bool { return e.blank.Contains(r.ID) })
	if bare = bare[:min(size, len(bare))]; len(bare) == 0 {
		return nil, nil
	}
	texts := make([]string, len(bare))
	for i, r := range bare {
		texts[i] = embedText(r)
	}
	vectors, err := embed(ctx, e.opt.Embed, tenant, texts)
	if err != nil {
		return bare, err
	}
	c := store.Changes{Tenant: tenant, At: e.opt.Now()}
	for i, v := range vectors {
		if v == nil {
			e.blank.Add(bare[i].ID, struct{}{})
			continue
		}
		c.Vectors = append(c.Vectors, store.Vector{ID: bare[i].ID, Model: model, Unit: v})
	}
	if len(c.Vectors) == 0 {
		return bare, nil
	}
	// A record that was forgotten meanwhile does not stand, so its vector is left out by the store.
	return bare, e.opt.Store.Apply(ctx, c)
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
