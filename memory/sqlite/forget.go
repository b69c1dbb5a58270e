package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

const (
	removeRows  = 256 // records or notes that one transaction removes, not counting what was made from them
	verifyTexts = 256 // that are searched for at the end
)

// A forgetting is one Forget under way.
type forgetting struct {
	store.Forget
	s       *Store
	receipt store.Receipt
	scopes  []record.Scope // of the records removed
	removed map[record.ID]bool
	sources []record.ID // of facts, that stand no longer
	mark    int64       // its row in memory_forgettings
}

// Forget implements store.Store. An error leaves what was removed until then removed; asked again, it goes on from there.
func (s *Store) Forget(ctx context.Context, what store.Forget) (store.Receipt, error) {
	if err := what.Check(); err != nil {
		return store.Receipt{}, err
	}
	if what.At.IsZero() {
		what.At = time.Now()
	}
	f := &forgetting{Forget: what, s: s, removed: map[record.ID]bool{}}
	if of := &what.Filter; what.Whole() {
		f.receipt.Whole = true
		f.session(record.Scope{Tenant: of.Tenant, User: of.User, Session: of.Session})
	}
	for _, step := range []func(context.Context) error{f.begin, f.bury, f.records, f.notes, f.verify, s.scrub, f.done} {
		if err := step(ctx); err != nil {
			f.receipt.Verified = false
			return f.receipt, err
		}
	}
	return f.receipt, nil
}

// bury leaves the tombstones of what is said to be forgotten before anything is looked for, so that nothing of it comes meanwhile.
func (f *forgetting) bury(ctx context.Context) error {
	all := f.s.ofForget(&f.Forget)
	if len(all) == 0 {
		return nil
	}
	left := 0
	err := f.s.commit(ctx, func(tx *state.Tx) error {
		left = 0
		w, err := f.s.begin(tx, f.Filter.Tenant, f.At, true)
		if err != nil {
			return err
		}
		for _, t := range all {
			if err := bury(tx, t, w.tenant, millis(f.At), &left); err != nil {
				return err
			}
		}
		return nil
	}, func() {})
	if err == nil {
		f.receipt.Tombstones += left
	}
	return err
}

// records finds what matches and removes it in parts, each with what was made from it.
func (f *forgetting) records(ctx context.Context) error {
	found, err := f.find(ctx)
	for part := range slices.Chunk(found, removeRows) {
		if err == nil {
			err = f.remove(ctx, part)
		}
	}
	return err
}

// A removal is what one transaction removed.
type removal struct {
	records                    []*record.Record
	facts, vectors, tombstones int
}

func (f *forgetting) remove(ctx context.Context, ids []record.ID) error {
	var w *writing
	var done *removal
	err := f.s.commit(ctx, func(tx *state.Tx) (err error) {
		done = &removal{}
		if w, err = f.s.begin(tx, f.Filter.Tenant, f.At, false); err != nil || w.tenant == 0 {
			return err
		}
		for _, id := range ids {
			r, err := w.find(id)
			if err == nil && r != nil {
				err = w.forget(r, done)
			} else if err == nil {
				err = f.forgetSwept(w, id, done)
			}
			if err != nil {
				return err
			}
		}
		return w.count()
	}, func() { f.s.follow(w.touched) })
	if err != nil {
		return err
	}
	f.receipt.Facts += done.facts
	f.receipt.Vectors += done.vectors
	f.receipt.Tombstones += done.tombstones
	for _, r := range done.records {
		f.removed[r.ID] = true
		f.receipt.Records++
		f.receipt.IDs = append(f.receipt.IDs, r.ID)
		f.receipt.Texts = append(f.receipt.Texts, r.Text)
		f.scopes = append(f.scopes, r.Scope)
		f.session(r.Scope)
	}
	return nil
}

// forgetSwept removes what was made from a record that stands no longer.
func (f *forgetting) forgetSwept(w *writing, id record.ID, done *removal) error {
	if slices.Contains(f.sources, id) {
		if err := bury(w.Tx, w.s.ofID(w.name, id), w.tenant, millis(f.At), &done.tombstones); err != nil {
			return err
		}
	}
	return w.forgetMade(id, done)
}

