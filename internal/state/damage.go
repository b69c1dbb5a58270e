package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// A DamagedError says that the file is no sound state file. It was not changed.
type DamagedError struct {
	Path string
	Err  error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("state: %s is damaged or not a state file: %v\nhint: budgets and everything else that was spent or learnt is in it: restore a backup, try sqlite3's .recover, "+
		"or move it and its -wal away to start with nothing", e.Path, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// SetAside renames the file of a data directory that nobody uses, and what belongs to it, to FILE.damaged-TIME, and
// returns the new names. The next Open starts with an empty file.
func SetAside(dir string, now time.Time) ([]string, error) {
	lock, err := Lock(dir)
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	return setAside(dir, now)
}

func setAside(dir string, now time.Time) (names []string, err error) {
	base := filepath.Join(dir, File)
	aside := base + ".damaged-" + now.UTC().Format("20060102T150405.000")
	// The log goes first: left behind, it would be played into the new file.
	for _, suffix := range []string{"-wal", "-shm", ""} {
		err := os.Rename(base+suffix, aside+suffix)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return names, fmt.Errorf("state: %w", err)
		}
		names = append(names, aside+suffix)
	}
	return names, nil
}

// check refuses a file that is damaged or somebody else's. A large one is only looked into, because every start pays for it;
// damage in there shows when it is read.
func (c *conn) check(ctx context.Context, path string, size int64) error {
	var id, tables int
	err := c.scan("PRAGMA application_id", &id)
	if err == nil {
		err = c.scan("SELECT count(*) FROM sqlite_schema", &tables)
	}
	if err == nil && size <= checkBelow {
		var verdict string
		if err = c.sql.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err == nil && verdict != "ok" {
			return &DamagedError{Path: path, Err: errors.New(verdict)}
		}
	}
	if err != nil {
		return explain(path, err)
	}
	if tables > 0 && id != applicationID {
		return &DamagedError{Path: path, Err: errors.New("a database of another program")}
	}
	return nil
}

// code is the primary result code of an SQLite error, 0 for other errors.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// environmental says whether err is about the disk or the machine, so that the same write can succeed later.
func environmental(err error) bool {
	switch code(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PERM:
		return true
	}
	return errors.Is(err, sql.ErrConnDone)
}

// explain adds what a user can do about it.
func explain(path string, err error) error {
	switch code(err) {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return &DamagedError{Path: path, Err: err}
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("state: %s: %w\nhint: the disk is full: make room; what waits is written then", path, err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return fmt.Errorf("state: %s: %w\nhint: the data directory and what is in it must be writable", path, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("state: %s: %w\nhint: another program holds a lock on it", path, err)
	case sqlite3.SQLITE_IOERR:
		return fmt.Errorf("state: %s: %w\nhint: the disk fails, is full or at a limit of size: see the kernel's log", path, err)
	}
	return fmt.Errorf("state: %s: %w", path, err)
}

// OpenReader opens the file of a data directory for reading only, also while another process holds it. It makes nothing: a
// directory without state is an error that is fs.ErrNotExist. The caller closes it.
func OpenReader(ctx context.Context, dir string) (*sql.DB, error) {
	path := filepath.Join(dir, File)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("state: %w\nhint: nothing was stored there yet; is it the data directory of that Trapgate?", err)
	}
	db, err := openPool(path)
	if err != nil {
		return nil, err
	}
	var id int
	err = db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id)
	if err != nil {
		err = explain(path, err)
	} else if id != applicationID {
		err = &DamagedError{Path: path, Err: errors.New("a database of another program")}
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}
