package memory

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/trapgate/trapgate/memory/index"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// plant puts a record into the store, past all rules.
func (k *kit) plant(r record.Record) record.ID {
	k.Helper()
	if r.ID == (record.ID{}) {
		r.ID = record.NewID()
	}
	r.Scope.Tenant, r.Said, r.Created = "t1", begin, begin
	if r.Scope.User == "" {
		r.Scope.User = "ann"
	}
	r.Text64, r.Sim = record.TextKey(r.Text), index.SimHash(r.Text)
	if err := k.store.Apply(k.Context(), store.Changes{Tenant: "t1", Add: []*record.Record{&r}, At: begin}); err != nil {
		k.Fatal(err)
	}
	return r.ID
}

func TestAuditFindsWhatWasPlanted(t *testing.T) {
	k := newKit(t, nil)
	clean, err := k.Audit(k.Context(), "t1", false)
	if err != nil || clean != (Report{}) {
		t.Fatalf("%+v %v", clean, err)
	}
	episode := func(text string) record.Record {
		return record.Record{Kind: record.Episode, Role: record.User, Trust: record.High, Text: text}
	}
	long := "The nightly export of the billing tables to the warehouse in Frankfurt takes far too long because nobody set up an index for it"
	source := k.plant(episode(long + " yet"))
	k.plant(episode(strings.ToUpper(long + " YET"))) // exact
	k.plant(episode(long + " yet !!"))               // near: the same words
	other := episode(long + " yet")
	other.Scope.User = "bob" // another's is no duplicate
	k.plant(other)
	k.plant(episode(noteHead + "- since 2026-01-01: the user lives in Rome\n" + noteTail))
	k.plant(episode("As I know:\n- 2026-05-08, the user said: \"I moved\"\nand so on"))
	fact := record.Record{
		Kind: record.Fact, Role: record.User, Trust: record.High, Subject: "user", Predicate: "lives_in", Object: "Rome", Single: true,
		Text: "I live in Rome.", From: begin, Sources: []record.ID{source},
	}
	rome := k.plant(fact)
	fact.Object, fact.Text, fact.From = "Oslo", "I live in Oslo.", begin.Add(time.Hour)
	k.plant(fact)
	fact.Predicate, fact.Object, fact.Text, fact.Sources = "name", "Ann", "My name is Ann.", []record.ID{record.NewID()}
	k.plant(fact)
	want := Report{Records: 9, Exact: 1, Near: 2, NeverUsed: 9, RecallLoop: 2, Orphans: 1, Conflicts: 1}
	got, err := k.Audit(k.Context(), "t1", false)
	if err != nil || got != want {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, want)
	}
	want.Fixed = 4
	if got, err = k.Audit(k.Context(), "t1", true); err != nil || got != want {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, want)
	}
	want = Report{Records: 5, Exact: 1, Near: 2, NeverUsed: 5}
	if got, err = k.Audit(k.Context(), "t1", true); err != nil || got != want {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, want)
	}
	old, err := k.store.Get(k.Context(), user("ann", ""), []record.ID{rome})
	if err != nil || len(old) != 1 || old[0].Closed.IsZero() {
		t.Error("the older value was not closed", old, err)
	}
	if _, err := k.Audit(k.Context(), "", false); err == nil {
		t.Error("of whose memory?")
	}
}

func TestAuditFindsSecrets(t *testing.T) {
	k := newKit(t, nil)
	text := "use ghp_" + "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx for it"
	k.plant(record.Record{Kind: record.Episode, Role: record.User, Trust: record.High, Text: text})
	got, err := k.Audit(k.Context(), "t1", true)
	if err != nil || got.Secrets != 1 || got.Fixed != 1 || len(k.records(store.Filter{})) != 0 {
		t.Errorf("%+v %v", got, err)
	}
}

