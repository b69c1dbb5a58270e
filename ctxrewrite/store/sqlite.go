package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/trapgate/trapgate/internal/state"
)

// SQLite is a Store in the state file of one data directory. An epoch is committed when PutEpoch returns. Contents are handed to
// the file's writer and committed with its next batch: kill -9 before that loses them. Reads wait for a disk, so they have no
// place on a request's path but for a conversation's first request.
type SQLite struct {
	db  *state.DB
	opt Options

	removals atomic.Int64 // by Forget and Purge
	scrubbed atomic.Int64 // how many of them the file's bytes were scrubbed after
}

var _ Store = (*SQLite)(nil)

// NewSQLite uses a state file that was opened with Migration, and has what is too old removed, the first part at once and the
// rest with the writes to come. The file stays the caller's, who closes it.
func NewSQLite(db *state.DB, opt Options) *SQLite {
	opt = opt.withDefaults(DefaultBytes)
	if opt.Now == nil {
		opt.Now = time.Now
	}
	s := &SQLite{db: db, opt: opt}
	at := s.moment()
	_ = db.Write(func(tx *state.Tx) error { return s.purge(tx, 0, at) }) // refused is logged, and the next write purges too
	return s
}

// PutEpoch implements Store.
func (s *SQLite) PutEpoch(ctx context.Context, k Key, chain uint64, record []byte) ([]byte, error) {
	return s.put(ctx, &epochTable, k, chain, record)
}

// Epochs implements Store.
func (s *SQLite) Epochs(ctx context.Context, k Key) ([][]byte, error) {
	return s.all(ctx, &epochTable, k)
}

// PutNote implements Store.
func (s *SQLite) PutNote(ctx context.Context, k Key, name uint64, note []byte) ([]byte, error) {
	return s.put(ctx, &noteTable, k, name, note)
}

// Notes implements Store.
func (s *SQLite) Notes(ctx context.Context, k Key) ([][]byte, error) {
	return s.all(ctx, &noteTable, k)
}

// A table is one of records that are found by session and name.
type table struct{ what, find, insert, all string }

func tableOf(what, name, column string) table {
	return table{
		what: what,
		find: `SELECT record FROM ` + name + ` WHERE session = ? AND ` + column + ` = ?`,
		insert: `INSERT INTO ` + name + ` (session, ` + column + `, size, record) VALUES (?, ?, ?, ?)
			ON CONFLICT (session, ` + column + `) DO UPDATE SET size = excluded.size, record = excluded.record`,
		all: `SELECT ` + column + `, record FROM ` + name + ` WHERE session = (SELECT id FROM context_sessions
			WHERE tenant = ? AND session = ? AND used >= ? ORDER BY id DESC LIMIT 1) ORDER BY id`,
	}
}

var (
	epochTable = tableOf("an epoch", "context_epochs", "chain")
	noteTable  = tableOf("a note", "context_notes", "name")
)

