package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// tombstonesFor is how long tombstones are kept: a history older than that is not replayed.
const tombstonesFor = 365 * 24 * time.Hour

// Sweep implements store.Store. It works in short transactions, with what waits for the writer in between.
func (s *Store) Sweep(ctx context.Context, caps store.Caps) (done store.Swept, err error) {
	if done.Expired, err = s.sweepExpired(ctx, caps.Now); err != nil {
		return done, err
	}
	for _, c := range []struct {
		most        int64
		over, which string
	}{
		{int64(caps.Space), `SELECT id, episodes + facts - ?1 FROM memory_spaces WHERE episodes + facts > ?1`, `space`},
		{int64(caps.Tenant), `SELECT tenant, sum(episodes + facts) - ?1 FROM memory_spaces GROUP BY tenant
			HAVING sum(episodes + facts) > ?1`, `tenant`},
		{caps.Bytes, `SELECT 0, sum(bytes) - ?1 FROM memory_spaces HAVING sum(bytes) > ?1`, ``},
	} {
		if c.most <= 0 {
			continue
		}
		n, err := s.cap(ctx, c.over, c.which, c.most, caps.Now)
		done.Capped += n
		if err != nil {
			return done, err
		}
	}
	if caps.Notes > 0 {
		if done.Notes, err = s.sweepNotes(ctx, caps.Now.Add(-caps.Notes)); err != nil {
			return done, err
		}
	}
	return done, s.sweepTombstones(ctx, caps.Now.Add(-tombstonesFor))
}

// sweepExpired removes what has expired, without a tombstone: it may be learned again.
func (s *Store) sweepExpired(ctx context.Context, now time.Time) (all int, err error) {
	for {
		var rows []int64
		const query = `SELECT n FROM memory_records WHERE expires <= ? LIMIT ?`
		err := s.read(ctx, query, []any{now.UnixMilli(), removeRows}, func(r *sql.Rows) error {
			rows = append(rows, 0)
			return r.Scan(&rows[len(rows)-1])
		})
		if err != nil || len(rows) == 0 {
			return all, err
		}
		n, _, err := s.removeRows(ctx, rows, func(r *record.Record) bool { return r.Expired(now) })
		all += n
		if err != nil || n == 0 { // none of them: they are damaged
			return all, err
		}
	}
}

// removeRows removes those of the rows that still are what they were, and returns how many they were and how many bytes they took.
func (s *Store) removeRows(ctx context.Context, rows []int64, still func(*record.Record) bool) (n int, bytes int64, err error) {
	all := touched{}
	err = s.commit(ctx, func(tx *state.Tx) error {
		n, bytes = 0, 0
		clear(all)
		byTenant := map[int64]*writing{}
		for _, at := range rows {
			w, err := s.writingOf(tx, at, byTenant)
			if err != nil {
				return err
			}
			if w == nil {
				continue // it is gone
			}
			r, err := w.row(at)
			if err != nil {
				return err
			}
			if r == nil || !still(r.Record) {
				continue
			}
			before := w.of(r.space).bytes
			if _, err := w.remove(r); err != nil {
				return err
			}
			n++
			bytes += before - w.of(r.space).bytes
		}
		for _, w := range byTenant {
			if err := w.count(); err != nil {
				return err
			}
			for space, ids := range w.touched {
				all[space] = append(all[space], ids...)
			}
		}
		return nil
	}, func() { s.follow(all) })
	if err != nil {
		return 0, 0, err // what is counted may still change
	}
	return n, bytes, nil
}

// writingOf is the writing of the tenant that a row belongs to.
func (s *Store) writingOf(tx *state.Tx, at int64, byTenant map[int64]*writing) (*writing, error) {
	var tenant int64
	var name string
	err := row(tx, `SELECT t.id, t.name FROM memory_records r JOIN memory_tenants t ON t.id = r.tenant WHERE r.n = ?`,
		[]any{at}, &tenant, &name)
	if err == nil && byTenant[tenant] == nil {
		byTenant[tenant], err = s.begin(tx, name, time.Time{}, false)
	}
	return byTenant[tenant], ignoreNone(err) // nil when there is no such row
}

func ignoreNone(err error) error {
	if errors.Is(err, errNone) {
		return nil
	}
	return err
}

// A candidate is a record that a cap may take.
type candidate struct {
	n     int64
	worth float32
}

