package store

import (
	"database/sql"
	"errors"

	"github.com/trapgate/trapgate/internal/state"
)

// A write purges at least as much as it may add, and no more than that, because budgets wait for the same writer: purgeBytes,
// each session counting for sessionBytes at least, and at most shedRows contents of a session at a time.
const (
	purgeBytes   = MaxContent + portion
	sessionBytes = 256 << 10
	shedRows     = 64
)

// A moment is when a call was made, and since when a session must have been used to be there then, in milliseconds.
type moment struct{ now, oldest int64 }

func (s *SQLite) moment() moment {
	now := s.opt.Now()
	return moment{now.UnixMilli(), now.Add(-s.opt.TTL).UnixMilli()}
}

// touch finds or makes a session and notes that it is used.
func touch(tx *state.Tx, k Key, at moment) (id int64, err error) {
	err = row(tx, `SELECT id FROM context_sessions WHERE tenant = ? AND session = ? AND used >= ? ORDER BY id DESC LIMIT 1`,
		[]any{k.Tenant, k.Session, at.oldest}, &id)
	if err == nil {
		_, err = tx.Exec(`UPDATE context_sessions SET used = max(used, ?) WHERE id = ?`, at.now, id)
		return id, err
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	made, err := tx.Exec(`INSERT INTO context_sessions (tenant, session, used) VALUES (?, ?, ?)`, k.Tenant, k.Session, at.now)
	if err != nil {
		return 0, err
	}
	return made.LastInsertId()
}

// purge removes sessions whose time to live is over, then what is over the bound: the session not used for longest first, and of
// the one just written, when it alone is too large, the oldest contents.
func (s *SQLite) purge(tx *state.Tx, written int64, at moment) error {
	for left := int64(purgeBytes); left > 0; {
		var total, id, used int64
		if err := row(tx, `SELECT bytes FROM context_total`, nil, &total); err != nil {
			return err
		}
		err := row(tx, `SELECT id, used FROM context_sessions WHERE id != ? ORDER BY used, id LIMIT 1`, []any{written}, &id, &used)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		over := total - s.opt.Bytes
		var freed int64
		switch {
		case err == nil && (over > 0 || used < at.oldest):
			freed, err = drop(tx, id, left)
		case over > 0 && written != 0:
			if freed, _, err = shed(tx, written, over); freed == 0 {
				return err // epochs alone
			}
		default:
			return nil
		}
		if err != nil {
			return err
		}
		left -= max(freed, sessionBytes)
	}
	return nil
}

// drop removes a session, or only some of its contents when they are more than most bytes.
func drop(tx *state.Tx, id, most int64) (freed int64, err error) {
	freed, more, err := shed(tx, id, most)
	if err == nil && !more {
		_, err = tx.Exec(`DELETE FROM context_sessions WHERE id = ?`, id)
	}
	return freed, err
}

// shed removes the oldest contents of a session, until they are enough bytes. more says that there are others.
func shed(tx *state.Tx, id, enough int64) (freed int64, more bool, err error) {
	rows, err := tx.Query(`SELECT id, size FROM context_contents WHERE session = ? ORDER BY id LIMIT ?`, id, shedRows+1)
	if err != nil {
		return 0, false, err
	}
	defer rows.Close()
	var last int64
	for n := 0; rows.Next(); n++ {
		if more = n == shedRows || freed >= enough; more {
			break
		}
		var size int64
		if err := rows.Scan(&last, &size); err != nil {
			return 0, false, err
		}
		freed += size
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || last == 0 {
		return 0, more, err
	}
	_, err = tx.Exec(`DELETE FROM context_contents WHERE session = ? AND id <= ?`, id, last)
	return freed, more, err
}

// forget removes a part of a session, which is not seen any longer from the first part on. more says that a part is left.
func (s *SQLite) forget(tx *state.Tx, k Key) (more bool, err error) {
	var id int64
	err = row(tx, `SELECT id FROM context_sessions WHERE tenant = ? AND session = ? LIMIT 1`, []any{k.Tenant, k.Session}, &id)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if _, err := tx.Exec(`UPDATE context_sessions SET used = 0 WHERE id = ?`, id); err != nil {
		return false, err
	}
	_, err = drop(tx, id, purgeBytes)
	return true, err
}
