package state

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var bg = context.Background()

func TestWritesKeepTheirOrderAndSurviveClose(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "here")
	db := mustOpen(t, Options{Dir: dir})
	for n := range 500 {
		if err := db.Write(func(tx *Tx) error {
			_, err := tx.Exec(`INSERT INTO numbers VALUES (?, (SELECT count(*) FROM numbers))`, n)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Flush(bg); err != nil {
		t.Fatal(err)
	}
	var wrong int
	if err := db.Reader().QueryRow(`SELECT count(*) FROM numbers WHERE n != CAST(text AS INTEGER)`).Scan(&wrong); err != nil || wrong != 0 {
		t.Fatalf("%d writes were out of order (%v)", wrong, err)
	}
	if err := db.Write(insert(500)); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, File+"-wal")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the log is still there after Close: %v", err)
	}
	if err := db.Write(insert(501)); !errors.Is(err, errClosed) {
		t.Errorf("a write after Close: %v", err)
	}
	if err := db.WriteSync(bg, insert(501)); !errors.Is(err, errClosed) {
		t.Errorf("a synchronous write after Close: %v", err)
	}
	again := mustOpen(t, Options{Dir: dir})
	if got := stored(t, again.Reader()); len(got) != 501 || got[500] != 500 {
		t.Errorf("stored %d rows", len(got))
	}
}

func TestModesOfFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	db := mustOpen(t, Options{Dir: dir})
	if err := db.WriteSync(bg, insert(1)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%s: %v %v", dir, info.Mode(), err)
	}
	for _, name := range []string{File, File + "-wal", File + "-shm", LockFile} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}

func TestABadWriteUndoesOnlyItself(t *testing.T) {
	var log logBook
	gate := make(chan struct{})
	db := mustOpen(t, Options{Dir: t.TempDir(), Log: log.logger()})
	db.Write(func(*Tx) error { <-gate; return nil }) // all that follows comes in one batch
	db.Write(insert(1))
	db.Write(insert(1)) // fails: the key is taken
	own := errors.New("my own")
	results := make(chan error, 1)
	go func() {
		results <- db.WriteSync(bg, func(tx *Tx) error {
			if err := insert(7)(tx); err != nil {
				return err
			}
			return own
		})
	}()
	for db.Health().Waiting < 4 {
		time.Sleep(time.Millisecond)
	}
	db.Write(insert(2))
	close(gate)
	if err := <-results; !errors.Is(err, own) {
		t.Errorf("the caller's own error came back as %v", err)
	}
	if err := db.Flush(bg); err != nil {
		t.Fatal(err)
	}
	if got := stored(t, db.Reader()); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("stored %v", got)
	}
	if h := db.Health(); h.Failed != 2 || h.Err != nil {
		t.Errorf("%+v", h)
	}
	if !strings.Contains(log.String(), "a write failed by itself") {
		t.Errorf("nothing was logged: %s", log.String())
	}
}

// A pacer stands for time.After: it hands out channels that the test fires.
type pacer struct{ asked chan paced }

type paced struct {
	d    time.Duration
	fire chan time.Time
}

func (p *pacer) after(d time.Duration) <-chan time.Time {
	c := paced{d, make(chan time.Time, 1)}
	p.asked <- c
	return c.fire
}

// next waits for somebody to ask for a duration.
func (p *pacer) next(t *testing.T, d time.Duration) paced {
	t.Helper()
	for {
		select {
		case c := <-p.asked:
			if c.d == d {
				return c
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("nobody asked for %v", d)
		}
	}
}

func TestBatchesAreGathered(t *testing.T) {
	p := &pacer{asked: make(chan paced, 100)}
	db := mustOpen(t, Options{Dir: t.TempDir(), After: p.after})
	db.Write(insert(1)) // idle: at once
	gap := p.next(t, DefaultGap)
	if got := stored(t, db.Reader()); !slices.Equal(got, []int{1}) {
		t.Fatalf("stored %v", got)
	}
	db.Write(insert(2))
	db.Write(insert(3))
	if got := stored(t, db.Reader()); !slices.Equal(got, []int{1}) {
		t.Errorf("stored %v inside the gap", got)
	}
	gap.fire <- time.Time{}
	p.next(t, DefaultGap)
	if got := stored(t, db.Reader()); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("stored %v after the gap", got)
	}
	db.Write(insert(4))
	if err := db.WriteSync(bg, insert(5)); err != nil { // does not wait for the gap
		t.Fatal(err)
	}
	if got := stored(t, db.Reader()); !slices.Equal(got, []int{1, 2, 3, 4, 5}) {
		t.Errorf("stored %v", got)
	}
}

func TestTheLogIsSyncedOnceAfterCommits(t *testing.T) {
	var log logBook
	p := &pacer{asked: make(chan paced, 100)}
	db := mustOpen(t, Options{Dir: t.TempDir(), After: p.after, Log: log.logger()})
	for n := range 3 {
		if err := db.WriteSync(bg, insert(n)); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			p.next(t, DefaultSync).fire <- time.Time{}
		}
	}
	p.next(t, DefaultSync).fire <- time.Time{} // the second and third commit share one
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if log.String() != "" {
		t.Errorf("logged: %s", log.String())
	}
	if err := syncFile(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a log that is not there was synced")
	}
}