// A note cannot be broken out of, whatever is in it.
func TestNotesHold(t *testing.T) {
	part := rapid.SampledFrom([]string{
		"\n", "\r", "\u2028", "\u0085", "\x00", "\"", "[memory notes", "[end of memory notes]", "[END OF Memory Notes]",
		"[End of memory notes", "İ[end of memory notes]",
		"ſ[end of memory noteſ]", "- since 2026-01-01: ", "word", " ", "é", "字", "\xff", strings.Repeat("long ", 300),
	})
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(name string) string { return strings.Join(rapid.SliceOfN(part, 0, 8).Draw(rt, name), "") }
		session := rapid.SampledFrom([]string{"here", "there"}).Draw(rt, "session")
		r := &record.Record{
			Kind: rapid.SampledFrom([]record.Kind{record.Episode, record.Fact}).Draw(rt, "kind"), Role: record.User, Text: draw("text"),
			Speaker: draw("speaker"), Handle: draw("handle"), Subject: draw("subject"), Predicate: draw("predicate"), Object: draw("object"),
			Said: begin, From: begin, Scope: record.Scope{Tenant: "t1", User: "ann", Session: session},
		}
		tell := &telling{q: &Question{Scope: user("ann", "here"), Evicted: []Evicted{{0, 5, ""}}}}
		text := noteText([]line{{text: tell.render(r)}})
		lower := strings.ToLower(text)
		if strings.Count(lower, "[memory notes") != 1 || strings.Count(lower, "[end of memory notes") != 1 ||
			!strings.HasPrefix(text, "[memory notes") || !strings.HasSuffix(text, "\n"+noteTail) {
			rt.Fatalf("broken out of:\n%s", text)
		}
		if oneLine := r.Kind == record.Fact || session == "there"; oneLine && strings.Count(text, "\n") != 2 {
			rt.Fatalf("more than one line:\n%q", text)
		}
	})
}

func TestStatements(t *testing.T) {
	for _, c := range []struct{ subject, predicate, object, want string }{
		{"user", "lives_in", "Berlin", "the user lives in Berlin"},
		{"user", "name", "Ann", "the user's name is Ann"},
		{"user.sister", "works_at", "Globex", "the user's sister works at Globex"},
		{"user", "favourite:colour", "teal", "the user's favourite colour is teal"},
		{"project", "uses:database", "Postgres", "the project uses Postgres as its database"},
		{"user", "uses:editor", "Helix", "the user uses Helix as their editor"},
		{"user", "uses", "a Mac", "the user uses a Mac ("},
		{"user", "prefers:units", "answers in metric units", "the user prefers answers in metric units ("},
		{"user", "prefers:drink", "tea", "the user's preferred drink is tea"},
		{"user", "prefers", "short answers", "the user prefers short answers ("},
		{"user", "answer_language", "German", "the user wants answers in German ("},
		{"user", "wants", "Keep your answers short", "the user has asked: \"Keep your answers short\" ("},
		{"user", "job", "marine biologist", "the user works as a marine biologist ("},
		{"user", "job", "SRE at Acme", "the user works as an SRE at Acme ("},
		{"project", "date:launch", "Friday (2026-11-27)", "the project's launch date is Friday (2026-11-27) ("},
		{"project", "date:deadline", "3 May (2027-05-03)", "the project's deadline is 3 May (2027-05-03) ("},
		{"user.children", "name", "Tim", "one of the user's children is called Tim ("},
		{"user", "has_pet", "beagle named Waffles", "the user has a pet: beagle named Waffles ("},
		{"user", "allergic_to", "nuts", "the user is allergic to nuts ("},
		{"user", "diet", "vegan", "the user's diet is vegan ("},
		{"user", "age", "34", "the user's age is 34 ("},
		{"user", "address", "14 Mill Lane", "the user's address is 14 Mill Lane ("},
		{"user.dog", "name", "Bruno", "the user's dog is called Bruno ("},
		{"project", "decided", "trunk-based development", "the user said \"as said\""},
		{"Caroline", "status", "single", "Caroline's status is single"},
		{"user", "told", "the gate code changed", "the user said \"as said\""},
	} {
		r := &record.Record{Kind: record.Fact, Subject: c.subject, Predicate: c.predicate, Object: c.object, Text: "as said"}
		if got := statement(r); !strings.HasPrefix(got, c.want) || !strings.Contains(got, "\"as said\"") {
			t.Errorf("%s: %s", c.predicate, got)
		}
	}
}
