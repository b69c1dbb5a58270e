package state

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	first  = SQL(`CREATE TABLE things (name TEXT) STRICT`)
	second = SQL(`ALTER TABLE things ADD COLUMN size INTEGER NOT NULL DEFAULT 7; CREATE INDEX things_size ON things (size)`)
	third  = Step(func(tx *Tx) error { _, err := tx.Exec(`UPDATE things SET size = length(name)`); return err })
)

// with opens, does something, and closes.
func with(t *testing.T, dir string, migrations []Migration, do func(*DB)) error {
	t.Helper()
	db, err := Open(bg, Options{Dir: dir, Migrations: migrations})
	if err != nil {
		return err
	}
	if do != nil {
		do(db)
	}
	return db.Close()
}

func TestAnOlderFileIsBroughtUp(t *testing.T) {
	dir := t.TempDir()
	err := with(t, dir, []Migration{{"things", []Step{first}}}, func(db *DB) {
		if err := db.WriteSync(bg, func(tx *Tx) error { _, err := tx.Exec(`INSERT INTO things VALUES ('four')`); return err }); err != nil {
			t.Fatal(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	steps := []Step{first, second, third}
	for range 2 { // the second time nothing is due
		err = with(t, dir, []Migration{numbers, {"things", steps}}, func(db *DB) {
			var size int
			if err := db.Reader().QueryRow(`SELECT size FROM things WHERE name = 'four'`).Scan(&size); err != nil || size != 4 {
				t.Errorf("size %d, %v", size, err)
			}
			if err := db.WriteSync(bg, func(tx *Tx) error { _, err := tx.Exec(`DELETE FROM numbers`); return err }); err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// A piece that is switched off stays as it is, and is not in the way.
	if err := with(t, dir, []Migration{numbers}, nil); err != nil {
		t.Error(err)
	}
}

func TestANewerFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := with(t, dir, []Migration{{"things", []Step{first, second}}}, nil); err != nil {
		t.Fatal(err)
	}
	err := with(t, dir, []Migration{{"things", []Step{first}}}, nil)
	var newer *NewerError
	if !errors.As(err, &newer) || newer.Piece != "things" || newer.Have != 2 || newer.Known != 1 || !strings.Contains(err.Error(), "hint: run the newer version") {
		t.Fatalf("%v", err)
	}
	if err := with(t, dir, []Migration{{"things", []Step{first, second}}}, nil); err != nil {
		t.Errorf("the refusal left something behind: %v", err)
	}
}

func TestAStepThatFailsChangesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := with(t, dir, []Migration{{"things", []Step{first}}}, nil); err != nil {
		t.Fatal(err)
	}
	bad := []Migration{numbers, {"things", []Step{first, second, SQL(`CREATE TABLE nonsense (`)}}}
	if err := with(t, dir, bad, nil); err == nil || !strings.Contains(err.Error(), "migrating things to version 3") {
		t.Fatalf("%v", err)
	}
	err := with(t, dir, []Migration{{"things", []Step{first}}}, func(db *DB) {
		var n int
		if err := db.Reader().QueryRow(`SELECT count(*) FROM sqlite_schema WHERE name IN ('numbers', 'things_size')`).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d objects of the migration that failed, %v", n, err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// damage overwrites a part of the file.
func damage(t *testing.T, path string, at int64, with string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(with), at); err != nil {
		t.Fatal(err)
	}
}

func TestADamagedFileIsRefusedAndKept(t *testing.T) {
	for name, at := range map[string]int64{"header": 0, "schema": 100, "page": 4096 + 10} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := with(t, dir, []Migration{numbers}, func(db *DB) {
				for n := range 300 {
					db.Write(insert(n))
				}
			}); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, File)
			damage(t, path, at, strings.Repeat("\xff", 200))
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Open(bg, Options{Dir: dir, Migrations: []Migration{numbers}})
			var damaged *DamagedError
			if !errors.As(err, &damaged) || damaged.Path != path || !strings.Contains(err.Error(), "hint:") {
				t.Fatalf("%v", err)
			}
			if after, err := os.ReadFile(path); err != nil || !slices.Equal(before, after) {
				t.Fatalf("the damaged file was changed (%v)", err)
			}
			var log logBook
			db := mustOpen(t, Options{Dir: dir, SetAside: true, Log: log.logger()})
			if got := stored(t, db.Reader()); len(got) != 0 {
				t.Errorf("stored %v", got)
			}
			names, err := filepath.Glob(path + ".damaged-*")
			if err != nil || len(names) == 0 || !strings.Contains(log.String(), names[0]) {
				t.Fatalf("set aside %v (%v), logged %s", names, err, log.String())
			}
			if kept, err := os.ReadFile(names[0]); err != nil || !slices.Equal(before, kept) {
				t.Errorf("what was set aside is not what was there (%v)", err)
			}
		})
	}
}

func TestSetAsideTakesTheLogAlong(t *testing.T) {
	dir := t.TempDir()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.WriteFile(filepath.Join(dir, File+suffix), []byte("x"+suffix), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	names, err := SetAside(dir, time.Date(2026, 11, 5, 1, 2, 3, 0, time.UTC))
	if err != nil || len(names) != 3 {
		t.Fatal(names, err)
	}
	left, err := filepath.Glob(filepath.Join(dir, File+"*"))
	if err != nil || len(left) != 3 || !strings.HasSuffix(left[0], File+".damaged-20261105T010203.000") {
		t.Errorf("%v %v", left, err)
	}
}

func TestAForeignDatabaseIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := with(t, dir, []Migration{numbers}, nil); err != nil {
		t.Fatal(err)
	}
	damage(t, filepath.Join(dir, File), 68, "\x00\x00\x00\x01") // the application id
	err := with(t, dir, []Migration{numbers}, nil)
	var damaged *DamagedError
	if !errors.As(err, &damaged) || !strings.Contains(err.Error(), "another program") {
		t.Errorf("%v", err)
	}
	if _, err := OpenReader(bg, dir); !errors.As(err, &damaged) {
		t.Errorf("%v", err)
	}
}
