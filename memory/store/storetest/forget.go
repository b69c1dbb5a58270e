package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"pgregory.net/rapid"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

func forgetID(w *world) {
	all := w.diary(alice)
	source, sibling := all[3], all[4]
	fact := w.fact(source, "owns", "a tortoise")
	fact.Sources = ids(sibling, source) // one of two is enough
	derived := w.fact(fact, "likes", "animals")
	kept := w.fact(sibling, "visited", "a cathedral")
	w.add(all...)
	w.add(fact, derived, kept)
	w.apply(store.Changes{Vectors: []store.Vector{{ID: source.ID, Model: "m", Unit: axis(1, 8)}, {ID: kept.ID, Model: "m", Unit: axis(1, 8)}}})
	got := w.forget(store.Forget{IDs: []record.ID{source.ID, record.NewID()}})
	if got.Records != 3 || got.Facts != 2 || got.Vectors != 1 || got.Notes != 0 || got.Tombstones < 3 {
		w.Errorf("receipt: %+v", got)
	}
	if !slices.Equal(sorted(got.IDs), sorted(ids(source, fact, derived))) || !slices.Contains(got.Texts, source.Text) {
		w.Errorf("receipt of %v: %q", got.IDs, got.Texts)
	}
	if want := []record.Scope{alice}; !slices.Equal(got.Sessions, want) {
		w.Errorf("receipt of sessions %q", got.Sessions)
	}
	w.add(all...) // the history comes again, as after a crash of whoever keeps count of it
	w.add(fact, derived)
	late := w.fact(source, "learned", "late") // found in the source while it was forgotten
	w.add(late)
	for _, r := range []*record.Record{source, fact, derived, late} {
		w.stands(r, false)
		if !w.has(r.ID) && r != late {
			w.Errorf("no tombstone of %q", r.Text)
		}
	}
	for _, r := range append(slices.Delete(all, 3, 4), kept) {
		w.stands(r, true)
	}
	if got := w.forget(store.Forget{IDs: ids(source)}); got.Records != 0 {
		w.Errorf("forgotten twice: %+v", got)
	}
	if w.finds(alice, store.Query{Text: "tortoise", Vector: axis(1, 8), Model: "m", Past: true}, source) {
		w.Error("its vector finds it")
	}
}

func forgetText(w *world) {
	text := "My locker code is four seven one one."
	mine, again, other := w.episode(alice, text), w.episode(in("alice", "s2"), text), w.episode(in("bob", "s1"), text)
	part := w.episode(alice, text+" And the key is under the mat.")
	w.add(mine, again, other, part)
	got := w.forget(store.Forget{Filter: store.Filter{User: "alice"}, Texts: []string{" my LOCKER code\tis four seven one one.\n"}})
	if got.Records != 2 || !slices.Equal(sorted(got.IDs), sorted(ids(mine, again))) {
		w.Errorf("receipt: %+v", got)
	}
	replayed := w.episode(in("alice", "s3"), strings.ToUpper(text)) // in another session it has another ID
	w.add(mine, again, replayed)
	for _, r := range []*record.Record{mine, again, replayed} {
		w.stands(r, false)
	}
	w.stands(other, true)
	w.stands(part, true)
	bobs := w.episode(in("bob", "s2"), text) // and another user may say it
	w.add(bobs)
	w.stands(bobs, true)

	w.apply(store.Changes{Add: copies([]*record.Record{mine}), Revive: ids(mine)}) // "remember: ..."
	w.stands(mine, true)
	w.add(again)
	w.stands(again, false) // its own tombstone stands
	w.apply(store.Changes{Revive: ids(again)})
	w.add(again)
	w.stands(again, true)

	// What was not there when it was to be forgotten is not learned later.
	never := w.episode(in("carol", "s1"), "a text that is on its way")
	w.forget(store.Forget{Texts: []string{never.Text}})
	w.add(never)
	w.stands(never, false)
}

