package sharedmemory_test

import (
	"context"
	"encoding/gob"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/sqlite"
	"github.com/trapgate/trapgate/memory/store"
	"github.com/trapgate/trapgate/memory/store/storetest"
	"github.com/trapgate/trapgate/proxy/admin"
	"github.com/trapgate/trapgate/proxy/sharedmemory"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("3") // the store itself is tested beside it: here it is what travels
	}
	goleak.VerifyTestMain(m)
}

// kept opens a store in a state file.
func kept(t testing.TB) store.Store {
	t.Helper()
	db, err := state.Open(context.Background(), state.Options{Dir: t.TempDir(), Migrations: []state.Migration{sqlite.Migration()}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.New(db, sqlite.Options{Key: []byte("0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// answers serves a store on the socket of a data directory until the test ends or stop is called.
func answers(t testing.TB, dir string, open sharedmemory.Open) (stop func()) {
	t.Helper()
	token, err := admin.Token(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, admin.SocketFile))
	if err != nil {
		t.Fatal(err)
	}
	h := sharedmemory.New(open)
	srv := admin.Start(l, admin.Options{Token: token, Share: h})
	stop = sync.OnceFunc(func() {
		srv.Close()
		h.Close()
	})
	t.Cleanup(stop)
	return stop
}

func always(s store.Store) sharedmemory.Open {
	return func() (store.Store, func(), error) { return s, func() {}, nil }
}

func dirOf(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tg") // the name of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// A guest's store is a store like any other.
func TestSuite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		dir := dirOf(t)
		answers(t, dir, always(kept(t)))
		c := sharedmemory.Dial(dir)
		t.Cleanup(func() { c.Close() })
		return c
	})
}

var scope = record.Scope{Tenant: "t", User: "u", Session: "s"}

func episode(text string) *record.Record {
	now := time.Now().Truncate(time.Millisecond)
	return &record.Record{
		ID: record.EpisodeID(scope, record.User, text), Scope: scope, Kind: record.Episode, Role: record.User, Origin: record.Captured,
		Trust: record.High, Text: text, Text64: record.TextKey(text), Said: now, Created: now,
	}
}

// A process asks the holder until it is the holder itself; in between nothing is lost, and nothing hangs.
func TestHolderChanges(t *testing.T) {
	dir, s := dirOf(t), kept(t)
	var mine atomic.Bool
	var under atomic.Int64
	h := sharedmemory.NewHome(func() (store.Store, func(), error) {
		if !mine.Load() {
			return nil, nil, sharedmemory.ErrAway
		}
		under.Add(1)
		return s, func() { under.Add(-1) }, nil
	}, sharedmemory.Dial(dir))
	defer h.Close()
	put := func(text string) error {
		return h.Apply(t.Context(), store.Changes{Tenant: "t", At: time.Now(), Add: []*record.Record{episode(text)}})
	}
	stop := answers(t, dir, always(s))
	if err := put("said while another process holds the directory"); err != nil {
		t.Fatal(err)
	}
	stop()
	short, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := h.Search(short, scope, &store.Query{Text: "directory", Now: time.Now(), Limit: 1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nobody is there: %v", err)
	}
	time.AfterFunc(50*time.Millisecond, func() { mine.Store(true) })
	if err := put("said while nobody held it"); err != nil {
		t.Fatal(err)
	}
	list, err := h.List(t.Context(), store.Filter{Tenant: "t"}, record.ID{}, 10)
	if err != nil || len(list) != 2 || under.Load() != 0 {
		t.Errorf("%d records, %d calls under way, %v", len(list), under.Load(), err)
	}
}

// What fails at the holder fails at the guest, with the errors that callers compare with.
func TestErrors(t *testing.T) {
	dir := dirOf(t)
	s := kept(t)
	failing := errors.New("disk full")
	var fail atomic.Pointer[error]
	answers(t, dir, func() (store.Store, func(), error) {
		if err := fail.Load(); err != nil {
			return nil, nil, *err
		}
		return s, func() {}, nil
	})
	c := sharedmemory.Dial(dir)
	defer c.Close()
	if _, err := c.Forget(t.Context(), store.Forget{}); !errors.Is(err, store.ErrForget) {
		t.Errorf("a forget that says too little: %v", err)
	}
	fail.Store(&failing)
	if _, err := c.Stats(t.Context(), ""); err == nil || err.Error() != "disk full" {
		t.Errorf("%v", err)
	}
	if _, err := sharedmemory.Dial(t.TempDir()).Stats(t.Context(), ""); !errors.Is(err, sharedmemory.ErrAway) {
		t.Errorf("nobody there: %v", err)
	}
}

// An answer that does not fit the call is an error, and no empty note.
func TestMalformedAnswer(t *testing.T) {
	dir := dirOf(t)
	token, err := admin.Token(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, admin.SocketFile))
	if err != nil {
		t.Fatal(err)
	}
	srv := admin.Start(l, admin.Options{Token: token, Share: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", sharedmemory.Protocol)
		in, out := gob.NewDecoder(conn), gob.NewEncoder(conn)
		for in.Decode(&struct{ Method string }{}) == nil && out.Encode(struct{ Error string }{}) == nil {
		}
	})})
	defer srv.Close()
	c := sharedmemory.Dial(dir)
	defer c.Close()
	if n, err := c.PutNote(t.Context(), scope, store.Note{Chain: 1, Text: "told"}); err == nil {
		t.Errorf("a note: %+v", n)
	}
	if has, err := c.Has(t.Context(), "t", []record.ID{{1}}); err == nil {
		t.Errorf("has: %v", has)
	}
}

// The handler takes nothing but calls, and goes on after one that it does not know.
func TestHandler(t *testing.T) {
	h := sharedmemory.New(always(kept(t)))
	defer h.Close()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", admin.SharedMemoryPath, nil))
	if w.Code != http.StatusUpgradeRequired {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	h.Close()
	r := httptest.NewRequest("GET", admin.SharedMemoryPath, nil)
	r.Header.Set("Upgrade", sharedmemory.Protocol)
	w = httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != http.StatusServiceUnavailable {
		t.Errorf("after its end: %d %s", w.Code, w.Body)
	}
}
