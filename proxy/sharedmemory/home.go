package sharedmemory

import (
	"context"
	"errors"
	"time"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// An Open finds the store of this process while it holds the data directory, for one call that is under way until release; ErrAway:
// another process does.
type Open func() (s store.Store, release func(), err error)

// A Home is the memory of a data directory, whoever holds it: of this process while it does, else of the one that does. Between two
// holders calls wait a little.
type Home struct {
	open   Open
	client *Client
}

var _ store.Store = (*Home)(nil)

// NewHome makes one. The client is closed with it, the store behind open is not.
func NewHome(open Open, client *Client) *Home { return &Home{open, client} }

// Close ends idle connections.
func (h *Home) Close() error { return h.client.Close() }

// How long a call waits for the next holder, and how often it looks.
const (
	patience = 2 * time.Second
	pause    = 10 * time.Millisecond
)

// do makes a call, again while nobody is there to answer it.
func (h *Home) do(ctx context.Context, f func(store.Store) error) error {
	for end := time.Now().Add(patience); ; {
		err := h.once(f)
		if !errors.Is(err, ErrAway) || time.Now().After(end) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

func (h *Home) once(f func(store.Store) error) error {
	s, release, err := h.open()
	if errors.Is(err, ErrAway) {
		return f(h.client)
	}
	if err != nil {
		return err
	}
	defer release()
	return f(s)
}

// Apply implements store.Store.
func (h *Home) Apply(ctx context.Context, c store.Changes) error {
	return h.do(ctx, func(s store.Store) error { return s.Apply(ctx, c) })
}

// Search implements store.Store.
func (h *Home) Search(ctx context.Context, scope record.Scope, q *store.Query) (hits []store.Hit, err error) {
	err = h.do(ctx, func(s store.Store) (err error) {
		hits, err = s.Search(ctx, scope, q)
		return err
	})
	return hits, err
}

// Near implements store.Store.
func (h *Home) Near(ctx context.Context, scope record.Scope, k record.Kind, sim uint64, bits int) (id record.ID, found bool, err error) {
	err = h.do(ctx, func(s store.Store) (err error) {
		id, found, err = s.Near(ctx, scope, k, sim, bits)
		return err
	})
	return id, found, err
}

// Facts implements store.Store.
func (h *Home) Facts(ctx context.Context, scope record.Scope, subject, predicate string) (all []*record.Record, err error) {
	err = h.do(ctx, func(s store.Store) (err error) {
		all, err = s.Facts(ctx, scope, subject, predicate)
		return err
	})
	return all, err
}

// Get implements store.Store.
func (h *Home) Get(ctx context.Context, scope record.Scope, ids []record.ID) (all []*record.Record, err error) {
	err = h.do(ctx, func(s store.Store) (err error) {
		all, err = s.Get(ctx, scope, ids)
		return err
	})
	return all, err
}

// Has implements store.Store.
func (h *Home) Has(ctx context.Context, tenant string, ids []record.ID) (has []bool, err error) {
	err = h.do(ctx, func(s store.Store) (err error) {
		has, err = s.Has(ctx, tenant, ids)
		return err
	})
	return has, err
}

// List implements store.Store.
func (h *Home) List(ctx context.Context, f store.Filter, after record.ID, limit int) (all []*record.Record, err error) {
	err = h.do(ctx, func(s store.Store) (err error) {
		all, err = s.List(ctx, f, after, limit)
		return err
	})
	return all, err
}

// Bare implements store.Store.
func (h *Home) Bare(ctx context.Context, tenant, model string, limit int) (all []*record.Record, err error) {
	err = h.do(ctx, func(s store.Store) (err error) {
		all, err = s.Bare(ctx, tenant, model, limit)
		return err
	})
	return all, err
}

// PutNote implements store.Store.
func (h *Home) PutNote(ctx context.Context, scope record.Scope, n store.Note) (stands store.Note, err error) {
	err = h.do(ctx, func(s store.Store) (err error) {
		stands, err = s.PutNote(ctx, scope, n)
		return err
	})
	return stands, err
}

// Notes implements store.Store.
func (h *Home) Notes(ctx context.Context, scope record.Scope) (all []store.Note, err error) {
	err = h.do(ctx, func(s store.Store) (err error) {
		all, err = s.Notes(ctx, scope)
		return err
	})
	return all, err
}

// Forget implements store.Store.
func (h *Home) Forget(ctx context.Context, what store.Forget) (r store.Receipt, err error) {
	err = h.do(ctx, func(s store.Store) (err error) {
		r, err = s.Forget(ctx, what)
		return err
	})
	return r, err
}

// Sweep implements store.Store.
func (h *Home) Sweep(ctx context.Context, caps store.Caps) (n store.Swept, err error) {
	err = h.do(ctx, func(s store.Store) (err error) {
		n, err = s.Sweep(ctx, caps)
		return err
	})
	return n, err
}

// Stats implements store.Store.
func (h *Home) Stats(ctx context.Context, tenant string) (n store.Stats, err error) {
	err = h.do(ctx, func(s store.Store) (err error) {
		n, err = s.Stats(ctx, tenant)
		return err
	})
	return n, err
}
