package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/trapgate/trapgate/internal/state"
)

const (
	scrubPages  = 1024 // that one query looks at
	scrubWrites = 64   // that one transaction overwrites
	emptyTries  = 20   // to empty the log while readers are at work
	emptyWait   = 50 * time.Millisecond
)

// scrub overwrites what is left in the unused part of the file's pages, and empties the log. secure_delete does that where a row is
// deleted, but when SQLite moves rows from a full page to another, or merges pages, copies of them stay behind in the part of the
// page that is not used any longer, and deleting the row does not reach them (measured: of 100 rows deleted from a table with an
// index, about one could still be read). The pages are read and written through SQLite itself, by its table of pages.
func (s *Store) scrub(ctx context.Context) error {
	for from := int64(1); ; from += scrubPages {
		var dirty []int64
		seen := false
		err := s.read(ctx, `SELECT pgno, data FROM sqlite_dbpage
			WHERE pgno BETWEEN ? AND ? AND pgno <= (SELECT page_count FROM pragma_page_count)`,
			[]any{from, from + scrubPages - 1}, func(rows *sql.Rows) error {
				var n int64
				var page sql.RawBytes
				if err := rows.Scan(&n, &page); err != nil {
					return err
				}
				seen = true
				if unused(n, page, func(part []byte) bool { return len(bytes.Trim(part, "\x00")) > 0 }) {
					dirty = append(dirty, n)
				}
				return nil
			})
		if err != nil {
			return err
		}
		if err := s.overwrite(ctx, dirty); err != nil {
			return err
		}
		if !seen {
			return s.emptyLog(ctx)
		}
	}
}

// overwrite puts zeros into the unused parts of pages.
func (s *Store) overwrite(ctx context.Context, pages []int64) error {
	for len(pages) > 0 {
		part := pages[:min(scrubWrites, len(pages))]
		pages = pages[len(part):]
		err := s.commit(ctx, func(tx *state.Tx) error {
			for _, n := range part {
				var page []byte
				if err := row(tx, `SELECT data FROM sqlite_dbpage WHERE pgno = ?`, []any{n}, &page); err != nil {
					return err
				}
				unused(n, page, func(part []byte) bool {
					clear(part)
					return false
				})
				if _, err := tx.Exec(`UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?`, page, n); err != nil {
					return err
				}
			}
			return nil
		}, func() {})
		if err != nil {
			return err
		}
	}
	return nil
}

// unused yields the unused parts of a page of a B-tree until yield returns true, and reports whether it did. Of other pages nothing is
// unused that secure_delete has not overwritten: they begin with the number of the next page, which is below 2^24, so with a zero.
// The format is in https://www.sqlite.org/fileformat2.html#b_tree_pages.
func unused(n int64, page []byte, yield func([]byte) bool) bool {
	at := 0
	if n == 1 {
		at = 100 // after the header of the file
	}
	if len(page) < 512 {
		return false
	}
	head, pointers := page[at:], at+8
	switch head[0] {
	case 2, 5: // interior
		pointers += 4
	case 10, 13: // leaf
	default:
		return false
	}
	be := binary.BigEndian
	begin, end := pointers+2*int(be.Uint16(head[3:])), int(be.Uint16(head[5:]))
	if end == 0 {
		end = 1 << 16
	}
	if begin > end || end > len(page) {
		return false
	}
	if yield(page[begin:end]) {
		return true
	}
	// Free blocks, in the order of their places: the next one, the size, then what is unused.
	last := 0
	for block := int(be.Uint16(head[1:])); block > last && block+4 <= len(page); {
		size := int(be.Uint16(page[block+2:]))
		if size < 4 || block+size > len(page) {
			return false
		}
		if yield(page[block+4 : block+size]) {
			return true
		}
		last, block = block, int(be.Uint16(page[block:]))
	}
	return false
}

// emptyLog moves the log into the file and empties it. Readers that are at work make it fail, so it is tried for a while.
func (s *Store) emptyLog(ctx context.Context) (err error) {
	for range emptyTries {
		if err = s.db.Checkpoint(ctx); err == nil || ctx.Err() != nil {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(emptyWait):
		}
	}
	if err != nil {
		return fmt.Errorf("memory: it is forgotten, but the log of the state file may still have some of it: %w", err)
	}
	return nil
}
