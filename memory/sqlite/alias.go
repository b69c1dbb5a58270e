package sqlite

import (
	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// alias lets a record stand for an episode that has none.
func (w *writing) alias(a store.Alias) error {
	if r, err := w.find(a.ID); err != nil || r != nil {
		return err
	}
	r, err := w.find(a.Of)
	if err != nil || r == nil {
		return err
	}
	_, err = w.Exec(`INSERT INTO memory_aliases (id, record, key) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, a.ID[:], r.n, int64(a.Text64))
	return err
}

// unalias takes away what stood for an episode that now has a record of its own.
func (w *writing) unalias(id record.ID) error {
	_, err := w.Exec(`DELETE FROM memory_aliases WHERE id = ? AND record IN (SELECT n FROM memory_records WHERE tenant = ?)`, id[:], w.tenant)
	return err
}

// aliases are the tombstones of what a record stands for.
func (w *writing) aliases(r *stored) (all []tombstone, err error) {
	rows, err := w.Query(`SELECT id, key FROM memory_aliases WHERE record = ?`, r.n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id []byte
		var key int64
		if err := rows.Scan(&id, &key); err != nil {
			return nil, err
		}
		if len(id) == len(r.ID) {
			all = append(all, w.s.ofID(w.name, record.ID(id)), w.s.ofKey(r.Scope.Space(), uint64(key)))
		}
	}
	return all, rows.Err()
}

func dropAliases(tx *state.Tx, n int64) error {
	_, err := tx.Exec(`DELETE FROM memory_aliases WHERE record = ?`, n)
	return err
}
