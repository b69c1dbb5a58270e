package qdrant

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/trapgate/trapgate/memory/qdrant/qdranttest"
	"github.com/trapgate/trapgate/memory/store"
	"github.com/trapgate/trapgate/memory/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server starts a server for a test.
func server(t testing.TB, o qdranttest.Options) *qdranttest.Server {
	t.Helper()
	srv, err := qdranttest.Start(qdranttest.NewMemory(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	return srv
}

var collections atomic.Int64

// open makes a store in a collection of its own.
func open(t testing.TB, srv *qdranttest.Server, change func(*Options)) *Store {
	t.Helper()
	o := Options{Addr: srv.Addr, Collection: fmt.Sprint("c", collections.Add(1)), Dims: []int{8, 32}}
	if change != nil {
		change(&o)
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func ready(t testing.TB, s *Store) *Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

// prepared makes the collection without calls, of which it takes some thirty.
func prepared(t testing.TB, e qdranttest.Engine, s *Store) *Store {
	t.Helper()
	err := e.Create(s.schema())
	for _, f := range fields {
		err = errors.Join(err, e.Index(f.index(s.o.Collection)))
	}
	if err != nil {
		t.Fatal(err)
	}
	return ready(t, s)
}

func TestStore(t *testing.T) {
	e := qdranttest.NewMemory()
	srv, err := qdranttest.Start(e, qdranttest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	storetest.Run(t, func(t *testing.T) store.Store { return prepared(t, e, open(t, srv, nil)) })
}
