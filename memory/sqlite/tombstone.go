package sqlite

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A tombstone is the name of something forgotten: a keyed hash, so that it tells nothing to those who have only the file.
type tombstone [16]byte

func (s *Store) tombstone(kind, tenant, user, session string, what []byte) (t tombstone) {
	h := hmac.New(sha256.New, s.key)
	for _, part := range [...]string{kind, tenant, user, session} {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write([]byte(part))
	}
	h.Write(what)
	copy(t[:], h.Sum(nil))
	return t
}

// ofID is the tombstone of a record.
func (s *Store) ofID(tenant string, id record.ID) tombstone {
	return s.tombstone("id", tenant, "", "", id[:])
}

// ofText is the tombstone of a text in a space, or in all of a tenant's when neither user nor session are given.
func (s *Store) ofText(in record.Space, text string) tombstone {
	return s.ofKey(in, record.TextKey(text))
}

func (s *Store) ofKey(in record.Space, key uint64) tombstone {
	return s.tombstone("text", in.Tenant, in.User, in.Session, binary.LittleEndian.AppendUint64(nil, key))
}

// ofRecord are the tombstones that keep a record out: its own, those of its text, those of its sources.
func (s *Store) ofRecord(r *record.Record) []tombstone {
	all := []tombstone{
		s.ofID(r.Scope.Tenant, r.ID), s.ofText(r.Scope.Space(), r.Text), s.ofText(record.Space{Tenant: r.Scope.Tenant}, r.Text),
	}
	for _, id := range r.Sources {
		all = append(all, s.ofID(r.Scope.Tenant, id))
	}
	return all
}

// ofForget are the tombstones that are left whether anything is there to be forgotten or not: of IDs when all of the tenant is meant,
// of texts when all of a space or of the tenant is. Any narrower, and they would touch what was not to be forgotten.
func (s *Store) ofForget(f *store.Forget) (all []tombstone) {
	of := &f.Filter
	if !of.Whole() || len(f.IDs) > 0 && len(f.Texts) > 0 || of.User != "" && of.Session != "" {
		return nil
	}
	for _, text := range f.Texts {
		all = append(all, s.ofText(record.Space{Tenant: of.Tenant, User: of.User, Session: of.Session}, text))
	}
	if of.User == "" && of.Session == "" {
		for _, id := range f.IDs {
			all = append(all, s.ofID(of.Tenant, id))
		}
	}
	return all
}

// stands reports whether one of the tombstones is there.
func stands(tx *state.Tx, all []tombstone) (bool, error) {
	for _, t := range all {
		err := row(tx, `SELECT 1 FROM memory_tombstones WHERE name = ?`, []any{t[:]}, new(int))
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, errNone) {
			return false, err
		}
	}
	return false, nil
}

// bury leaves a tombstone, and counts it if it was not there.
func bury(tx *state.Tx, t tombstone, tenant, at int64, count *int) error {
	done, err := tx.Exec(`INSERT INTO memory_tombstones (name, tenant, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, t[:], tenant, at)
	if err != nil {
		return err
	}
	n, err := done.RowsAffected()
	*count += int(n)
	return err
}

// bury leaves the tombstone of a record that does not stand.
func (w *writing) bury(id record.ID) error {
	err := row(w.Tx, `SELECT 1 FROM memory_records WHERE tenant = ? AND id = ?`, []any{w.tenant, id[:]}, new(int))
	if errors.Is(err, errNone) {
		return bury(w.Tx, w.s.ofID(w.name, id), w.tenant, millis(w.at), new(int))
	}
	return err
}

func lift(tx *state.Tx, t tombstone) error {
	_, err := tx.Exec(`DELETE FROM memory_tombstones WHERE name = ?`, t[:])
	return err
}
