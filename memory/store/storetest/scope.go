package storetest

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// names are what callers assert: parts of each other, in each other's quotes, empty.
var names = []string{
	"", "a", "ab", "a\x00", "a\x00b", "\x00", "a ", " a", "A", "a'", "a' OR '1'='1", `a"`, `a\`,
	"%", "a%", "*", "a/b", "a|b", "ä", "a\xff", "\xff",
	"null", "undefined", strings.Repeat("a", 3000),
}

var nameGen = rapid.OneOf(rapid.SampledFrom(names), rapid.SampledFrom(names[:6]), rapid.StringN(0, 4, 8))

func anyScope(t *rapid.T, tenants []string) record.Scope {
	return record.Scope{
		Tenant: rapid.SampledFrom(tenants).Draw(t, "tenant"), User: nameGen.Draw(t, "user"),
		Agent: nameGen.Draw(t, "agent"), Session: nameGen.Draw(t, "session"),
	}
}

// scopes says that nobody ever gets what their scope does not see, whatever scopes are called, and that everybody gets what it sees.
func scopes(w *world) {
	round := 0
	w.property(func(t *rapid.T) {
		round++
		tenants := []string{fmt.Sprint("t", round), fmt.Sprint("t", round, "\x00"), fmt.Sprint("t", round, "a")}
		world := *w // what the round asks
		var all []*record.Record
		for i := range rapid.IntRange(1, 6).Draw(t, "records") {
			s := anyScope(t, tenants)
			if !s.Valid() {
				continue
			}
			r := world.episode(s, fmt.Sprintf("heliotrope number %d about %s", i, topics[i]))
			r.Private, r.Sim = rapid.Bool().Draw(t, "private"), 42
			if rapid.Bool().Draw(t, "fact") {
				r.Kind, r.Predicate, r.Subject, r.Object = record.Fact, "is", "user", topics[i]
			}
			all = append(all, r)
			world.add(r)
			world.note(s, store.Note{Chain: uint64(round), Text: fmt.Sprintf("%q", s), At: world.now}, world.firstNote(s, uint64(round)))
		}
		asked := []record.Scope{anyScope(t, tenants)}
		for _, r := range all {
			other := r.Scope
			switch rapid.IntRange(0, 3).Draw(t, "change") {
			case 0:
				other.Tenant = rapid.SampledFrom(tenants).Draw(t, "tenant")
			case 1:
				other.User = nameGen.Draw(t, "user")
			case 2:
				other.Session = nameGen.Draw(t, "session")
			}
			asked = append(asked, r.Scope, other)
		}
		for _, s := range asked {
			world.onlySees(t, s, all)
		}
	})
}

// firstNote is the note that must stand: every session's notes say whose they are.
func (w *world) firstNote(s record.Scope, chain uint64) store.Note {
	got, err := w.Notes(w.ctx, s)
	w.ok(err)
	for _, n := range got {
		if n.Chain == chain {
			return n
		}
	}
	return store.Note{Chain: chain, Text: fmt.Sprintf("%q", s), At: w.now}
}

func (w *world) onlySees(t *rapid.T, s record.Scope, all []*record.Record) {
	var want, wantFacts, got []record.ID
	for _, r := range all {
		if !s.Sees(r) {
			continue
		}
		want = append(want, r.ID)
		if r.Kind == record.Fact {
			wantFacts = append(wantFacts, r.ID)
		}
		if hits := w.ask(s, r.Text); !slices.ContainsFunc(hits, func(h store.Hit) bool { return h.Record.ID == r.ID }) {
			t.Fatalf("%q does not find its own %q", s, r.Text)
		}
	}
	for _, h := range w.ask(s, "heliotrope") {
		if !s.Sees(h.Record) {
			t.Fatalf("%q finds %q", s, h.Record.Scope)
		}
	}
	records, err := w.Get(w.ctx, s, ids(all...))
	w.ok(err)
	if got = ids(records...); !slices.Equal(sorted(got), sorted(want)) {
		t.Fatalf("%q gets %v, want %v", s, got, want)
	}
	records, err = w.Facts(w.ctx, s, "", "")
	w.ok(err)
	if got = ids(records...); !slices.Equal(sorted(got), sorted(wantFacts)) {
		t.Fatalf("facts of %q: %v, want %v", s, got, wantFacts)
	}
	for _, k := range []record.Kind{record.Episode, record.Fact} {
		id, ok, err := w.Near(w.ctx, s, k, 42, 3)
		w.ok(err)
		if ok && !slices.Contains(want, id) || !ok && k == record.Fact && len(wantFacts) > 0 {
			t.Fatalf("near in %q: %v %v, it sees %v", s, id, ok, want)
		}
	}
	notes, err := w.Notes(w.ctx, s)
	w.ok(err)
	for _, n := range notes { // agents of one session share its notes
		own := s
		if !slices.ContainsFunc(all, func(r *record.Record) bool {
			own.Agent = r.Scope.Agent
			return n.Text == fmt.Sprintf("%q", own)
		}) {
			t.Fatalf("notes of %q: %q", s, n.Text)
		}
	}
}