func forgetOne(w *world) {
	users := []record.Scope{
		alice, in("alicia", "s1"), in("bob", "s1"), in("", "s1"), in("", "s2"),
		{Tenant: "acm", User: "alice", Session: "s1"},
		{Tenant: "acme2", User: "alice", Session: "s1"},
	}
	var all []*record.Record
	for _, s := range users {
		for _, r := range w.diary(s)[:4] {
			all = append(all, r)
			w.add(r)
		}
	}
	left := func(gone func(*record.Record) bool) {
		w.Helper()
		for _, r := range all {
			if got := w.get(r.Scope, r.ID) != nil; got == gone(r) {
				w.Errorf("%q of %q stands: %v", r.Text, r.Scope, got)
			}
		}
	}
	isAlice := func(r *record.Record) bool { return r.Scope.Tenant == "acme" && r.Scope.User == "alice" }
	if got := w.forget(store.Forget{Filter: store.Filter{User: "alice"}, All: true}); got.Records != 4 || !got.Whole ||
		got.Sessions[0] != in("alice", "") {
		w.Errorf("receipt: %+v", got)
	}
	left(isAlice)
	got := w.forget(store.Forget{Filter: store.Filter{User: "alice"}, IDs: ids(all[8])}) // bob's: not alice's to forget
	if got.Whole || len(got.Sessions) > 0 {
		w.Errorf("receipt: %+v", got)
	}
	left(isAlice)
	w.add(all...) // no tombstone stands under what was not alice's
	left(isAlice)
	w.forget(store.Forget{Filter: store.Filter{Session: "s2"}, All: true})
	gone := func(r *record.Record) bool { return isAlice(r) || r.Scope.Session == "s2" && r.Scope.Tenant == "acme" }
	left(gone)
	w.forget(store.Forget{All: true})
	left(func(r *record.Record) bool { return r.Scope.Tenant == "acme" })
}

func forgetLittle(w *world) {
	w.add(w.episode(alice, "stays"))
	for _, f := range []store.Forget{
		{},
		{All: true},
		{Filter: store.Filter{Tenant: "acme"}},
		{Filter: store.Filter{Tenant: "acme", User: "alice"}},
		{Filter: store.Filter{User: "alice"}, All: true},
		{Texts: []string{"stays"}},
	} {
		f.At = w.now
		if got, err := w.Forget(w.ctx, f); !errors.Is(err, store.ErrForget) || got.Records != 0 {
			w.Errorf("%+v: %+v %v", f, got, err)
		}
	}
	if n := len(w.all(store.Filter{})); n != 1 {
		w.Errorf("%d records left", n)
	}
}

func forgetNotes(w *world) {
	secret, other := w.episode(alice, "The canary sings at dawn."), w.episode(alice, "The weather is fine.")
	w.add(secret, other)
	at := func(n store.Note) store.Note { n.At = w.now; return n }
	names := at(store.Note{Chain: 1, Text: "something about birds", Records: ids(other, secret)})
	quotes := at(store.Note{Chain: 2, Text: "- the user said: \"THE CANARY\nsings at dawn.\"", Records: ids(other)})
	apart := at(store.Note{Chain: 3, Text: "- the user said: \"The weather is fine.\"", Records: ids(other)})
	empty := at(store.Note{Chain: 4})
	s2, bob := in("alice", "s2"), in("bob", "s1")
	for _, n := range []store.Note{names, quotes, apart, empty} {
		w.note(alice, n, n)
	}
	w.note(s2, quotes, quotes)
	w.note(bob, quotes, quotes)
	got := w.forget(store.Forget{Filter: store.Filter{User: "alice"}, IDs: ids(secret)})
	if got.Notes != 3 || got.Records != 1 {
		w.Errorf("receipt: %+v", got)
	}
	var sessions []string
	for _, s := range got.Sessions {
		sessions = append(sessions, s.User+"/"+s.Session)
	}
	if slices.Sort(sessions); !slices.Equal(sessions, []string{"alice/s1", "alice/s2"}) {
		w.Errorf("sessions %q", sessions)
	}
	w.notes(alice, apart, empty)
	w.notes(s2)
	w.notes(bob, quotes)
	w.note(alice, names, at(store.Note{Chain: 1})) // it was on its way
	if got := w.forget(store.Forget{Texts: []string{"weather is"}}); got.Notes != 1 || got.Records != 0 {
		w.Errorf("a part of a note: %+v", got)
	}
	w.notes(alice, empty, at(store.Note{Chain: 1}))
	w.forget(store.Forget{Filter: store.Filter{User: "alice"}, All: true})
	w.notes(alice)
	w.notes(bob, quotes)
}

