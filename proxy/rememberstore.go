package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/trapgate/trapgate/memory/qdrant"
	"github.com/trapgate/trapgate/memory/store"
	"github.com/trapgate/trapgate/proxy/config"
	"github.com/trapgate/trapgate/proxy/sharedmemory"
)

// openMemoryStore makes the store that a configuration asks for: a Qdrant server, which need not answer yet, else the data directory.
func (g *gateway) openMemoryStore(snap *config.Snapshot) (s store.Store, where string, closing func(), err error) {
	if q := snap.Memory.Qdrant; q != nil {
		s, err = openQdrant(q)
		if err != nil {
			return nil, "", nil, err
		}
		return s, q.String(), func() { _ = s.Close() }, nil
	}
	h := sharedmemory.NewHome(g.home.open, sharedmemory.Dial(snap.Data))
	return h, snap.Data, func() { _ = h.Close() }, nil
}

// readyTimeout bounds how long a start waits to hear whether the server is there.
const readyTimeout = 2 * time.Second

func openQdrant(q *config.Qdrant) (*qdrant.Store, error) {
	o := qdrant.Options{Addr: q.Address, APIKey: q.APIKey.Reveal(), Collection: q.Collection, Timeout: q.Timeout}
	if q.TLS {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: q.RootCAs}
	}
	s, err := qdrant.Open(o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	if err := s.Ready(ctx); err != nil {
		slog.Warn("memory: the Qdrant server cannot be used yet: requests go out without notes", "server", q.String(), "error", err)
	}
	return s, nil
}
