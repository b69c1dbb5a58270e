package store_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/trapgate/trapgate/ctxrewrite/store"
	"github.com/trapgate/trapgate/ctxrewrite/store/storetest"
	"github.com/trapgate/trapgate/internal/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) {
	storetest.Run(t, func(_ *testing.T, opt store.Options) store.Store { return store.NewMemory(opt) })
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T, opt store.Options) store.Store {
		return store.NewSQLite(openState(t, t.TempDir()), opt)
	})
}

func openState(t testing.TB, dir string) *state.DB {
	t.Helper()
	db, err := state.Open(t.Context(), state.Options{Dir: dir, Migrations: []state.Migration{store.Migration()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}
