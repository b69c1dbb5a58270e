package sqlite

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/memory/store"
	"github.com/trapgate/trapgate/memory/store/storetest"
)

func TestMain(m *testing.M) {
	if !child() {
		goleak.VerifyTestMain(m)
	}
}

var (
	bg  = context.Background()
	key = []byte("a key of a data directory")
)

// open opens the store of a directory; it and its file are closed when the test ends, if not before.
func open(t testing.TB, dir string, opt Options) (*Store, *state.DB) {
	t.Helper()
	db, err := state.Open(bg, state.Options{Dir: dir, Migrations: []state.Migration{Migration()}})
	if err != nil {
		t.Fatal(err)
	}
	opt.Key = key
	s, err := New(db, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		db.Close()
	})
	return s, db
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		t.Parallel()
		s, _ := open(t, t.TempDir(), Options{})
		return s
	})
}