func TestTooManyWritesAreRefused(t *testing.T) {
	var log logBook
	gate := make(chan struct{})
	db := mustOpen(t, Options{Dir: t.TempDir(), MaxQueued: 3, Log: log.logger()})
	db.Write(func(*Tx) error { <-gate; return nil })
	db.Write(insert(1))
	db.Write(insert(2))
	if err := db.Write(insert(3)); err == nil {
		t.Error("a fourth write was taken")
	}
	if err := db.WriteSync(bg, insert(3)); err == nil {
		t.Error("a fourth write was taken")
	}
	close(gate)
	if err := db.Flush(bg); err != nil {
		t.Fatal(err)
	}
	if got := stored(t, db.Reader()); !slices.Equal(got, []int{1, 2}) || db.Health().Refused != 2 || !strings.Contains(log.String(), "thrown away") {
		t.Errorf("%v %+v %s", got, db.Health(), log.String())
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	gate := make(chan struct{})
	db := mustOpen(t, Options{Dir: t.TempDir()})
	db.Write(func(*Tx) error { <-gate; return nil })
	ctx, cancel := context.WithCancel(bg)
	cancel()
	if err := db.WriteSync(ctx, insert(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(gate)
}

func TestWhatFailedStaysInFront(t *testing.T) {
	var order []int
	note := func(n int) job { return job{f: func(*Tx) error { order = append(order, n); return nil }} }
	told := job{done: make(chan error, 1)}
	patient := job{done: make(chan error, 1), patient: true}
	w := &writer{log: (&logBook{}).logger(), queue: []job{note(3), patient}, running: 3}
	disk := errors.New("the disk")
	if left := w.failed([]job{note(1), told, note(2)}, disk); left != 4 || w.health().Waiting != 4 || !errors.Is(w.h.Err, disk) {
		t.Errorf("%d are left, %+v", left, w.health())
	}
	for _, j := range w.queue {
		if j.f != nil {
			_ = j.f(nil)
		}
	}
	if !slices.Equal(order, []int{1, 2, 3}) || len(told.done) != 1 || len(patient.done) != 0 {
		t.Errorf("order %v, told %d and %d", order, len(told.done), len(patient.done))
	}
}

func TestReadersCannotWrite(t *testing.T) {
	dir := t.TempDir()
	db := mustOpen(t, Options{Dir: dir})
	if err := db.WriteSync(bg, insert(1)); err != nil {
		t.Fatal(err)
	}
	beside, err := OpenReader(bg, dir) // as another process would, while this one holds the directory
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close()
	if got := stored(t, beside); !slices.Equal(got, []int{1}) {
		t.Errorf("stored %v", got)
	}
	for _, pool := range []interface {
		Ping() error
	}{db.Reader(), beside} {
		if err := pool.Ping(); err != nil {
			t.Error(err)
		}
	}
	if _, err := db.Reader().Exec(`DELETE FROM numbers`); err == nil {
		t.Error("a reader deleted")
	}
	if _, err := beside.Exec(`DELETE FROM numbers`); err == nil {
		t.Error("a reader beside deleted")
	}
	if _, err := OpenReader(bg, t.TempDir()); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "hint:") {
		t.Errorf("no state: %v", err)
	}
}

func TestWhatIsDeletedIsGone(t *testing.T) {
	dir := t.TempDir()
	db := mustOpen(t, Options{Dir: dir})
	secret := "a very particular secret"
	write := func(query string, args ...any) {
		t.Helper()
		if err := db.WriteSync(bg, func(tx *Tx) error { _, err := tx.Exec(query, args...); return err }); err != nil {
			t.Fatal(err)
		}
	}
	found := func() (n int) {
		for _, name := range []string{File, File + "-wal"} {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			n += bytes.Count(b, []byte(secret))
		}
		return n
	}
	write(`INSERT INTO numbers VALUES (1, ?)`, secret)
	if found() == 0 {
		t.Fatal("the test looks in the wrong place")
	}
	if err := db.Checkpoint(bg); err != nil {
		t.Fatal(err)
	}
	write(`DELETE FROM numbers`)
	if err := db.Checkpoint(bg); err != nil {
		t.Fatal(err)
	}
	if n := found(); n != 0 {
		t.Errorf("the secret is there %d times", n)
	}
}

func TestOpenNeedsADirectory(t *testing.T) {
	if _, err := Open(bg, Options{}); err == nil || !strings.Contains(err.Error(), "hint:") {
		t.Errorf("no directory: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(bg, Options{Dir: file}); err == nil || !strings.Contains(err.Error(), "hint:") {
		t.Errorf("a file for a directory: %v", err)
	}
	for _, bad := range [][]Migration{{{}}, {numbers, numbers}, {{Piece: layout}}} {
		if _, err := Open(bg, Options{Dir: t.TempDir(), Migrations: bad}); err == nil {
			t.Errorf("migrations %v were taken", bad)
		}
	}
}