// cap removes what is worth least until nothing is over. over tells what is over by how much, which what the column of that is called.
func (s *Store) cap(ctx context.Context, over, which string, most int64, now time.Time) (all int, err error) {
	type excess struct{ of, by int64 }
	var list []excess
	err = s.read(ctx, over, []any{most}, func(rows *sql.Rows) error {
		list = append(list, excess{})
		return rows.Scan(&list[len(list)-1].of, &list[len(list)-1].by)
	})
	if err != nil {
		return 0, err
	}
	for _, x := range list {
		from, err := s.candidates(ctx, which, x.of, now)
		if err != nil {
			return all, err
		}
		for x.by > 0 && len(from) > 0 {
			part := from[:min(len(from), removeRows)]
			if which != "" {
				part = part[:min(x.by, int64(len(part)))]
			} else {
				part = part[:min(len(part), 16)] // so that it is not far too much
			}
			from = from[len(part):]
			rows := make([]int64, len(part))
			for i, c := range part {
				rows[i] = c.n
			}
			n, bytes, err := s.removeRows(ctx, rows, func(*record.Record) bool { return true })
			all += n
			if err != nil {
				return all, err
			}
			if x.by -= bytes; which != "" {
				x.by += bytes - int64(n)
			}
		}
	}
	return all, nil
}

// candidates are the records of a space or tenant, or all, the least worth first, of the same worth the oldest.
func (s *Store) candidates(ctx context.Context, which string, of int64, now time.Time) (all []candidate, err error) {
	query := map[string]string{
		"space":  `SELECT n, closed, substr(body, 1, ?1) FROM memory_records WHERE space = ?2 AND n > ?3 ORDER BY n LIMIT ?4`,
		"tenant": `SELECT n, closed, substr(body, 1, ?1) FROM memory_records WHERE +tenant = ?2 AND n > ?3 ORDER BY n LIMIT ?4`,
		"":       `SELECT n, closed, substr(body, 1, ?1) FROM memory_records WHERE ?2 = 0 AND n > ?3 ORDER BY n LIMIT ?4`,
	}[which]
	for after, more := int64(0), true; more; {
		count := 0
		err := s.read(ctx, query, []any{headSize, of, after, loadRows}, func(rows *sql.Rows) error {
			count++
			var r record.Record
			var closed bool
			var head sql.RawBytes
			if err := rows.Scan(&after, &closed, &head); err != nil {
				return err
			}
			if _, err := unpackHead(&r, head); err != nil {
				return err
			}
			if closed {
				r.Closed = now
			}
			all = append(all, candidate{after, float32(store.Worth(&r, now))})
			return nil
		})
		if err != nil {
			return nil, err
		}
		more = count == loadRows
	}
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.worth, b.worth), cmp.Compare(a.n, b.n)) })
	return all, nil
}

// sweepNotes removes the notes of sessions that were not used since.
func (s *Store) sweepNotes(ctx context.Context, since time.Time) (all int, err error) {
	for {
		n := 0
		more := false
		err := s.commit(ctx, func(tx *state.Tx) error {
			n, more = 0, false
			var session int64
			err := row(tx, `SELECT id FROM memory_sessions WHERE used < ? ORDER BY used LIMIT 1`, []any{since.UnixMilli()}, &session)
			if err != nil {
				return ignoreNone(err)
			}
			more = true
			notes, err := numbers(tx, `SELECT n FROM memory_notes WHERE session = ? LIMIT ?`, session, removeRows)
			if err != nil {
				return err
			}
			n = len(notes)
			return dropNotes(tx, session, notes)
		}, func() {})
		if err != nil {
			return all, err
		}
		all += n
		if !more {
			return all, nil
		}
	}
}

// sweepTombstones removes those that are older.
func (s *Store) sweepTombstones(ctx context.Context, than time.Time) error {
	for {
		var n int64
		err := s.commit(ctx, func(tx *state.Tx) error {
			done, err := tx.Exec(`DELETE FROM memory_tombstones WHERE name IN (SELECT name FROM memory_tombstones WHERE at < ? LIMIT ?)`,
				than.UnixMilli(), removeRows)
			if err == nil {
				n, err = done.RowsAffected()
			}
			return err
		}, func() {})
		if err != nil || n < removeRows {
			return err
		}
	}
}
