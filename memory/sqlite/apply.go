package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// Apply implements store.Store. When ctx ends before the commit, the error is ctx's, and the changes may still be made, all of them.
func (s *Store) Apply(ctx context.Context, c store.Changes) error {
	add := make([]addition, 0, len(c.Add))
	revived := map[record.ID]bool{}
	for _, id := range c.Revive {
		revived[id] = true
	}
	for _, r := range c.Add {
		if !r.Scope.Valid() || r.Scope.Tenant != c.Tenant {
			return fmt.Errorf("memory: a record of the scope %q cannot be stored for the tenant %q", r.Scope, c.Tenant)
		}
		add = append(add, addition{record: r, body: pack(r), kept: s.ofRecord(r), revived: revived[r.ID]})
	}
	var w *writing
	return s.commit(ctx, func(tx *state.Tx) (err error) {
		if w, err = s.begin(tx, c.Tenant, c.At, true); err != nil { // may run more than once
			return err
		}
		if err := w.apply(add, &c); err != nil {
			return err
		}
		return w.count()
	}, func() { s.follow(w.touched) })
}

// An addition is a record that is ready to be written.
type addition struct {
	record  *record.Record
	body    []byte
	kept    []tombstone // those that keep it out: its own, its text's twice, its sources'
	revived bool
}

// A writing is one transaction that changes records of one tenant.
type writing struct {
	*state.Tx
	s       *Store
	name    string
	tenant  int64
	at      time.Time
	spaces  map[int64]*counts
	byName  map[record.Space]int64
	touched touched
}

// touched are the records that a commit changed, by space.
type touched map[record.Space][]record.ID

// counts are what a space counts, or how much that changes.
type counts struct{ episodes, facts, closed, vectors, bytes int64 }

// begin finds the tenant, and makes it if it is to be made. A tenant of 0 has nothing.
func (s *Store) begin(tx *state.Tx, tenant string, at time.Time, create bool) (*writing, error) {
	w := &writing{Tx: tx, s: s, name: tenant, at: at, spaces: map[int64]*counts{}, byName: map[record.Space]int64{}, touched: touched{}}
	err := row(tx, `SELECT id FROM memory_tenants WHERE name = ?`, []any{tenant}, &w.tenant)
	if errors.Is(err, errNone) && create {
		w.tenant, err = insert(tx, `INSERT INTO memory_tenants (name) VALUES (?)`, tenant)
	} else if errors.Is(err, errNone) {
		err = nil
	}
	return w, err
}

func insert(tx *state.Tx, query string, args ...any) (int64, error) {
	done, err := tx.Exec(query, args...)
	if err != nil {
		return 0, err
	}
	return done.LastInsertId()
}

