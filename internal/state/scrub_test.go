package state

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var songs = Migration{Piece: "songs", Steps: []Step{SQL(`
	CREATE TABLE songs (n INTEGER PRIMARY KEY, singer TEXT NOT NULL, text TEXT NOT NULL) STRICT;
	CREATE INDEX songs_text ON songs (text);
	CREATE TABLE singers (singer TEXT, n INTEGER, PRIMARY KEY (singer, n)) STRICT, WITHOUT ROWID`)}}

func sing(tx *Tx, n int, singer, text string) error {
	_, err := tx.Exec(`INSERT OR REPLACE INTO songs VALUES (?, ?, ?)`, n, singer, text)
	if err == nil {
		_, err = tx.Exec(`INSERT OR REPLACE INTO singers VALUES (?, ?)`, fmt.Sprintf("%s of %08x", singer, n*2654435761&0xffffffff), n)
	}
	return err
}

// silence deletes all of a singer.
func silence(tx *Tx, singer string) error {
	_, err := tx.Exec(`DELETE FROM songs WHERE singer = ?`, singer)
	if err == nil {
		_, err = tx.Exec(`DELETE FROM singers WHERE singer >= ? AND singer < ?`, singer, singer+"~")
	}
	return err
}

func write(t testing.TB, db *DB, f func(tx *Tx) error) {
	t.Helper()
	if err := db.WriteSync(bg, f); err != nil {
		t.Fatal(err)
	}
}

// aSong is of any length: some fill a page, a few many.
func aSong(rnd *rand.Rand, who string) string {
	n := rnd.IntN(400)
	if rnd.IntN(40) == 0 {
		n = rnd.IntN(12000)
	}
	return fmt.Sprintf("%08x %s sings %s", rnd.Uint32(), who, strings.Repeat("la ", n/3))
}

// concert makes a file whose pages are split and merged again and again, and then silences the CANARY.
func concert(t testing.TB, db *DB, rnd *rand.Rand, rounds int) {
	t.Helper()
	for round := range rounds {
		write(t, db, func(tx *Tx) error {
			for i := range 120 {
				who := "CANARY"
				if i%3 > 0 {
					who = fmt.Sprint("bird ", rnd.IntN(5))
				}
				if err := sing(tx, rnd.IntN(100000), who, aSong(rnd, who)); err != nil {
					return err
				}
			}
			return silence(tx, fmt.Sprint("bird ", round%5))
		})
	}
	write(t, db, func(tx *Tx) error { return silence(tx, "CANARY") })
}

// canaries counts them in the files of a directory.
func canaries(t testing.TB, dir string) (n int) {
	t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		b, err := os.ReadFile(filepath.Join(dir, File+suffix))
		if err != nil {
			t.Fatal(err)
		}
		n += bytes.Count(b, []byte("CANARY"))
	}
	return n
}

func sound(t testing.TB, db *DB) {
	t.Helper()
	var verdict string
	if err := db.Reader().QueryRow(`PRAGMA integrity_check`).Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("the file is not sound: %s %v", verdict, err)
	}
}

func all(t testing.TB, db *DB) (rows []string) {
	t.Helper()
	found, err := db.Reader().Query(`SELECT n || singer || text FROM songs UNION ALL SELECT n || singer FROM singers`)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	for found.Next() {
		var s string
		if err := found.Scan(&s); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, s)
	}
	return rows
}

func TestScrub(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := mustOpen(t, Options{Dir: dir, Migrations: []Migration{songs}})
	if err := db.Scrub(bg); err != nil { // nothing was ever written
		t.Fatal(err)
	}
	concert(t, db, rand.New(rand.NewPCG(1, 1)), 6)
	if err := db.Checkpoint(bg); err != nil {
		t.Fatal(err)
	}
	if canaries(t, dir) == 0 {
		t.Fatal("secure_delete left nothing: the test shows nothing")
	}
	before := all(t, db)
	if err := db.Scrub(bg); err != nil {
		t.Fatal(err)
	}
	if n := canaries(t, dir); n > 0 {
		t.Errorf("%d are left", n)
	}
	sound(t, db)
	if after := all(t, db); len(before) < 100 || !slices.Equal(before, after) {
		t.Errorf("%d rows became %d, or others", len(before), len(after))
	}
}

// Others write all the while, so that copies move to pages that were looked at before.
func TestScrubBesideWriters(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := mustOpen(t, Options{Dir: dir, Migrations: []Migration{songs}})
	for seed := range uint64(2) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		concert(t, db, rnd, 4)
		stop := make(chan struct{})
		var writer sync.WaitGroup
		writer.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				who := fmt.Sprint("bird ", n%5)
				err := db.WriteSync(bg, func(tx *Tx) error {
					if n%29 == 0 {
						return silence(tx, who)
					}
					return sing(tx, rnd.IntN(100000), who, aSong(rnd, who))
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
		err := db.Scrub(bg)
		close(stop)
		writer.Wait()
		if err != nil {
			t.Fatal(err)
		}
		if n := canaries(t, dir); n > 0 {
			t.Errorf("seed %d: %d are left", seed, n)
		}
		sound(t, db)
	}
}

// litter leaves something in the unused part of a table's page, as SQLite does when it moves rows.
func litter(t testing.TB, db *DB, table string) func(*Tx) error {
	t.Helper()
	var root int64
	if err := db.Reader().QueryRow(`SELECT rootpage FROM sqlite_schema WHERE name = ?`, table).Scan(&root); err != nil {
		t.Fatal(err)
	}
	return func(tx *Tx) error {
		page, err := readPage(tx, root)
		if err != nil {
			return err
		}
		copy(page[len(page)/2:], "CANARY") // the table is empty
		_, err = tx.Exec(`UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?`, page, root)
		return err
	}
}

func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: ", what)
		}
	}
}