// session puts one on the receipt.
func (f *forgetting) session(of record.Scope) {
	of.Agent = ""
	if !slices.Contains(f.receipt.Sessions, of) {
		f.receipt.Sessions = append(f.receipt.Sessions, of)
	}
}

// forget removes a record and what hangs on it, and leaves tombstones.
func (w *writing) forget(r *stored, done *removal) error {
	stones, err := w.aliases(r)
	if err != nil {
		return err
	}
	vectors, err := w.remove(r)
	if err != nil {
		return err
	}
	done.records = append(done.records, r.Record)
	done.vectors += vectors
	if r.Kind == record.Fact {
		done.facts++
	}
	for _, t := range append(stones, w.s.ofID(w.name, r.ID), w.s.ofText(r.Scope.Space(), r.Text)) {
		if err := bury(w.Tx, t, w.tenant, millis(w.at), &done.tombstones); err != nil {
			return err
		}
	}
	return w.forgetMade(r.ID, done)
}

// forgetMade removes what was made from a record, and what others say of it.
func (w *writing) forgetMade(id record.ID, done *removal) error {
	if err := w.unpoint(id); err != nil {
		return err
	}
	made, err := numbers(w.Tx, `SELECT record FROM memory_links WHERE target = ? AND how = ?`, id[:], linkSource)
	if err != nil {
		return err
	}
	for _, n := range made {
		next, err := w.row(n)
		if err == nil && next != nil {
			err = w.forget(next, done)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unpoint takes the ID out of what it superseded.
func (w *writing) unpoint(id record.ID) error {
	old, err := numbers(w.Tx, `SELECT record FROM memory_links WHERE target = ? AND how = ?`, id[:], linkSuperseded)
	if err != nil {
		return err
	}
	for _, n := range old {
		r, err := w.row(n)
		if err != nil {
			return err
		}
		if r == nil {
			continue // of another tenant
		}
		err = w.changeRow(r, func(r *record.Record) bool {
			r.SupersededBy = record.ID{}
			return true
		})
		if err != nil {
			return err
		}
		if err := w.unlink(id, linkSuperseded, n); err != nil {
			return err
		}
	}
	return nil
}

func (w *writing) unlink(to record.ID, how int, n int64) error {
	_, err := w.Exec(`DELETE FROM memory_links WHERE target = ? AND how = ? AND record = ?`, to[:], how, n)
	return err
}

// remove deletes a row and all that belongs to it, and returns how many vectors that were.
func (w *writing) remove(r *stored) (vectors int, err error) {
	for _, id := range r.Sources {
		if err := w.unlink(id, linkSource, r.n); err != nil {
			return 0, err
		}
	}
	if r.SupersededBy != (record.ID{}) {
		if err := w.unlink(r.SupersededBy, linkSuperseded, r.n); err != nil {
			return 0, err
		}
	}
	if vectors, err = w.dropVector(r); err != nil {
		return 0, err
	}
	w.of(r.space).vectors -= int64(vectors)
	if err := dropAliases(w.Tx, r.n); err != nil {
		return 0, err
	}
	if _, err := w.Exec(`DELETE FROM memory_records WHERE n = ?`, r.n); err != nil {
		return 0, err
	}
	w.counted(r.space, r.Record, r.size, -1)
	w.touch(r.Scope.Space(), r.ID)
	return vectors, nil
}

// verify looks for what was removed by its ID among the rows, and by its text with a search of each session that said it.
func (f *forgetting) verify(ctx context.Context) error {
	for i, id := range f.receipt.IDs {
		if r, err := f.s.get(ctx, f.Filter.Tenant, id); err != nil {
			return err
		} else if r != nil && !f.again(r) {
			return fmt.Errorf("memory: %v is there after it was forgotten", id)
		}
		if i >= verifyTexts {
			continue
		}
		hits, err := f.s.Search(ctx, f.scopes[i], &store.Query{Text: f.receipt.Texts[i], Now: f.At, Limit: 16, Past: true})
		if err != nil {
			return err
		}
		for _, h := range hits {
			if f.removed[h.Record.ID] && !f.again(h.Record) {
				return fmt.Errorf("memory: %v is found after it was forgotten", h.Record.ID)
			}
		}
	}
	f.receipt.Verified = true
	return nil
}

// again reports whether a record was told anew after all was removed, which lifts its tombstone.
func (f *forgetting) again(r *record.Record) bool {
	lifted := true
	t := f.s.ofID(r.Scope.Tenant, r.ID)
	err := f.s.read(f.s.life, `SELECT 1 FROM memory_tombstones WHERE name = ?`, []any{t[:]}, func(*sql.Rows) error {
		lifted = false
		return nil
	})
	return err == nil && lifted
}

// A sessionRow is a session that has notes.
type sessionRow struct {
	id    int64
	scope record.Scope
}

// notes removes those that name or contain what was removed, those that contain the texts, and with a whole session, all of it.
func (f *forgetting) notes(ctx context.Context) error {
	var sessions []sessionRow
	err := f.s.read(ctx, `SELECT s.id, t.name, s.user, s.session FROM memory_sessions s
		JOIN memory_tenants t ON t.id = s.tenant WHERE t.name = ?`,
		[]any{f.Filter.Tenant}, func(rows *sql.Rows) error {
			var x sessionRow
			err := rows.Scan(&x.id, &x.scope.Tenant, &x.scope.User, &x.scope.Session)
			sessions = append(sessions, x)
			return err
		})
	spaces := map[record.Space][]string{} // the canonical texts removed from it
	if f.anyID() {
		for _, id := range f.IDs {
			f.removed[id] = true
		}
	}
	for i, of := range f.scopes {
		spaces[of.Space()] = append(spaces[of.Space()], record.Canonical(f.receipt.Texts[i]))
	}
	for _, x := range sessions {
		if err != nil {
			return err
		}
		chosen := (f.Filter.User == "" || f.Filter.User == x.scope.User) && (f.Filter.Session == "" || f.Filter.Session == x.scope.Session)
		texts, touched := spaces[x.scope.Space()]
		if chosen && len(f.IDs) == 0 {
			for _, text := range f.Texts {
				texts, touched = append(slices.Clip(texts), record.Canonical(text)), true
			}
		}
		whole := chosen && f.Whole()
		if whole || touched || f.anyID() && len(f.IDs) > 0 {
			err = f.notesOf(ctx, x, whole, texts)
		}
	}
	return err
}

// notesOf removes notes of one session.
func (f *forgetting) notesOf(ctx context.Context, x sessionRow, whole bool, texts []string) error {
	var gone []int64
	err := f.s.read(ctx, `SELECT n, chain, body FROM memory_notes WHERE session = ?`, []any{x.id}, func(rows *sql.Rows) error {
		var n, chain int64
		var body sql.RawBytes
		if err := rows.Scan(&n, &chain, &body); err != nil {
			return err
		}
		note, err := unpackNote(chain, body)
		if err != nil || whole || f.shows(&note, texts) { // one that is damaged may have been anything
			gone = append(gone, n)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for part := range slices.Chunk(gone, removeRows) {
		if err := f.s.commit(ctx, func(tx *state.Tx) error { return dropNotes(tx, x.id, part) }, func() {}); err != nil {
			return err
		}
		f.receipt.Notes += len(part)
		f.session(x.scope)
	}
	if whole && len(gone) == 0 {
		return f.s.commit(ctx, func(tx *state.Tx) error { return dropNotes(tx, x.id, nil) }, func() {})
	}
	return nil
}

// shows reports whether a note names a record that was removed, or contains one of the texts.
func (f *forgetting) shows(n *store.Note, texts []string) bool {
	if slices.ContainsFunc(n.Records, func(id record.ID) bool { return f.removed[id] }) {
		return true
	}
	if n.Text == "" {
		return false
	}
	text := record.Canonical(n.Text)
	return slices.ContainsFunc(texts, func(part string) bool { return part != "" && strings.Contains(text, part) })
}

// dropNotes deletes notes, and their session when it has no others.
func dropNotes(tx *state.Tx, session int64, notes []int64) error {
	for _, n := range notes {
		if _, err := tx.Exec(`DELETE FROM memory_notes WHERE n = ?`, n); err != nil {
			return err
		}
	}
	_, err := tx.Exec(`DELETE FROM memory_sessions WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM memory_notes WHERE session = ?1)`, session)
	return err
}