func forgetPointer(w *world) {
	e1, e2 := w.episode(alice, "I live in Berlin."), w.episode(alice, "I moved to Munich.")
	old, current := w.fact(e1, "lives_in", "Berlin"), w.fact(e2, "lives_in", "Munich")
	replay := func() {
		w.apply(store.Changes{Add: copies([]*record.Record{e1, old})})
		w.apply(store.Changes{Add: copies([]*record.Record{e2, current}), Close: []store.Closing{{ID: old.ID, To: current.From, By: current.ID}}})
	}
	replay()
	w.forget(store.Forget{IDs: ids(e2)})
	got := w.get(alice, old.ID)
	if got == nil || got.SupersededBy != (record.ID{}) || got.Closed.IsZero() {
		w.Fatalf("a fact that what is forgotten took the place of: %+v", got)
	}
	w.forget(store.Forget{IDs: ids(e1)})
	w.apply(store.Changes{Revive: ids(e1, old), Add: copies([]*record.Record{e1, old})})
	replay() // what is forgotten closes nothing
	if got := w.get(alice, old.ID); got == nil || !got.Closed.IsZero() {
		w.Errorf("closed by what is forgotten: %+v", got)
	}
	imported := w.fact(e1, "lived_in", "Bonn")
	imported.Closed, imported.SupersededBy = w.now, current.ID
	w.add(imported)
	if got := w.get(alice, imported.ID); got == nil || got.Closed.IsZero() || got.SupersededBy != (record.ID{}) {
		w.Errorf("imported with a pointer to what is forgotten: %+v", got)
	}
}

// forgetModel forgets by random filters and compares with what the words of Forget say.
func forgetModel(w *world) {
	round := 0
	w.property(func(t *rapid.T) {
		round++
		tenants := []string{fmt.Sprint("m", round), fmt.Sprint("m", round, "+")}
		users, sessions := []string{"", "u", "u2"}, []string{"", "s", "s2"}
		pick := func(from []string, of string) string { return rapid.SampledFrom(from).Draw(t, of) }
		standing := map[record.ID]*record.Record{}
		var all []*record.Record
		for i := range rapid.IntRange(1, 12).Draw(t, "records") {
			s := record.Scope{
				Tenant: pick(tenants, "tenant"), User: pick(users, "user"), Session: pick(sessions, "session"), Agent: pick([]string{"", "a"}, "agent"),
			}
			if !s.Valid() {
				continue
			}
			r := w.episode(s, "we spoke about the "+topics[rapid.IntRange(0, 5).Draw(t, "topic")])
			r.Said = w.now.Add(-time.Duration(i) * time.Hour)
			if len(all) > 0 && rapid.IntRange(0, 2).Draw(t, "fact") == 0 {
				from := all[rapid.IntRange(0, len(all)-1).Draw(t, "source")]
				r = w.fact(from, "about", fmt.Sprint(i))
			}
			if standing[r.ID] == nil {
				standing[r.ID] = r
				all = append(all, r)
			}
			w.add(r)
		}
		if len(all) == 0 {
			return
		}
		of := store.Filter{Tenant: pick(tenants, "of"), User: pick(users, "of user"), Session: pick(sessions, "of session")}
		f := store.Forget{At: w.now, Filter: of}
		switch rapid.IntRange(0, 3).Draw(t, "way") {
		case 0:
			f.All = true
		case 1:
			f.IDs = ids(rapid.SliceOfN(rapid.SampledFrom(all), 1, 3).Draw(t, "ids")...)
		case 2:
			f.Texts = []string{all[rapid.IntRange(0, len(all)-1).Draw(t, "text")].Text}
		case 3:
			f.All = true
			f.Filter.Until = w.now.Add(-90 * time.Minute)
			f.Filter.Kind = rapid.SampledFrom([]record.Kind{0, record.Episode, record.Fact}).Draw(t, "kind")
		}
		gone := reached(all, f)
		got := w.forget(f)
		if !slices.Equal(sorted(slices.Clone(got.IDs)), sorted(ids(gone...))) {
			t.Fatalf("%+v took %d, want %d", f, len(got.IDs), len(gone))
		}
		for _, again := range []bool{false, true} {
			for _, r := range all {
				want := !slices.ContainsFunc(gone, func(g *record.Record) bool { return g.ID == r.ID })
				if got := w.get(r.Scope, r.ID) != nil; got != want {
					t.Fatalf("%+v: %q of %q stands: %v; replayed: %v", f, r.Text, r.Scope, got, again)
				}
				if !want && w.found(r.Scope, r) {
					t.Fatalf("%+v: %q of %q is found; replayed: %v", f, r.Text, r.Scope, again)
				}
			}
			w.add(all...)
		}
	})
}

