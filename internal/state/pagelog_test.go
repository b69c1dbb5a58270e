package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// image reads all pages of a file.
func image(t *testing.T, db *DB) (pages []string) {
	t.Helper()
	rows, err := db.Reader().Query(`SELECT data FROM sqlite_dbpage ORDER BY pgno`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var page string
		if err := rows.Scan(&page); err != nil {
			t.Fatal(err)
		}
		pages = append(pages, page)
	}
	return pages
}

// A page that changes is seen in the log, whether the log goes on, begins anew, or is emptied meanwhile.
func TestPageLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := mustOpen(t, Options{Dir: dir, Migrations: []Migration{songs}})
	write(t, db, func(tx *Tx) error { return tx.script("PRAGMA cache_size = 20") }) // so that transactions spill into the log
	log, err := openPageLog(db.w.path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.close()
	if err := db.w.wait(bg, job{after: func(*conn) error { return db.w.follow(log) }}); err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(3, 3))
	for range 40 {
		was := image(t, db)
		for range 1 + rnd.IntN(5) {
			if err := step(db, rnd); err != nil {
				t.Fatal(err)
			}
		}
		pages, err := log.take()
		if err != nil {
			t.Fatal(err)
		}
		for i, page := range image(t, db) {
			if (i >= len(was) || page != was[i]) && !slices.Contains(pages, int64(i+1)) {
				t.Fatalf("page %d changed, and the log showed %d", i+1, pages)
			}
		}
	}
}

var errUndone = errors.New("undone")

// step writes, deletes, undoes or moves the log into the file.
func step(db *DB, rnd *rand.Rand) error {
	many := func(tx *Tx) error {
		for range 1 + rnd.IntN(30) {
			if err := sing(tx, rnd.IntN(200), "bird", aSong(rnd, "bird")); err != nil {
				return err
			}
		}
		return nil
	}
	switch rnd.IntN(5) {
	case 0:
		return db.Checkpoint(bg)
	case 1:
		return db.w.wait(bg, job{after: func(c *conn) error {
			var busy, frames, moved int
			return c.scan("PRAGMA wal_checkpoint(PASSIVE)", &busy, &frames, &moved)
		}})
	case 2:
		err := db.WriteSync(bg, func(tx *Tx) error { return errors.Join(many(tx), errUndone) })
		if errors.Is(err, errUndone) {
			return nil
		}
		return errors.Join(err, errors.New("nothing was undone"))
	case 3:
		return db.WriteSync(bg, func(tx *Tx) error { return silence(tx, "bird") })
	default:
		return db.WriteSync(bg, many)
	}
}

// An aFrame is a page that was written; commit says that it ends a transaction.
type aFrame struct {
	page   uint32
	commit bool
	salt   uint64
}

// aLog is a log with pages of 512 bytes.
func aLog(salt uint64, frames ...aFrame) []byte {
	be := binary.BigEndian
	log := make([]byte, logHeader)
	be.PutUint32(log[8:], 512)
	be.PutUint64(log[16:], salt)
	for _, f := range frames {
		frame := make([]byte, frameHeader+512)
		be.PutUint32(frame, f.page)
		if f.commit {
			be.PutUint32(frame[4:], 99)
		}
		be.PutUint64(frame[8:], f.salt)
		log = append(log, frame...)
	}
	return log
}

func TestPageLogSteps(t *testing.T) {
	l := &pageLog{pages: map[int64]struct{}{}}
	for _, step := range []struct {
		name string
		log  []byte
		want []int64
	}{
		{"empty", nil, nil},
		{"a commit, and what is none yet", aLog(1, aFrame{5, false, 1}, aFrame{6, true, 1}, aFrame{7, false, 1}), []int64{5, 6}},
		{"what was none is overwritten", aLog(1, aFrame{5, false, 1}, aFrame{6, true, 1}, aFrame{8, true, 1}), []int64{8}},
		{"nothing new", aLog(1, aFrame{5, false, 1}, aFrame{6, true, 1}, aFrame{8, true, 1}), nil},
		{"anew, with old frames behind", aLog(2, aFrame{9, true, 2}, aFrame{6, true, 1}, aFrame{8, true, 1}), []int64{9}},
		{"emptied", nil, nil},
		{"anew", aLog(3, aFrame{10, true, 3}), []int64{10}},
		{"cut off", aLog(3, aFrame{10, true, 3}, aFrame{11, true, 3})[:logHeader+frameHeader+512+10], nil},
	} {
		l.f = bytesFile{bytes.NewReader(step.log)}
		l.follow()
		got, err := l.take()
		slices.Sort(got)
		if err != nil || !slices.Equal(got, step.want) {
			t.Errorf("%s: %v %v, want %v", step.name, got, err, step.want)
		}
	}
	l.f = bytesFile{bytes.NewReader(make([]byte, 100))}
	l.follow()
	if _, err := l.take(); err == nil {
		t.Error("what is no log was read")
	}
}

type bytesFile struct{ *bytes.Reader }

func (bytesFile) Close() error { return nil }

// FuzzPageLog reads what is no log: it ends, and does not go past the end.
func FuzzPageLog(f *testing.F) {
	log := aLog(4, aFrame{7, true, 4}, aFrame{8, false, 4})
	f.Add(log)
	f.Add(log[:40])
	f.Fuzz(func(t *testing.T, b []byte) {
		l := &pageLog{f: bytesFile{bytes.NewReader(b)}, pages: map[int64]struct{}{}}
		for range 2 {
			l.follow()
		}
		if pages, err := l.take(); err == nil && (len(pages) > len(b)/512+1 || l.at > int64(len(b)+1<<16)) {
			t.Errorf("%d pages, until %d of %d", len(pages), l.at, len(b))
		}
	})
}
