package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/ctxrewrite/store"
	"github.com/trapgate/trapgate/internal/state"
)

var session = store.Key{Tenant: "t", Session: "s"}

func put(t testing.TB, s store.Store, k store.Key, chain uint64, record string) {
	t.Helper()
	if got, err := s.PutEpoch(t.Context(), k, chain, []byte(record)); err != nil || string(got) != record {
		t.Fatalf("%.40q, %v", got, err)
	}
}

func noise(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(size)}).Read(b)
	return b
}

// exec changes the file behind the store's back.
func exec(t *testing.T, db *state.DB, query string, args ...any) {
	t.Helper()
	err := db.WriteSync(t.Context(), func(tx *state.Tx) error {
		done, err := tx.Exec(query, args...)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n != 1 {
			return fmt.Errorf("%s: %d rows, %w", query, n, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func number(t *testing.T, db *state.DB, query string) (n int64) {
	t.Helper()
	if err := db.Reader().QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSQLiteRestart(t *testing.T) {
	dir := t.TempDir()
	open := func() (*state.DB, *store.SQLite) {
		db, err := state.Open(t.Context(), state.Options{Dir: dir, Migrations: []state.Migration{store.Migration()}})
		if err != nil {
			t.Fatal(err)
		}
		return db, store.NewSQLite(db, store.Options{})
	}
	db, s := open()
	body := bytes.Repeat([]byte(`"a result "`), 100_000)
	for i := range 5 {
		put(t, s, session, uint64(i), fmt.Sprint("epoch ", i))
	}
	if err := s.PutContents(t.Context(), session, []store.Content{{Handle: "ctx:1", Tool: "bash", Args: "{}", Body: body}}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, s = open()
	defer db.Close()
	all, err := s.Epochs(t.Context(), session)
	if err != nil || len(all) != 5 || string(all[4]) != "epoch 4" {
		t.Errorf("epochs after a restart: %q, %v", all, err)
	}
	if got, err := s.PutEpoch(t.Context(), session, 3, []byte("another")); err != nil || string(got) != "epoch 3" {
		t.Errorf("the one that stands after a restart: %q, %v", got, err)
	}
	c, err := s.Content(t.Context(), "t", "ctx:1")
	if err != nil || c.Tool != "bash" || c.Args != "{}" || !bytes.Equal(c.Body, body) {
		t.Errorf("a content after a restart: %.80q, %v", c, err)
	}
	if n := number(t, db, `SELECT bytes FROM context_total`); n > int64(len(body))/50 {
		t.Errorf("%d bytes that repeat themselves take %d", len(body), n)
	}
}

func TestSQLiteDamage(t *testing.T) {
	var log bytes.Buffer
	db := openState(t, t.TempDir())
	s := store.NewSQLite(db, store.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	for i := range 3 {
		put(t, s, session, uint64(i), fmt.Sprint("epoch ", i))
	}
	content := []store.Content{{Handle: "ctx:1", Body: bytes.Repeat([]byte("body "), 100)}, {Handle: "ctx:2", Body: []byte("body")}}
	if err := s.PutContents(t.Context(), session, content); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, damage := range []string{`X''`, `X'00'`, `zeroblob(40)`, `X'28b52ffd2400010000'`} {
		log.Reset()
		exec(t, db, `UPDATE context_epochs SET record = `+damage+` WHERE chain = 1`)
		exec(t, db, `UPDATE context_contents SET content = `+damage+` WHERE handle = 'ctx:1'`)
		if all, err := s.Epochs(t.Context(), session); err != nil || len(all) != 2 || string(all[0]) != "epoch 0" || string(all[1]) != "epoch 2" {
			t.Errorf("%s: epochs: %q, %v", damage, all, err)
		}
		if c, err := s.Content(t.Context(), "t", "ctx:1"); !errors.Is(err, store.ErrUnknown) {
			t.Errorf("%s: content: %q, %v", damage, c, err)
		}
		if said := log.String(); strings.Count(said, "level=ERROR") != 2 || !strings.Contains(said, "ctx:1") || !strings.Contains(said, "0000000000000001") {
			t.Errorf("%s: logged %s", damage, said)
		}
		put(t, s, session, 1, "better") // what stands is no use, so this one is the first
		if err := s.PutContents(t.Context(), session, content); err != nil {
			t.Error(err)
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if all, err := s.Epochs(t.Context(), session); err != nil || len(all) != 3 || string(all[1]) != "better" {
			t.Errorf("%s: epochs after another: %q, %v", damage, all, err)
		}
		if c, err := s.Content(t.Context(), "t", "ctx:1"); err != nil || !bytes.Equal(c.Body, content[0].Body) {
			t.Errorf("%s: content after it came again: %q, %v", damage, c, err)
		}
	}
	sums(t, db)
}

// sums checks what the triggers keep.
func sums(t *testing.T, db *state.DB) {
	t.Helper()
	total := number(t, db, `SELECT bytes FROM context_total`)
	for _, sum := range []string{
		`SELECT coalesce(sum(bytes), 0) FROM context_sessions`,
		`SELECT (SELECT coalesce(sum(length(record)), 0) FROM context_epochs) + (SELECT coalesce(sum(length(content)), 0) FROM context_contents)`,
	} {
		if n := number(t, db, sum); n != total {
			t.Errorf("the total is %d; %s is %d", total, sum, n)
		}
	}
}

// A write purges a bounded part, so that others do not wait for it: writes go on purging until all is done.
func TestSQLitePurge(t *testing.T) {
	now := time.Now()
	dir := t.TempDir()
	db := openState(t, dir)
	s := store.NewSQLite(db, store.Options{Now: func() time.Time { return now }})
	var old []store.Content
	for i := range 30 {
		old = append(old, store.Content{Handle: fmt.Sprint("ctx:", i), Body: noise(1 << 20)})
	}
	if err := s.PutContents(t.Context(), store.Key{Session: "large"}, old); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		put(t, s, store.Key{Session: fmt.Sprint(i)}, 1, "old")
	}
	now = now.Add(store.DefaultTTL + time.Second)
	writes := 0
	for last := int64(131); last > 1; writes++ {
		put(t, s, session, uint64(writes), "new")
		n := number(t, db, `SELECT (SELECT count(*) FROM context_sessions) + (SELECT count(*) FROM context_contents)`)
		if last-n > 64 || n >= last {
			t.Fatalf("write %d left %d of %d", writes, n, last)
		}
		last = n
	}
	if writes < 4 || writes > 12 {
		t.Errorf("%d writes purged all", writes)
	}
	sums(t, db)
	if all, err := s.Epochs(t.Context(), session); err != nil || len(all) != writes {
		t.Errorf("%d of %d epochs are left, %v", len(all), writes, err)
	}
}

func TestSQLitePurgeOnOpen(t *testing.T) {
	now := time.Now()
	opt := store.Options{Now: func() time.Time { return now }}
	db := openState(t, t.TempDir())
	put(t, store.NewSQLite(db, opt), session, 1, "old")
	now = now.Add(store.DefaultTTL + time.Second)
	if err := store.NewSQLite(db, opt).Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := number(t, db, `SELECT count(*) FROM context_epochs`); n != 0 {
		t.Errorf("%d old epochs are left", n)
	}
	sums(t, db)
}

// What was forgotten is in none of the files of the directory.
func TestSQLiteForgetLeavesNothing(t *testing.T) {
	t.Run("small, so that all is still in the log", func(t *testing.T) { leavesNothing(t, 1<<10) })
	t.Run("large, so that it takes several writes", func(t *testing.T) { leavesNothing(t, 6<<20) })
}

func leavesNothing(t *testing.T, size int) {
	dir := t.TempDir()
	db := openState(t, dir)
	s := store.NewSQLite(db, store.Options{})
	secret := store.Key{Tenant: "t", Session: "session-to-forget"}
	body := append([]byte("secret-in-a-body"), noise(2*size)...)
	put(t, s, secret, 1, "secret-in-an-epoch")
	put(t, s, session, 1, "something-to-keep")
	err := s.PutContents(t.Context(), secret, []store.Content{
		{Handle: "ctx:a", Body: body[:size]}, {Handle: "ctx:b", Body: body[size:]}, {Handle: "ctx:c", Body: noise(size)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	marks := []string{"secret-in-a-body", "secret-in-an-epoch", "session-to-forget", "ctx:b", "something-to-keep"}
	inFiles(t, dir, marks, true, true, true, true, true)
	if err := s.Forget(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	inFiles(t, dir, marks, false, false, false, false, true)
	sums(t, db)
}

func inFiles(t *testing.T, dir string, marks []string, want ...bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, state.File+"*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%q, %v", files, err)
	}
	var all []byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	for i, mark := range marks {
		if bytes.Contains(all, []byte(mark)) != want[i] {
			t.Errorf("%q in the files: %v, want %v", mark, !want[i], want[i])
		}
	}
}

// What was forgotten or purged is in none of the files, though the pages that held it were split and merged many times.
func TestSQLiteLeavesNothingOfAMovedRow(t *testing.T) {
	dir := t.TempDir()
	db := openState(t, dir)
	s := store.NewSQLite(db, store.Options{})
	rnd := rand.New(rand.NewPCG(5, 8))
	text := func(what string) []byte {
		return fmt.Appendf(nil, "%s %08x %s", what, rnd.Uint32(), strings.Repeat("la ", rnd.IntN(150)))
	}
	canary := []byte("CANARY")
	for round := range 24 {
		for i := range 12 {
			k := store.Key{Tenant: "t", Session: fmt.Sprint("session-", (round+i)%4)}
			what, handle := "bird", fmt.Sprintf("ctx:%08x", rnd.Uint32())
			if i%3 == 0 { // in sessions of their own, and among others
				what, handle = "CANARY", "ctx:CANARY"+handle
			}
			if i%6 == 0 {
				k.Session = fmt.Sprint("session-CANARY-", i)
			}
			put(t, s, k, rnd.Uint64(), string(text(what)))
			if _, err := s.PutNote(t.Context(), k, rnd.Uint64(), text(what)); err != nil {
				t.Fatal(err)
			}
			if err := s.PutContents(t.Context(), k, []store.Content{{Handle: handle, Body: append(text(what), noise(rnd.IntN(256))...)}}); err != nil {
				t.Fatal(err)
			}
		}
		if round%5 == 0 {
			exec(t, db, `DELETE FROM context_sessions WHERE id = (SELECT id FROM context_sessions WHERE session = ?)`, fmt.Sprint("session-", round%4))
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"session-CANARY-0", "session-CANARY-6"} {
		if err := s.Forget(t.Context(), store.Key{Tenant: "t", Session: k}); err != nil {
			t.Fatal(err)
		}
	}
	marks := []string{"session-CANARY", "CANARY", "bird"}
	inFiles(t, dir, marks, false, true, true)
	if n, err := s.Purge(t.Context(), "t", func(text []byte) bool { return bytes.Contains(text, canary) }); err != nil || n < 50 {
		t.Fatalf("%d were purged, %v", n, err)
	}
	inFiles(t, dir, marks, false, false, true)
	if n, err := s.Purge(t.Context(), "t", func(text []byte) bool { return bytes.Contains(text, canary) }); err != nil || n != 0 {
		t.Errorf("%d were left, %v", n, err)
	}
	var verdict string
	if err := db.Reader().QueryRow(`PRAGMA integrity_check`).Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("the file is not sound: %s %v", verdict, err)
	}
}

// A scrub that fails is made up for.
func TestSQLiteForgetAgain(t *testing.T) {
	dir := t.TempDir()
	db := openState(t, dir)
	s := store.NewSQLite(db, store.Options{})
	put(t, s, session, 1, "CANARY")
	rows, err := db.Reader().Query(`SELECT record FROM context_epochs`) // holds the log
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	rows.Next()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := s.Forget(ctx, session); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a reader at work: %v", err)
	}
	rows.Close()
	inFiles(t, dir, []string{"CANARY"}, true)
	if err := s.Forget(t.Context(), session); err != nil {
		t.Error(err)
	}
	inFiles(t, dir, []string{"CANARY"}, false)
}

// A call that is given up tells so and breaks nothing.
func TestSQLiteCancelled(t *testing.T) {
	s := store.NewSQLite(openState(t, t.TempDir()), store.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Epochs(ctx, session); !errors.Is(err, context.Canceled) {
		t.Errorf("reading: %v", err)
	}
	for i := range 50 {
		if got, err := s.PutEpoch(ctx, session, uint64(i), []byte("e")); err == nil && string(got) != "e" || err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("writing: %q, %v", got, err)
		}
	}
	put(t, s, session, 1000, "last")
}

// A full disk is told; contents are refused meanwhile, and taken again afterwards.
func TestSQLiteFullDisk(t *testing.T) {
	db := openState(t, t.TempDir())
	s := store.NewSQLite(db, store.Options{})
	put(t, s, session, 1, "before")
	pages := func(query string) {
		t.Helper()
		err := db.WriteSync(t.Context(), func(tx *state.Tx) error {
			rows, err := tx.Query(query)
			if err != nil {
				return err
			}
			return rows.Close()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	pages(fmt.Sprintf("PRAGMA max_page_count = %d", number(t, db, "PRAGMA page_count")+8))
	if got, err := s.PutEpoch(t.Context(), session, 2, noise(1<<20)); err == nil {
		t.Fatalf("a full disk took %d bytes", len(got))
	}
	content := []store.Content{{Handle: "ctx:1", Body: noise(1000)}}
	if err := s.PutContents(t.Context(), session, content); err == nil || db.Health().Waiting != 0 {
		t.Errorf("contents while the disk fails: %v, %+v", err, db.Health())
	}
	if all, err := s.Sessions(t.Context(), ""); err != nil || len(all) != 1 {
		t.Errorf("sessions while the disk fails: %+v, %v", all, err)
	}
	pages("PRAGMA max_page_count = 1000000")
	if err := s.PutContents(t.Context(), session, content); err != nil {
		t.Error(err)
	}
	if c, err := s.Content(t.Context(), "t", "ctx:1"); err != nil || len(c.Body) != 1000 {
		t.Errorf("%d bytes, %v", len(c.Body), err)
	}
	if all, err := s.Epochs(t.Context(), session); err != nil || len(all) != 1 {
		t.Errorf("%d epochs, %v", len(all), err)
	}
}