// What moves to a page that was looked at already is overwritten there.
func TestScrubFindsWhatMoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := mustOpen(t, Options{Dir: dir, Migrations: []Migration{songs}})
	there, moved := litter(t, db, "songs"), litter(t, db, "singers")
	write(t, db, there)
	if err := db.Checkpoint(bg); err != nil || canaries(t, dir) != 1 {
		t.Fatalf("%d are there, %v", canaries(t, dir), err)
	}
	// It begins, and waits for a reader.
	var readers []*sql.Conn
	for range db.Reader().Stats().MaxOpenConnections {
		c, err := db.Reader().Conn(bg)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		readers = append(readers, c)
	}
	scrubbed := make(chan error, 1)
	go func() { scrubbed <- db.Scrub(bg) }()
	until(t, "it follows the log", func() bool { return db.w.following.Load() != nil })
	gate := make(chan struct{})
	_ = db.Write(func(*Tx) error { <-gate; return nil })
	// It looks at all pages, and waits for the writer.
	for _, c := range readers {
		c.Close()
	}
	until(t, "it found what was there", func() bool { return db.Health().Waiting == 2 })
	_ = db.Write(moved)
	close(gate)
	if err := <-scrubbed; err != nil || canaries(t, dir) != 0 {
		t.Errorf("%d are left, %v", canaries(t, dir), err)
	}
	sound(t, db)
}

// A reader that goes on reading what was there before makes Scrub fail, but nobody's writes wait for it.
func TestScrubBesideAReader(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := mustOpen(t, Options{Dir: dir, Migrations: []Migration{songs}})
	write(t, db, func(tx *Tx) error { return sing(tx, 1, "CANARY", "CANARY") })
	rows, err := db.Reader().Query(`SELECT n FROM songs`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	rows.Next()
	write(t, db, func(tx *Tx) error { return silence(tx, "CANARY") })
	ctx, cancel := context.WithTimeout(bg, 300*time.Millisecond)
	defer cancel()
	scrubbed := make(chan error, 1)
	go func() { scrubbed <- db.Scrub(ctx) }()
	longest := time.Duration(0)
	for n := 0; ctx.Err() == nil; n++ {
		began := time.Now()
		write(t, db, func(tx *Tx) error { return sing(tx, n, "bird", "la") })
		longest = max(longest, time.Since(began))
	}
	if err := <-scrubbed; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a reader at work: %v", err)
	}
	if longest > 2*time.Second { // SQLite would wait for the reader for busyMillis
		t.Errorf("a write waited for %v", longest)
	}
	if h := db.Health(); h.Failed != 0 {
		t.Errorf("%+v", h)
	}
	release := time.AfterFunc(50*time.Millisecond, func() { rows.Close() })
	defer release.Stop()
	if err := db.Scrub(bg); err != nil {
		t.Error(err)
	}
	if n := canaries(t, dir); n > 0 {
		t.Errorf("%d are left", n)
	}
}

// A scrub that waited need not run when another succeeded that began after it; one that began before it does not count.
func TestScrubsThatWait(t *testing.T) {
	t.Parallel()
	db := mustOpen(t, Options{Dir: t.TempDir(), Migrations: []Migration{songs}})
	for i, test := range []struct{ done, runs int64 }{{0, 1}, {1, 1}, {2, 1}, {4, 0}} {
		begun := db.scrubs.begun.Load()
		db.scrubs.done = test.done
		if err := db.Scrub(bg); err != nil || db.scrubs.begun.Load()-begun != test.runs {
			t.Errorf("%d: %d ran, want %d, %v", i, db.scrubs.begun.Load()-begun, test.runs, err)
		}
	}
}

func TestScrubGivesUp(t *testing.T) {
	t.Parallel()
	db := mustOpen(t, Options{Dir: t.TempDir(), Migrations: []Migration{songs}})
	ctx, cancel := context.WithCancel(bg)
	cancel()
	db.scrubs.busy <- struct{}{} // another one
	if err := db.Scrub(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for another: %v", err)
	}
	<-db.scrubs.busy
	if err := db.Scrub(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := db.Flush(bg); err != nil {
		t.Fatal(err)
	}
	if err := db.Scrub(bg); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Scrub(bg); err == nil {
		t.Error("it scrubbed a file that is closed")
	}
}
