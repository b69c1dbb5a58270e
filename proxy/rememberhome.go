package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"sync"

	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/sqlite"
	"github.com/trapgate/trapgate/memory/store"
	"github.com/trapgate/trapgate/proxy/share"
	"github.com/trapgate/trapgate/proxy/sharedmemory"
)

// A memoryHome is the memory in a data directory, for this process and for others that use it. It is opened when somebody first asks,
// which needs no configuration: guests may remember where the holder does not.
type memoryHome struct {
	dir string
	db  func() *state.DB // nil: another process holds the directory

	mu     sync.Mutex
	kept   *sqlite.Store
	closed bool
	calls  sync.WaitGroup
}

// open is a sharedmemory.Open.
func (h *memoryHome) open() (store.Store, func(), error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, nil, sharedmemory.ErrAway
	}
	if h.kept == nil {
		db := h.db()
		if db == nil {
			return nil, nil, sharedmemory.ErrAway
		}
		s, err := openKept(db, h.dir)
		if err != nil {
			return nil, nil, err
		}
		h.kept = s
	}
	h.calls.Add(1)
	return h.kept, h.calls.Done, nil
}

// close waits for calls under way. Nobody finds anything here from now on.
func (h *memoryHome) close() {
	h.mu.Lock()
	h.closed = true
	kept := h.kept
	h.mu.Unlock()
	h.calls.Wait()
	if kept == nil {
		return
	}
	if err := kept.Close(); err != nil {
		slog.Error("memory: closing", "error", err)
	}
}

// openKept makes the store in a data directory's state file. What was forgotten is named by a key of the directory.
func openKept(db *state.DB, dir string) (*sqlite.Store, error) {
	secret, err := share.Secret(dir, "", "")
	if err != nil {
		return nil, err
	}
	key := hmac.New(sha256.New, secret)
	key.Write([]byte("trapgate memory: what was forgotten"))
	return sqlite.New(db, sqlite.Options{Key: key.Sum(nil), Log: slog.Default()})
}

// A guestsStore is what guests find: the notes that this process has cached or is about to store among those of the store, and a forget
// of theirs also empties what this process has of it outside of the store.
type guestsStore struct {
	store.Store
	g *gateway
}

// Forget implements store.Store.
func (s guestsStore) Forget(ctx context.Context, what store.Forget) (store.Receipt, error) {
	if m := s.g.memory.Load(); m != nil && m.home {
		return m.engine.Forget(ctx, what)
	}
	r, err := s.Store.Forget(ctx, what)
	if err != nil {
		return r, err
	}
	if err := s.g.forgetElsewhere(ctx, what.Filter.Tenant, r, nil); err != nil {
		return r, fmt.Errorf("forgotten, but a copy may be left elsewhere: %w", err)
	}
	return r, nil
}

// PutNote implements store.Store.
func (s guestsStore) PutNote(ctx context.Context, of record.Scope, n store.Note) (store.Note, error) {
	if m := s.g.memory.Load(); m != nil && m.home {
		return m.engine.PutNote(ctx, of, n)
	}
	return s.Store.PutNote(ctx, of, n)
}

// Notes implements store.Store.
func (s guestsStore) Notes(ctx context.Context, of record.Scope) ([]store.Note, error) {
	if m := s.g.memory.Load(); m != nil && m.home {
		return m.engine.Notes(ctx, of)
	}
	return s.Store.Notes(ctx, of)
}

// openToGuests is a sharedmemory.Open.
func (g *gateway) openToGuests() (store.Store, func(), error) {
	s, release, err := g.home.open()
	if err != nil {
		return nil, nil, err
	}
	return guestsStore{s, g}, release, nil
}
