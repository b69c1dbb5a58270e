package qdrant

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/trapgate/trapgate/memory/qdrant/qdranttest"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

var alice = record.Scope{Tenant: "acme", User: "alice", Session: "s1"}

func episode(s record.Scope, text string) *record.Record {
	now := time.Now().Truncate(time.Millisecond)
	return &record.Record{
		ID: record.EpisodeID(s, record.User, text), Scope: s, Kind: record.Episode, Role: record.User, Origin: record.Captured,
		Trust: record.High, Text: text, Said: now, Created: now, Text64: record.TextKey(text),
	}
}

func fact(source *record.Record, predicate, object string) *record.Record {
	r := *source
	r.Kind, r.Origin, r.Single, r.Sources, r.From = record.Fact, record.Ruled, true, []record.ID{source.ID}, source.Said
	r.Subject, r.Predicate, r.Object = "user", predicate, object
	r.ID = record.FactID(source.Scope, source.ID, "user", predicate, object)
	return &r
}

func add(records ...*record.Record) store.Changes {
	return store.Changes{Add: records, Tenant: records[0].Scope.Tenant, At: time.Now()}
}

// soon fails a test that waits for what ought to be over.
func soon(t *testing.T, most time.Duration, f func()) {
	t.Helper()
	began := time.Now()
	f()
	if took := time.Since(began); took > most {
		t.Errorf("took %v", took)
	}
}

// recall searches as a request does.
func recall(t *testing.T, s *Store) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Millisecond)
	defer cancel()
	var err error
	soon(t, 500*time.Millisecond, func() { // 25 ms, on a machine that has other things to do
		_, err = s.Search(ctx, alice, &store.Query{Text: "lighthouse", Limit: 5, Now: time.Now()})
	})
	return err
}

func helps(t *testing.T, err, kind error, hint string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(err.Error(), "hint: ") || !strings.Contains(err.Error(), hint) {
		t.Errorf("%v, want %v and a hint with %q", err, kind, hint)
	}
}

func TestServerComesLater(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	s, err := Open(Options{Addr: addr, Dims: []int{8}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	soon(t, 3*time.Second, func() { helps(t, s.Ready(t.Context()), ErrUnreachable, "6334") })
	if err := recall(t, s); err == nil {
		t.Error("a search of no server succeeds")
	}
	helps(t, s.Apply(t.Context(), add(episode(alice, "x"))), ErrUnreachable, "is it running")
	server(t, qdranttest.Options{Addr: addr})
	for until := time.Now().Add(20 * time.Second); s.Ready(t.Context()) != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal(s.Ready(t.Context()))
		}
	}
	if err := s.Apply(t.Context(), add(episode(alice, "a lighthouse"))); err != nil {
		t.Error(err)
	}
}

func TestServerGoes(t *testing.T) {
	srv := server(t, qdranttest.Options{})
	s := ready(t, open(t, srv, nil))
	if err := recall(t, s); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	srv.Close()
	helps(t, s.Apply(t.Context(), add(episode(alice, "x"))), ErrUnreachable, "is it running")
	if err := recall(t, s); err == nil {
		t.Error("a search of no server succeeds")
	}
	_, err := s.Forget(t.Context(), store.Forget{Filter: store.Filter{Tenant: "acme"}, All: true})
	helps(t, err, ErrUnreachable, "is it running")
}

func TestServerRefuses(t *testing.T) {
	srv := server(t, qdranttest.Options{})
	s := ready(t, open(t, srv, func(o *Options) { o.Timeout = 200 * time.Millisecond }))
	for _, c := range []struct {
		code codes.Code
		kind error
		hint string
	}{
		{codes.Unavailable, ErrUnreachable, "is it running"},
		{codes.ResourceExhausted, ErrBusy, "load"},
		{codes.PermissionDenied, ErrUnauthorised, "memory.qdrant.api_key"},
		{codes.Unimplemented, ErrVersion, leastVersion},
	} {
		srv.SetFault(func(context.Context, string) error { return status.Error(c.code, "as the test wants it") })
		helps(t, s.Apply(t.Context(), add(episode(alice, "x"))), c.kind, c.hint)
		if err := recall(t, s); err == nil {
			t.Errorf("%v is no error", c.code)
		}
	}
	srv.SetFault(func(ctx context.Context, _ string) error { // a slow one
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
		}
		return nil
	})
	soon(t, 2*time.Second, func() {
		helps(t, s.Apply(t.Context(), add(episode(alice, "x"))), ErrUnreachable, "memory.qdrant.timeout")
	})
	if err := recall(t, s); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	srv.SetFault(nil)
	if err := s.Apply(t.Context(), add(episode(alice, "x"))); err != nil {
		t.Error(err)
	}
}

// TestNotCompleted says that what a server only took is not told to be done.
func TestNotCompleted(t *testing.T) {
	s := open(t, server(t, qdranttest.Options{}), nil)
	for got, done := range map[pb.UpdateStatus]bool{
		pb.UpdateStatus_Completed: true, pb.UpdateStatus_Acknowledged: false,
		pb.UpdateStatus_WaitTimeout: false, pb.UpdateStatus_ClockRejected: false,
	} {
		err := s.completed(&pb.UpdateBatchResponse{Result: []*pb.UpdateResult{{Status: pb.UpdateStatus_Completed}, {Status: got}}})
		if (err == nil) != done {
			t.Errorf("%v: %v", got, err)
		}
		if err != nil {
			helps(t, err, ErrBusy, "load")
		}
	}
}