// named also chooses what facts stand on that match.
func named(all []*record.Record, match func(*record.Record) bool) func(*record.Record) bool {
	chosen := map[*record.Record]bool{}
	var choose func(r *record.Record)
	choose = func(r *record.Record) {
		chosen[r] = true
		for _, o := range all {
			if r.Kind == record.Fact && !chosen[o] && o.Scope.Space() == r.Scope.Space() && slices.Contains(r.Sources, o.ID) {
				choose(o)
			}
		}
	}
	for _, r := range all {
		if match(r) {
			choose(r)
		}
	}
	return func(r *record.Record) bool { return chosen[r] }
}

// reached is what matches and what was made from it.
func reached(all []*record.Record, f store.Forget) (gone []*record.Record) {
	match := f.Matcher()
	if len(f.IDs) > 0 {
		match = named(all, match)
	}
	for {
		before := len(gone)
		for _, r := range all {
			isGone := func(id record.ID) bool {
				return slices.ContainsFunc(gone, func(g *record.Record) bool { return g.ID == id && g.Scope.Tenant == r.Scope.Tenant })
			}
			if !isGone(r.ID) && (match(r) || slices.ContainsFunc(r.Sources, isGone)) {
				gone = append(gone, r)
			}
		}
		if len(gone) == before {
			return gone
		}
	}
}

// forgetBeside forgets a text while others say it again and again. Whoever comes first, it is gone in the end.
func forgetBeside(w *world) {
	var all sync.WaitGroup
	const text = "the password of the safe is swordfish"
	begun := make(chan struct{})
	var once sync.Once
	for n := range 3 {
		all.Go(func() {
			for i := range 12 {
				r := &record.Record{
					Scope: in("alice", fmt.Sprint("s", n, i)), Kind: record.Episode, Role: record.User, Origin: record.Captured, Trust: record.High,
					Text: text, Said: w.now, Created: w.now,
				}
				r.ID = record.EpisodeID(r.Scope, r.Role, r.Text)
				if err := w.Apply(w.ctx, store.Changes{Tenant: alice.Tenant, At: w.now, Add: []*record.Record{r}}); err != nil {
					w.Error(err)
				}
				once.Do(func() { close(begun) })
			}
		})
	}
	all.Go(func() {
		<-begun
		of := store.Filter{Tenant: alice.Tenant, User: "alice"}
		if got, err := w.Forget(w.ctx, store.Forget{Filter: of, Texts: []string{text}, At: w.now}); err != nil || !got.Verified {
			w.Errorf("%+v %v", got, err)
		}
		if hits, err := w.Search(w.ctx, alice, &store.Query{Text: text, Now: w.now, Limit: 100}); err != nil || len(hits) > 0 {
			w.Errorf("found while others say it: %d, %v", len(hits), err)
		}
	})
	all.Wait()
	if hits := w.ask(alice, text); len(hits) > 0 {
		w.Errorf("found afterwards: %+v", hits)
	}
	if got := w.all(store.Filter{}); len(got) > 0 {
		w.Errorf("%d records stand", len(got))
	}
}
