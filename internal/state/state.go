package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Names in the data directory. SQLite adds -wal and -shm beside File.
const (
	File     = "state.db"
	LockFile = "lock"
)

// Defaults of Options.
const (
	DefaultGap       = 10 * time.Millisecond
	DefaultSync      = time.Second
	DefaultMaxQueued = 1 << 16
	checkBelow       = 32 << 20 // bytes: a larger file is not read through at every start
)

// Options say how to open the state of a data directory.
type Options struct {
	Dir        string      // the data directory; made with mode 0700 when it is missing
	Migrations []Migration // of all pieces, in the order in which they are applied
	Log        *slog.Logger

	// SetAside renames a damaged file (SetAside tells how) and starts with an empty one, where Open would refuse. What the
	// file knew, spent budgets included, is forgotten until somebody brings it back: for those who asked for it.
	SetAside bool

	Gap       time.Duration // between two batches that nobody waits for; 0: DefaultGap
	Sync      time.Duration // from a commit until it is on the disk; 0: DefaultSync
	MaxQueued int           // writes that wait; 0: DefaultMaxQueued

	// After is time.After for tests: it paces batches, syncs and new tries on a disk that failed.
	After func(time.Duration) <-chan time.Time
}

// A DB is the state of one data directory, held by this process alone. Safe for concurrent use.
type DB struct {
	lock   *DirLock
	reader *sql.DB
	w      *writer
	sync   *syncer
	scrubs scrubs
	once   sync.Once
	closed error
}

// Open takes the lock of the directory, opens or makes the file, checks it and migrates it. The errors that callers tell
// apart are *HeldError, *DamagedError and *NewerError; each has its hint.
func Open(ctx context.Context, opt Options) (*DB, error) {
	opt.fill()
	if opt.Dir == "" {
		return nil, errors.New("state: no data directory\nhint: give one: --data")
	}
	if err := checkMigrations(opt.Migrations); err != nil {
		return nil, err
	}
	lock, err := Lock(opt.Dir)
	if err != nil {
		return nil, err
	}
	db, err := open(ctx, opt)
	if damaged := (*DamagedError)(nil); opt.SetAside && errors.As(err, &damaged) {
		var names []string
		if names, err = setAside(opt.Dir, time.Now()); err == nil {
			opt.Log.Error("state: the file was damaged and is set aside; starting with an empty one", "file", names, "damage", damaged.Err)
			db, err = open(ctx, opt)
		}
	}
	if err != nil {
		lock.Release()
		return nil, err
	}
	db.lock = lock
	return db, nil
}

func (o *Options) fill() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Gap == 0 {
		o.Gap = DefaultGap
	}
	if o.Sync == 0 {
		o.Sync = DefaultSync
	}
	if o.MaxQueued == 0 {
		o.MaxQueued = DefaultMaxQueued
	}
	if o.After == nil {
		o.After = time.After
	}
}

func open(ctx context.Context, opt Options) (_ *DB, err error) {
	path := filepath.Join(opt.Dir, File)
	// SQLite would make it readable for others, and its log takes the mode of the file.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state: %w\nhint: the data directory must be writable", err)
	}
	info, err := f.Stat()
	f.Close()
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	conn, err := openWriter(ctx, path)
	if err != nil {
		return nil, explain(path, err)
	}
	defer func() {
		if err != nil {
			conn.close()
		}
	}()
	if err = conn.check(ctx, path, info.Size()); err != nil {
		return nil, err
	}
	if err = migrate(ctx, conn, path, opt.Migrations); err != nil {
		return nil, err
	}
	reader, err := openPool(path)
	if err != nil {
		return nil, err
	}
	s := newSyncer(path+"-wal", opt)
	return &DB{reader: reader, sync: s, scrubs: scrubs{busy: make(chan struct{}, 1)}, w: newWriter(conn, path, opt, s.committed)}, nil
}

// Write hands f to the writer and returns at once. Writes are committed in the order in which they were handed over, many in
// one transaction. f runs later, on the writer's goroutine, and may run more than once, because a transaction that failed is
// begun again: it must have no effect but on tx and must not block. An error of f undoes what f did, and is logged. An error
// of Write, which is logged too, says that f was not taken: too many writes wait, or the state is closed.
func (db *DB) Write(f func(tx *Tx) error) error { return db.w.add(job{f: f}) }

// WriteSync is Write and waits for the commit. The error is f's, or tells that the disk failed: then nothing was written and
// nothing will be. When ctx ends first, the write may still happen.
func (db *DB) WriteSync(ctx context.Context, f func(tx *Tx) error) error {
	return db.w.wait(ctx, job{f: f})
}

// Flush waits until everything that was handed over before it is committed, or ctx ends. While the disk fails it waits.
func (db *DB) Flush(ctx context.Context) error { return db.w.wait(ctx, job{patient: true}) }

// Reader returns a pool of connections that can only read. A query sees what was committed when it began.
func (db *DB) Reader() *sql.DB { return db.reader }

// Checkpoint moves the write-ahead log into the file and empties it, so that what secure_delete overwrites in the file does not
// remain in the log. Copies of deleted rows may remain in both: see Scrub. Readers that are at work make it fail after 20 ms, in which
// the writer does nothing else: try again.
func (db *DB) Checkpoint(ctx context.Context) error {
	return db.w.wait(ctx, job{after: (*conn).checkpoint})
}

// Health tells how the writer fares.
func (db *DB) Health() Health { return db.w.health() }

// Health is the state of the writer. The zero value is a healthy writer with nothing to do.
type Health struct {
	Err     error     // why the last try to write failed; nil once one went through
	Since   time.Time // since when it fails
	Waiting int       // writes that are not committed
	Refused int64     // writes that were thrown away because too many waited
	Failed  int64     // writes whose own function failed
}

// Close commits what waits, empties the log, and gives the directory back. On a disk that fails it tries once more and
// returns the error. Nothing may be written after it; a second Close does nothing more.
func (db *DB) Close() error {
	db.once.Do(func() {
		db.closed = db.w.close()
		db.sync.close()
		for _, close := range []func() error{db.reader.Close, db.w.conn.close} {
			if err := close(); err != nil && db.closed == nil {
				db.closed = fmt.Errorf("state: %w", err)
			}
		}
		db.lock.Release()
	})
	return db.closed
}