func TestFewCallsAtATime(t *testing.T) {
	srv := server(t, qdranttest.Options{})
	s := ready(t, open(t, srv, func(o *Options) { o.Calls = 3 }))
	var now, most atomic.Int64
	srv.SetFault(func(context.Context, string) error {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		time.Sleep(time.Millisecond)
		now.Add(-1)
		return nil
	})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := s.Search(t.Context(), alice, &store.Query{Text: "one lighthouse after another tortoise", Limit: 5})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if most.Load() < 2 || most.Load() > 3 {
		t.Errorf("%d calls at a time", most.Load())
	}
}

// A breaking engine refuses all operations after some, as a server does that is killed.
type breaking struct {
	qdranttest.Engine
	left atomic.Int64
}

func (b *breaking) Update(name string, op *pb.PointsUpdateOperation) error {
	if b.left.Add(-1) < 0 {
		return status.Error(codes.Unavailable, "killed")
	}
	return b.Engine.Update(name, op)
}

func broken(t *testing.T) (*breaking, *Store) {
	t.Helper()
	e := &breaking{Engine: qdranttest.NewMemory()}
	e.left.Store(1 << 40)
	srv, err := qdranttest.Start(e, qdranttest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	return e, ready(t, open(t, srv, nil))
}

// TestKilledBetweenFactAndClosing says that of two facts of which one takes the other's place never both are told, whatever was
// written of them.
func TestKilledBetweenFactAndClosing(t *testing.T) {
	e, s := broken(t)
	first, second := episode(alice, "I live in Berlin."), episode(alice, "I moved to Munich.")
	berlin, munich := fact(first, "lives_in", "Berlin"), fact(second, "lives_in", "Munich")
	if err := s.Apply(t.Context(), add(first, berlin)); err != nil {
		t.Fatal(err)
	}
	change := func() store.Changes {
		c, m := *second, *munich
		return store.Changes{
			Tenant: "acme", At: time.Now(), Add: []*record.Record{&c, &m},
			Close: []store.Closing{{ID: berlin.ID, To: munich.From, By: munich.ID}},
		}
	}
	e.left.Store(1)
	if err := s.Apply(t.Context(), change()); !errors.Is(err, ErrUnreachable) {
		t.Fatal(err)
	}
	told := func() (objects []string) {
		q := &store.Query{Text: "live in Berlin or moved to Munich", Now: time.Now().Add(time.Second), Limit: 10}
		hits, err := s.Search(t.Context(), alice, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range hits {
			if h.Record.Kind == record.Fact {
				objects = append(objects, h.Record.Object)
			}
		}
		return objects
	}
	if got := told(); len(got) != 1 || got[0] != "Munich" {
		t.Errorf("told: %q", got)
	}
	e.left.Store(1 << 40)
	facts, err := s.Facts(t.Context(), alice, "user", "lives_in")
	if err != nil || len(facts) != 1 || facts[0].Object != "Munich" {
		t.Errorf("facts: %v %v", facts, err)
	}
	got, err := s.Get(t.Context(), alice, []record.ID{berlin.ID})
	if err != nil || len(got) != 1 || got[0].SupersededBy != munich.ID || !got[0].To.Equal(munich.From) {
		t.Errorf("what was read was not mended: %+v %v", got, err)
	}
	if err := s.Apply(t.Context(), change()); err != nil { // tried again
		t.Error(err)
	}
	if got := told(); len(got) != 1 || got[0] != "Munich" {
		t.Errorf("told after another try: %q", got)
	}
}

// TestKilledInForget kills after each operation of a Forget. Nothing comes back, and asked again it finishes.
func TestKilledInForget(t *testing.T) {
	for ops := range 5 {
		e, s := broken(t)
		secret := episode(alice, "the canary sings at dawn")
		owns := fact(secret, "owns", "a canary")
		if err := s.Apply(t.Context(), add(secret, owns)); err != nil {
			t.Fatal(err)
		}
		e.left.Store(int64(ops))
		what := store.Forget{Filter: store.Filter{Tenant: "acme"}, IDs: []record.ID{secret.ID}, At: time.Now()}
		_, first := s.Forget(t.Context(), what)
		e.left.Store(1 << 40)
		if err := s.Apply(t.Context(), add(episode(alice, "the canary sings at dawn"))); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Forget(t.Context(), what); err != nil || !got.Verified {
			t.Errorf("killed after %d (%v), and again: %+v %v", ops, first, got, err)
		}
		if err := s.Apply(t.Context(), add(episode(alice, "the canary sings at dawn"))); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Get(t.Context(), alice, []record.ID{secret.ID, owns.ID}); err != nil || len(got) > 0 {
			t.Errorf("killed after %d: %v %v", ops, got, err)
		}
		page, err := e.Scroll(&pb.ScrollPoints{
			CollectionName: s.o.Collection, Limit: pb.PtrOf(uint32(100)), WithPayload: pb.NewWithPayload(true), WithVectors: pb.NewWithVectors(true),
		})
		if err != nil {
			t.Fatal(err)
		}
		if text := page.String(); strings.Contains(text, "canary") || strings.Contains(text, secret.ID.String()) || len(page.GetResult()) == 0 {
			t.Errorf("killed after %d: %s", ops, text)
		}
	}
}
