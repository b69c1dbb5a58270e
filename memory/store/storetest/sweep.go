package storetest

import (
	"slices"
	"time"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

func (w *world) sweep(caps store.Caps, want store.Swept) {
	w.Helper()
	got, err := w.Sweep(w.ctx, caps)
	w.ok(err)
	if got != want {
		w.Errorf("sweep by %+v took %+v, want %+v", caps, got, want)
	}
}

func sweepExpired(w *world) {
	all := w.diary(alice)
	for i, r := range all {
		if i%2 == 0 {
			r.Expires = w.now.Add(time.Duration(i) * time.Minute)
		}
	}
	w.add(all...)
	w.sweep(store.Caps{Now: w.now.Add(-time.Hour)}, store.Swept{})
	w.sweep(store.Caps{Now: w.now.Add(6 * time.Minute)}, store.Swept{Expired: 4})
	w.sweep(store.Caps{Now: w.now.Add(6 * time.Minute)}, store.Swept{})
	for i, r := range all {
		w.stands(r, i%2 == 1 || i > 6)
	}
	w.add(all[0]) // what expired was not forgotten
	if w.get(alice, all[0].ID) == nil {
		w.Error("what expired cannot be learned again")
	}
}

func sweepCaps(w *world) {
	all := w.diary(alice)[:10]
	for i, r := range all {
		r.Importance = 0.2
		if i == 2 || i == 5 {
			r.Importance = 0.9
		}
	}
	old := w.episode(alice, "said long ago, and of some weight")
	old.Importance, old.Said = 0.9, w.now.Add(-300*24*time.Hour)
	fact := w.fact(all[0], "has", "a fact")
	fact.Importance, fact.Said = 0.3, w.now.Add(-40*24*time.Hour)
	bob := w.episode(in("bob", "s1"), "another space")
	bob.Importance = 0.1
	w.add(append(all, old, fact, bob)...)
	w.sweep(store.Caps{Now: w.now, Space: 12, Tenant: 13, Bytes: 1 << 30}, store.Swept{})
	w.sweep(store.Caps{Now: w.now, Space: 3}, store.Swept{Capped: 9})
	for _, r := range append(slices.Clone(all), old, fact, bob) {
		w.stands(r, r == all[2] || r == all[5] || r == fact || r == bob)
	}
	w.sweep(store.Caps{Now: w.now, Tenant: 3}, store.Swept{Capped: 1})
	w.stands(bob, false)
	got, err := w.Sweep(w.ctx, store.Caps{Now: w.now, Bytes: 1})
	w.ok(err)
	if left := len(w.all(store.Filter{})); got.Capped != 3 || left != 0 {
		w.Errorf("a bound of one byte took %+v, %d left", got, left)
	}
}

func sweepNotes(w *world) {
	n := store.Note{Chain: 1, Text: "old", At: w.now.Add(-48 * time.Hour)}
	fresh := store.Note{Chain: 1, Text: "new", At: w.now}
	w.note(alice, n, n)
	w.note(in("alice", "s2"), fresh, fresh)
	w.sweep(store.Caps{Now: w.now, Notes: 72 * time.Hour}, store.Swept{})
	w.sweep(store.Caps{Now: w.now, Notes: 24 * time.Hour}, store.Swept{Notes: 1})
	w.notes(alice)
	w.notes(in("alice", "s2"), fresh)
	if got, err := w.Has(w.ctx, alice.Tenant, []record.ID{}); err != nil || len(got) != 0 {
		w.Errorf("has of nothing: %v %v", got, err)
	}
}
