package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// usedStep is how much later a session must be used for that to be written.
const usedStep = time.Hour

// PutNote implements store.Store.
func (s *Store) PutNote(ctx context.Context, of record.Scope, n store.Note) (store.Note, error) {
	if !of.Valid() {
		return n, nil
	}
	empty := store.Note{Chain: n.Chain, At: n.At}
	body, none := packNote(&n), packNote(&empty)
	var shown []tombstone
	for _, id := range n.Records {
		shown = append(shown, s.ofID(of.Tenant, id))
	}
	var stands store.Note
	err := s.commit(ctx, func(tx *state.Tx) error {
		w, err := s.begin(tx, of.Tenant, n.At, true)
		if err != nil {
			return err
		}
		stands, err = w.note(of, int64(n.Chain), body, none, shown)
		return err
	}, func() {})
	if err != nil {
		return store.Note{}, err // stands may still be written
	}
	return stands, nil
}

// note puts a note, empty if one of the tombstones stands, and returns the one that is there then.
func (w *writing) note(of record.Scope, chain int64, body, none []byte, shown []tombstone) (n store.Note, err error) {
	var session, used int64
	err = row(w.Tx, `SELECT id, used FROM memory_sessions WHERE tenant = ? AND user = ? AND session = ?`,
		[]any{w.tenant, of.User, of.Session}, &session, &used)
	switch {
	case errors.Is(err, errNone):
		session, err = insert(w.Tx, `INSERT INTO memory_sessions (tenant, user, session, used) VALUES (?, ?, ?, ?)`,
			w.tenant, of.User, of.Session, millis(w.at))
	case err == nil && used < millis(w.at):
		_, err = w.Exec(`UPDATE memory_sessions SET used = ? WHERE id = ?`, millis(w.at), session)
	}
	if err != nil {
		return n, err
	}
	const find = `SELECT body FROM memory_notes WHERE session = ? AND chain = ?`
	var found []byte
	if err = row(w.Tx, find, []any{session, chain}, &found); err == nil {
		return unpackNote(chain, found)
	} else if !errors.Is(err, errNone) {
		return n, err
	}
	if out, err := stands(w.Tx, shown); err != nil {
		return n, err
	} else if out {
		body = none
	}
	if _, err := w.Exec(`INSERT INTO memory_notes (session, chain, body) VALUES (?, ?, ?)`, session, chain, body); err != nil {
		return n, err
	}
	return unpackNote(chain, body)
}

// Notes implements store.Store. It notes that the session is used, once an hour.
func (s *Store) Notes(ctx context.Context, of record.Scope) (all []store.Note, err error) {
	if !of.Valid() {
		return nil, nil
	}
	var session, used int64
	err = s.read(ctx, `SELECT s.id, s.used, n.chain, n.body FROM memory_notes n JOIN memory_sessions s ON s.id = n.session WHERE n.session =
		(SELECT id FROM memory_sessions WHERE tenant = (SELECT id FROM memory_tenants WHERE name = ?) AND user = ? AND session = ?) ORDER BY n.n`,
		[]any{of.Tenant, of.User, of.Session}, s.passing(func(rows *sql.Rows) error {
			var chain int64
			var body sql.RawBytes
			if err := rows.Scan(&session, &used, &chain, &body); err != nil {
				return err
			}
			n, err := unpackNote(chain, body)
			if err == nil {
				all = append(all, n)
			}
			return err
		}))
	if now := time.Now().UnixMilli(); err == nil && session != 0 && used < now-usedStep.Milliseconds() {
		_ = s.db.Write(func(tx *state.Tx) error { // refused: it ends its time a little earlier
			_, err := tx.Exec(`UPDATE memory_sessions SET used = max(used, ?) WHERE id = ?`, now, session)
			return err
		})
	}
	return all, err
}
