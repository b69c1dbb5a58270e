package storetest

import (
	"slices"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// aliases: what was merged into a record is known as long as that stands, and forgotten with it.
func aliases(w *world) {
	kept, again := w.episode(alice, "My locker is in Lisbon."), w.episode(in("alice", "s2"), "My locker is in Lisbon!")
	other := w.episode(alice, "The weather is fine.")
	of := func(r, kept *record.Record) store.Alias {
		return store.Alias{ID: r.ID, Text64: record.TextKey(r.Text), Of: kept.ID}
	}
	lost := w.episode(alice, "never kept")
	w.apply(store.Changes{Add: copies([]*record.Record{kept, other}), Alias: []store.Alias{of(again, kept), of(other, kept), of(lost, lost)}})
	w.apply(store.Changes{Alias: []store.Alias{of(again, kept)}})
	if !w.has(again.ID) || w.has(lost.ID) {
		w.Error("an alias is not known, or one of nothing is")
	}
	if has, err := w.Has(w.ctx, "acme2", ids(again)); err != nil || has[0] {
		w.Errorf("known to another tenant: %v %v", has, err)
	}
	got := w.forget(store.Forget{Filter: store.Filter{User: "alice"}, IDs: ids(kept)})
	if got.Records != 1 || got.Tombstones < 4 {
		w.Errorf("receipt: %+v", got)
	}
	later := w.episode(in("alice", "s3"), again.Text) // in the space, its text is kept out
	w.add(kept, again, later)
	for _, r := range []*record.Record{kept, again, later} {
		w.stands(r, false)
	}
	w.stands(other, true)
	if !w.has(again.ID) {
		w.Error("no tombstone of an alias")
	}

	// One that is remembered anew is a record of its own.
	first, second := w.episode(alice, "I drink tea"), w.episode(alice, "I drink tea.")
	w.apply(store.Changes{Add: copies([]*record.Record{first}), Alias: []store.Alias{of(second, first)}})
	w.add(second)
	w.forget(store.Forget{IDs: ids(first)})
	w.stands(second, true)

	// And one of what is swept is learned again, as that is.
	old, same := w.episode(alice, "It rains."), w.episode(alice, "It rains!")
	old.Expires = w.now.Add(-1)
	w.apply(store.Changes{Add: copies([]*record.Record{old}), Alias: []store.Alias{of(same, old)}})
	if _, err := w.Sweep(w.ctx, store.Caps{Now: w.now}); err != nil {
		w.Fatal(err)
	}
	if w.has(same.ID) {
		w.Error("an alias of what was swept")
	}
}

// forgetFact: a fact that is asked for by its ID takes along the sentence that says it, and what else stands on that.
func forgetFact(w *world) {
	e, other := w.episode(alice, "I live in Berlin and work as a carpenter."), w.episode(alice, "I like tea.")
	home, job, tea := w.fact(e, "lives_in", "Berlin"), w.fact(e, "job", "carpenter"), w.fact(other, "likes", "tea")
	again := w.fact(e, "lives_in", "Berlin again")
	again.Sources = ids(e, home)
	w.add(e, other, home, job, tea, again)
	got := w.forget(store.Forget{Filter: store.Filter{User: "alice"}, IDs: ids(again)})
	if want := ids(e, home, job, again); !slices.Equal(sorted(got.IDs), sorted(want)) || got.Facts != 3 {
		w.Errorf("receipt: %+v", got)
	}
	w.add(e, home, job, again)
	for _, r := range []*record.Record{e, home, job, again} {
		w.stands(r, false)
	}
	w.stands(other, true)
	w.stands(tea, true)
}