func (w *writing) apply(add []addition, c *store.Changes) error {
	for _, id := range c.Bury {
		if err := w.bury(id); err != nil {
			return err
		}
	}
	for _, id := range c.Revive {
		if err := lift(w.Tx, w.s.ofID(w.name, id)); err != nil {
			return err
		}
	}
	for i := range add {
		if err := w.add(&add[i]); err != nil {
			return err
		}
	}
	for _, a := range c.Alias {
		if err := w.alias(a); err != nil {
			return err
		}
	}
	for _, v := range c.Vectors {
		if err := w.vector(v); err != nil {
			return err
		}
	}
	for _, closing := range c.Close {
		if err := w.close(closing); err != nil {
			return err
		}
	}
	for _, id := range c.Used {
		err := w.change(id, func(r *record.Record) bool {
			r.Uses++
			r.Used = c.At
			return true
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *writing) add(a *addition) error {
	if a.revived {
		for _, t := range a.kept[:3] {
			if err := lift(w.Tx, t); err != nil {
				return err
			}
		}
	}
	if out, err := stands(w.Tx, a.kept); err != nil || out {
		return err
	}
	if err := w.dangling(a); err != nil {
		return err
	}
	r := a.record
	space, err := w.space(r.Scope.Space())
	if err != nil {
		return err
	}
	var expires any
	if !r.Expires.IsZero() {
		expires = r.Expires.UnixMilli()
	}
	done, err := w.Exec(`INSERT INTO memory_records (tenant, space, id, kind, closed, model, expires, body) VALUES (?, ?, ?, ?, ?, 0, ?, ?)
		ON CONFLICT DO NOTHING`, w.tenant, space, r.ID[:], int(r.Kind), !r.Closed.IsZero(), expires, a.body)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		w.of(space) // which may have been made for it
		return err  // it stands already
	}
	n, err := done.LastInsertId()
	if err == nil {
		err = w.unalias(r.ID)
	}
	if err != nil {
		return err
	}
	if err := w.links(n, r); err != nil {
		return err
	}
	w.counted(space, r, len(a.body), 1)
	w.touch(r.Scope.Space(), r.ID)
	if len(r.Vector) > 0 {
		return w.vector(store.Vector{ID: r.ID, Model: r.Model, Unit: r.Vector})
	}
	return nil
}

// dangling takes out of an addition what superseded it, if that was forgotten: its ID is a hash of what it said.
func (w *writing) dangling(a *addition) error {
	by := a.record.SupersededBy
	if by == (record.ID{}) {
		return nil
	}
	gone, err := stands(w.Tx, []tombstone{w.s.ofID(w.name, by)})
	if gone {
		r := *a.record
		r.SupersededBy = record.ID{}
		a.record, a.body = &r, pack(&r)
	}
	return err
}

// links makes those of a record.
func (w *writing) links(n int64, r *record.Record) error {
	for _, id := range r.Sources {
		if err := w.link(id, linkSource, n); err != nil {
			return err
		}
	}
	if r.SupersededBy != (record.ID{}) {
		return w.link(r.SupersededBy, linkSuperseded, n)
	}
	return nil
}

func (w *writing) link(to record.ID, how int, n int64) error {
	_, err := w.Exec(`INSERT INTO memory_links (target, how, record) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, to[:], how, n)
	return err
}

func (w *writing) touch(in record.Space, id record.ID) { w.touched[in] = append(w.touched[in], id) }

// space finds or makes a space of the tenant.
func (w *writing) space(in record.Space) (id int64, err error) {
	if id = w.byName[in]; id != 0 {
		return id, nil
	}
	err = row(w.Tx, `SELECT id FROM memory_spaces WHERE tenant = ? AND user = ? AND session = ?`, []any{w.tenant, in.User, in.Session}, &id)
	if errors.Is(err, errNone) {
		id, err = insert(w.Tx, `INSERT INTO memory_spaces (tenant, user, session) VALUES (?, ?, ?)`, w.tenant, in.User, in.Session)
	}
	w.byName[in] = id
	return id, err
}

// of is what changes in a space's counts.
func (w *writing) of(space int64) *counts {
	if w.spaces[space] == nil {
		w.spaces[space] = &counts{}
	}
	return w.spaces[space]
}

// counted counts a record that came (1) or went (-1).
func (w *writing) counted(space int64, r *record.Record, size int, sign int64) {
	c := w.of(space)
	if r.Kind == record.Fact {
		c.facts += sign
	} else {
		c.episodes += sign
	}
	if !r.Closed.IsZero() {
		c.closed += sign
	}
	c.bytes += sign * int64(size)
}

// count writes what has changed in the counts, and removes spaces that are empty. It ends a writing.
func (w *writing) count() error {
	for id, c := range w.spaces {
		if *c != (counts{}) {
			_, err := w.Exec(`UPDATE memory_spaces SET episodes = episodes + ?, facts = facts + ?, closed = closed + ?, vectors = vectors + ?,
				bytes = bytes + ? WHERE id = ?`, c.episodes, c.facts, c.closed, c.vectors, c.bytes, id)
			if err != nil {
				return err
			}
		}
	}
	for id, c := range w.spaces {
		if c.episodes+c.facts <= 0 {
			if _, err := w.Exec(`DELETE FROM memory_spaces WHERE id = ? AND episodes + facts = 0`, id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *writing) close(c store.Closing) error {
	if c.By != (record.ID{}) {
		err := row(w.Tx, `SELECT 1 FROM memory_records WHERE tenant = ? AND id = ?`, []any{w.tenant, c.By[:]}, new(int))
		if errors.Is(err, errNone) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	r, err := w.find(c.ID)
	if err != nil || r == nil || !r.Closed.IsZero() {
		return err
	}
	if c.By != (record.ID{}) {
		if err := w.link(c.By, linkSuperseded, r.n); err != nil {
			return err
		}
	}
	return w.changeRow(r, func(r *record.Record) bool {
		r.To, r.Closed, r.SupersededBy = c.To, w.at, c.By
		return true
	})
}

func (w *writing) vector(v store.Vector) error {
	r, err := w.find(v.ID)
	if err != nil || r == nil || len(v.Unit) == 0 {
		return err
	}
	model, err := w.model(v.Model)
	if err != nil {
		return err
	}
	old, err := w.dropVector(r)
	if err != nil {
		return err
	}
	unit := packUnit(v.Unit)
	if _, err := w.Exec(`INSERT INTO memory_vectors (record, model, unit) VALUES (?, ?, ?)`, r.n, model, unit); err != nil {
		return err
	}
	if _, err := w.Exec(`UPDATE memory_records SET model = ? WHERE n = ?`, model, r.n); err != nil {
		return err
	}
	c := w.of(r.space)
	c.vectors += 1 - int64(old)
	c.bytes += int64(len(unit))
	w.touch(r.Scope.Space(), r.ID)
	return nil
}

// dropVector removes a record's vector and returns how many it had, counting the bytes only.
func (w *writing) dropVector(r *stored) (int, error) {
	if r.model == 0 {
		return 0, nil
	}
	var size int64
	err := row(w.Tx, `DELETE FROM memory_vectors WHERE record = ? RETURNING length(unit)`, []any{r.n}, &size)
	if errors.Is(err, errNone) {
		return 0, nil
	}
	w.of(r.space).bytes -= size
	return 1, err
}

func (w *writing) model(name string) (id int64, err error) {
	err = row(w.Tx, `SELECT id FROM memory_models WHERE name = ?`, []any{name}, &id)
	if errors.Is(err, errNone) {
		id, err = insert(w.Tx, `INSERT INTO memory_models (name) VALUES (?)`, name)
	}
	return id, err
}