// put is a transaction of its own, committed when it returns.
func (s *SQLite) put(ctx context.Context, t *table, k Key, name uint64, record []byte) ([]byte, error) {
	sealed, at := seal(record), s.moment()
	var stands []byte
	var bad error
	err := s.db.WriteSync(ctx, func(tx *state.Tx) error { // may run more than once
		id, err := touch(tx, k, at)
		if err != nil {
			return err
		}
		stands, bad = nil, nil
		var found []byte
		switch err := row(tx, t.find, []any{id, int64(name)}, &found); {
		case err == nil:
			if stands, bad = unseal(found); bad == nil {
				return nil
			}
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		stands = sealed[8:]
		if _, err := tx.Exec(t.insert, id, int64(name), len(sealed), sealed); err != nil {
			return err
		}
		return s.purge(tx, id, at)
	})
	if err != nil {
		return nil, fmt.Errorf("context: %w", err)
	}
	if bad != nil {
		s.damaged(t.what, k, fmt.Sprintf("%016x", name), bad)
	}
	return stands, nil
}

// all reads a session's records and notes that it is used.
func (s *SQLite) all(ctx context.Context, t *table, k Key) ([][]byte, error) {
	at := s.moment()
	rows, err := s.db.Reader().QueryContext(ctx, t.all, k.Tenant, k.Session, at.oldest)
	if err != nil {
		return nil, fmt.Errorf("context: %w", err)
	}
	defer rows.Close()
	var all [][]byte
	for rows.Next() {
		var name int64
		var sealed []byte
		if err := rows.Scan(&name, &sealed); err != nil {
			return nil, fmt.Errorf("context: %w", err)
		}
		record, err := unseal(sealed)
		if err != nil {
			s.damaged(t.what, k, fmt.Sprintf("%016x", uint64(name)), err)
			continue
		}
		all = append(all, record)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("context: %w", err)
	}
	_ = s.db.Write(func(tx *state.Tx) error { // refused: it ends its time to live a little earlier
		_, err := tx.Exec(`UPDATE context_sessions SET used = ? WHERE tenant = ? AND session = ? AND used BETWEEN ? AND ?`,
			at.now, k.Tenant, k.Session, at.oldest, at.now)
		return err
	})
	return all, nil
}

// PutContents implements Store. While the disk fails it keeps nothing, as contents would fill the memory.
func (s *SQLite) PutContents(_ context.Context, k Key, contents []Content) error {
	if h := s.db.Health(); h.Err != nil {
		return fmt.Errorf("context: contents are not kept: %w", h.Err)
	}
	kept, err := keepable(contents)
	at := s.moment()
	for part := range portions(kept) {
		err = errors.Join(err, s.db.Write(func(tx *state.Tx) error {
			id, err := touch(tx, k, at)
			if err != nil {
				return err
			}
			for i := range part {
				if _, err := tx.Exec(`INSERT INTO context_contents (session, handle, size, content) VALUES (?, ?, ?, ?) ON CONFLICT (session, handle)
					DO UPDATE SET size = excluded.size, content = excluded.content WHERE content IS NOT excluded.content`,
					id, part[i].handle, len(part[i].bytes), part[i].bytes); err != nil {
					return err
				}
			}
			return s.purge(tx, id, at)
		}))
	}
	return err
}

// Content implements Store.
func (s *SQLite) Content(ctx context.Context, tenant, handle string) (Content, error) {
	h := s.db.Health()
	c, err := s.content(ctx, tenant, handle)
	if errors.Is(err, ErrUnknown) && h.Waiting > 0 && h.Err == nil { // it may have been put a moment ago
		if err := s.db.Flush(ctx); err != nil {
			return Content{}, fmt.Errorf("context: %w", err)
		}
		c, err = s.content(ctx, tenant, handle)
	}
	if errors.Is(err, errDamaged) {
		err = ErrUnknown
	}
	return c, err
}

// content reads what is committed; the error is ErrUnknown when there is nothing, errDamaged when there is nothing sound.
func (s *SQLite) content(ctx context.Context, tenant, handle string) (Content, error) {
	rows, err := s.db.Reader().QueryContext(ctx, `SELECT s.session, c.content FROM context_contents c JOIN context_sessions s ON s.id = c.session
		WHERE c.handle = ? AND s.tenant = ? AND s.used >= ?`, handle, tenant, s.moment().oldest)
	if err != nil {
		return Content{}, fmt.Errorf("context: %w", err)
	}
	defer rows.Close()
	none := ErrUnknown
	for rows.Next() {
		k := Key{Tenant: tenant}
		var packed []byte
		if err := rows.Scan(&k.Session, &packed); err != nil {
			return Content{}, fmt.Errorf("context: %w", err)
		}
		c, err := unpack(handle, packed)
		if err == nil {
			return c, nil
		}
		s.damaged("a content", k, handle, err)
		none = errDamaged
	}
	if err := rows.Err(); err != nil {
		return Content{}, fmt.Errorf("context: %w", err)
	}
	return Content{}, none
}

// Sessions implements Store.
func (s *SQLite) Sessions(ctx context.Context, tenant string) (all []Session, err error) {
	if h := s.db.Health(); h.Waiting > 0 && h.Err == nil {
		if err := s.db.Flush(ctx); err != nil {
			return nil, fmt.Errorf("context: %w", err)
		}
	}
	rows, err := s.db.Reader().QueryContext(ctx, `SELECT tenant, session, used, bytes,
		(SELECT count(*) FROM context_epochs e WHERE e.session = s.id), (SELECT count(*) FROM context_contents c WHERE c.session = s.id)
		FROM context_sessions s WHERE used >= ? AND (? = '' OR tenant = ?) ORDER BY used DESC, id DESC`, s.moment().oldest, tenant, tenant)
	if err != nil {
		return nil, fmt.Errorf("context: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var x Session
		var used int64
		if err := rows.Scan(&x.Tenant, &x.Session, &used, &x.Bytes, &x.Epochs, &x.Contents); err != nil {
			return nil, fmt.Errorf("context: %w", err)
		}
		x.Used = time.UnixMilli(used)
		all = append(all, x)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("context: %w", err)
	}
	return all, nil
}

// Forget implements Store. It also scrubs the file, so that nothing of the session is left on the disk; an error of that says that
// some may be, and the next Forget or Purge scrubs whatever it finds.
func (s *SQLite) Forget(ctx context.Context, k Key) error {
	for more := true; more; {
		err := s.db.WriteSync(ctx, func(tx *state.Tx) (err error) {
			more, err = s.forget(tx, k)
			return err
		})
		if err != nil {
			s.removals.Add(1) // it may happen yet
			return fmt.Errorf("context: %w", err)
		}
		if more {
			s.removals.Add(1)
		}
	}
	if err := s.scrub(ctx); err != nil {
		return fmt.Errorf("context: the session is forgotten, but the state file may still have some of it: %w", err)
	}
	return nil
}

// scrub has the file scrubbed, unless that was done since the last removal.
func (s *SQLite) scrub(ctx context.Context) error {
	upTo := s.removals.Load()
	if s.scrubbed.Load() >= upTo {
		return nil
	}
	if err := s.db.Scrub(ctx); err != nil {
		return err
	}
	for {
		done := s.scrubbed.Load()
		if done >= upTo || s.scrubbed.CompareAndSwap(done, upTo) {
			return nil
		}
	}
}

// Flush waits until what was put is committed, or ctx ends.
func (s *SQLite) Flush(ctx context.Context) error { return s.db.Flush(ctx) }

func (s *SQLite) damaged(what string, k Key, name string, err error) {
	s.opt.Log.Error("context: "+what+" in the state file is skipped", "tenant", k.Tenant, "session", k.Session, "name", name, "err", err)
}

// A packed is a content in its stored form.
type packed struct {
	handle string
	bytes  []byte
}

// How much is written at a time, so that nobody else waits for long: a content, or several until they are so many bytes or so many.
const (
	portion     = 1 << 20
	portionMost = 256
)

// portions packs contents and yields them in portions that the receiver may keep.
func portions(contents []Content) func(yield func([]packed) bool) {
	return func(yield func([]packed) bool) {
		var part []packed
		n := 0
		for i := range contents {
			p := packed{contents[i].Handle, pack(&contents[i])}
			if n > 0 && (n+len(p.bytes) > portion || len(part) == portionMost) {
				if !yield(part) {
					return
				}
				part, n = nil, 0
			}
			part, n = append(part, p), n+len(p.bytes)
		}
		if n > 0 {
			yield(part)
		}
	}
}

// row reads one row inside a transaction, or returns sql.ErrNoRows.
func row(tx *state.Tx, query string, args []any, into ...any) error {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		return errors.Join(rows.Err(), sql.ErrNoRows)
	}
	if err := rows.Scan(into...); err != nil {
		return err
	}
	return rows.Err()
}
