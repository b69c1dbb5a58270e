package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

const (
	scrubReads  = 1024 // pages that one query looks at
	scrubWrites = 64   // pages that one transaction overwrites
	scrubRounds = 16   // over what was written meanwhile, until what is left is overwritten however much it is
	emptyFor    = 5 * time.Second
	emptyPause  = 25 * time.Millisecond
)

// Scrub overwrites what deleted rows left behind. secure_delete overwrites a row where it stands; but when SQLite moves rows to
// another page, because one is full or two are merged, copies stay in the part of a page that is not used any longer, and deleting
// the row does not reach them.
//
// When Scrub returns nil, the file and its log hold nothing of a row whose deletion was committed before Scrub was called, but
// pieces of at most 3 bytes. That holds for a file that was always written with secure_delete, as this package does. What a file
// system or a disk keeps of blocks that were overwritten or freed is out of its reach. An error says that some may be left; asked
// again it begins anew.
//
// It reads the whole file, through readers, and overwrites what it finds in transactions of at most scrubWrites pages, so that other
// writes go on between them; what they write meanwhile is looked at again before it ends. Readers do not hinder it until it empties
// the log, as Checkpoint does: it tries for 5 s, and then fails if a query still reads what was there before. Scrubs run one after the
// other, and those that wait are done when one has run that began after them.
func (db *DB) Scrub(ctx context.Context) error {
	s := &db.scrubs
	before := s.begun.Load()
	select {
	case s.busy <- struct{}{}:
		defer func() { <-s.busy }()
	case <-ctx.Done():
		return fmt.Errorf("state: waiting for another scrub: %w", ctx.Err())
	}
	if s.done > before {
		return nil
	}
	this := s.begun.Add(1)
	err := db.scrub(ctx)
	if err == nil {
		s.done = this
	}
	return err
}

// scrubs are numbered from 1 on.
type scrubs struct {
	busy  chan struct{} // has one element while a scrub is under way
	begun atomic.Int64
	done  int64 // the last one that succeeded; busy guards it
}

func (db *DB) scrub(ctx context.Context) error {
	log, err := openPageLog(db.w.path)
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	defer log.close()
	err = db.w.wait(ctx, job{after: func(*conn) error { return db.w.follow(log) }})
	defer db.w.following.CompareAndSwap(log, nil)
	if err == nil {
		err = db.scrubAll(ctx)
	}
	if err == nil {
		err = db.scrubWritten(ctx, log)
	}
	if err == nil {
		err = db.emptyLog(ctx)
	}
	return err
}

// scrubAll looks at all pages that there are when it begins.
func (db *DB) scrubAll(ctx context.Context) error {
	var count int64
	if err := db.reader.QueryRowContext(ctx, `PRAGMA page_count`).Scan(&count); err != nil {
		return explain(db.w.path, err)
	}
	if count > maxScrubPages {
		return fmt.Errorf("state: %s has %d pages: it is too large to overwrite what is unused", db.w.path, count)
	}
	pages := make([]int64, 0, scrubReads)
	for n := int64(1); n <= count; n++ {
		if pages = append(pages, n); len(pages) == scrubReads || n == count {
			if err := db.scrubSome(ctx, pages); err != nil {
				return err
			}
			pages = pages[:0]
		}
	}
	return nil
}

// scrubWritten looks at the pages that were written since the log is followed, this scrub's own among them: SQLite moves copies of
// pages, so what was not overwritten yet may have moved to where all was. It ends in one transaction with nothing written before it.
func (db *DB) scrubWritten(ctx context.Context, log *pageLog) error {
	for round := 0; ; round++ {
		pages, err := log.take()
		if err == nil {
			err = db.scrubSome(ctx, pages)
		}
		if err != nil {
			return err
		}
		done := make(chan bool, 1)
		err = db.w.wait(ctx, job{after: func(c *conn) error {
			if round < scrubRounds && log.waiting() > scrubWrites {
				done <- false
				return nil
			}
			pages, err := log.take()
			if err != nil {
				return err
			}
			done <- true
			return c.transaction(context.Background(), func(tx *Tx) error { return overwrite(tx, pages) })
		}})
		if err != nil {
			return err
		}
		if <-done {
			return nil
		}
	}
}

// scrubSome looks at pages, and overwrites those that need it.
func (db *DB) scrubSome(ctx context.Context, pages []int64) error {
	found, err := db.dirtyOf(ctx, pages)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(found, scrubWrites) {
		if err := db.WriteSync(ctx, func(tx *Tx) error { return overwrite(tx, some) }); err != nil {
			return err
		}
	}
	return nil
}

// dirtyOf returns those of the pages that need to be overwritten.
func (db *DB) dirtyOf(ctx context.Context, pages []int64) (found []int64, err error) {
	for some := range slices.Chunk(pages, scrubReads) {
		if found, err = db.addDirty(ctx, found, some); err != nil {
			return nil, explain(db.w.path, err)
		}
	}
	return found, nil
}

func (db *DB) addDirty(ctx context.Context, found, pages []int64) ([]int64, error) {
	list, err := json.Marshal(pages)
	if err != nil {
		return nil, err
	}
	// For a range of pages SQLite would step through all; it finds single ones at once.
	rows, err := db.reader.QueryContext(ctx, `SELECT pgno, data FROM json_each(?) some CROSS JOIN sqlite_dbpage WHERE pgno = some.value`, string(list))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		var page sql.RawBytes
		if err := rows.Scan(&n, &page); err != nil {
			return nil, err
		}
		if dirty(n, page) {
			found = append(found, n)
		}
	}
	return found, errors.Join(rows.Err(), rows.Close())
}

// overwrite puts zeros into the unused parts of pages.
func overwrite(tx *Tx, pages []int64) error {
	for _, n := range pages {
		page, err := readPage(tx, n)
		if err != nil {
			return err
		}
		if !dirty(n, page) {
			continue
		}
		wipe(n, page)
		if _, err := tx.Exec(`UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?`, page, n); err != nil {
			return err
		}
	}
	return nil
}

// readPage reads a page of a file, or nothing where there is none.
func readPage(tx *Tx, n int64) (page []byte, err error) {
	rows, err := tx.Query(`SELECT data FROM sqlite_dbpage WHERE pgno = ?`, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	if rows.Next() {
		if err := rows.Scan(&page); err != nil {
			return nil, err
		}
	}
	return page, rows.Err()
}

// emptyLog empties the log. Readers that are at work make it fail, so it is tried for a while.
func (db *DB) emptyLog(ctx context.Context) error {
	for until := time.Now().Add(emptyFor); ; {
		failed := make(chan error, 1)
		err := db.w.wait(ctx, job{after: func(c *conn) error { // failing here would be counted as a write that failed
			failed <- c.checkpoint()
			return nil
		}})
		if err != nil {
			return err
		}
		if err = <-failed; err == nil {
			return nil
		}
		if time.Now().After(until) {
			return fmt.Errorf("state: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("state: emptying the log: %w", ctx.Err())
		case <-time.After(emptyPause):
		}
	}
}
