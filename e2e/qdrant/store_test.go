//go:build e2e

package qdrant

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/trapgate/trapgate/e2e/engine/rig"
	"github.com/trapgate/trapgate/memory/qdrant"
	"github.com/trapgate/trapgate/memory/qdrant/qdranttest"
	"github.com/trapgate/trapgate/memory/store"
	"github.com/trapgate/trapgate/memory/store/storetest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	rig.Report(os.Stderr)
	os.Exit(code)
}

var collections atomic.Int64

func edgeEngine(t *testing.T) *Edge {
	t.Helper()
	e, err := StartEdge()
	if err != nil {
		rig.Skip(t, err.Error())
	}
	t.Cleanup(e.Close)
	return e
}

// open makes a store in a collection; clean is called when the test is over.
func open(t *testing.T, addr, collection string, clean func() error) store.Store {
	t.Helper()
	s, err := qdrant.Open(qdrant.Options{
		Addr: addr, APIKey: os.Getenv("TRAPGATE_QDRANT_KEY"), Collection: collection, Dims: []int{8, 32}, Timeout: 30 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Close()
		if err := clean(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// everything removes all points.
var everything = pb.NewPointsUpdateDeletePoints(&pb.PointsUpdateOperation_DeletePoints{Points: pb.NewPointsSelectorFilter(&pb.Filter{})})

// TestStore runs the suite over Qdrant's engine, in one collection that is emptied after each test: to make one takes seconds.
func TestStore(t *testing.T) {
	e := edgeEngine(t)
	srv, err := qdranttest.Start(e, qdranttest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	storetest.Run(t, func(t *testing.T) store.Store {
		return open(t, srv.Addr, "suite", func() error { return e.Update("suite", everything) })
	})
}

// TestRealServer runs the suite on a server that somebody else runs, in collections of its own, which it removes.
func TestRealServer(t *testing.T) {
	addr := os.Getenv("TRAPGATE_QDRANT")
	if addr == "" {
		rig.Skip(t, "a Qdrant server: TRAPGATE_QDRANT=host:port of its gRPC, TRAPGATE_QDRANT_KEY if it asks for one")
	}
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	storetest.Run(t, func(t *testing.T) store.Store {
		name := fmt.Sprintf("trapgate_e2e_%d_%d", os.Getpid(), collections.Add(1))
		return open(t, addr, name, func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			if key := os.Getenv("TRAPGATE_QDRANT_KEY"); key != "" {
				ctx = metadata.AppendToOutgoingContext(ctx, "api-key", key)
			}
			_, err := pb.NewCollectionsClient(conn).Delete(ctx, &pb.DeleteCollection{CollectionName: name})
			return err
		})
	})
}
