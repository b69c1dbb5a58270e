package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

func (w *world) facts(s record.Scope, subject, predicate string) (objects []string) {
	w.Helper()
	got, err := w.Facts(w.ctx, s, subject, predicate)
	w.ok(err)
	for _, r := range got {
		objects = append(objects, r.Object)
	}
	return objects
}

func facts(w *world) {
	e1, e2, e3 := w.episode(alice, "I live in Berlin."), w.episode(alice, "I moved to Munich."), w.episode(in("alice", "s2"), "I like tea.")
	berlin, munich, tea := w.fact(e1, "lives_in", "Berlin"), w.fact(e2, "lives_in", "Munich"), w.fact(e3, "likes", "tea")
	secret := w.fact(e3, "likes", "gin")
	secret.Private = true
	w.add(e1, berlin)
	w.apply(store.Changes{Add: copies([]*record.Record{munich, e2, e3, tea, secret}), Close: []store.Closing{
		{ID: berlin.ID, To: munich.From, By: munich.ID}, {ID: record.NewID(), To: w.now},
	}})
	for _, c := range []struct {
		s                  record.Scope
		subject, predicate string
		want               []string
	}{
		{alice, "user", "lives_in", []string{"Munich"}},
		{alice, "user", "likes", []string{"tea"}},
		{alice, "", "", []string{"tea", "Munich"}},
		{in("alice", ""), "", "likes", []string{"tea"}},
		{alice, "team", "", nil},
		{in("bob", "s1"), "", "", nil},
		{in("", "s1"), "", "", nil},
		{record.Scope{}, "", "", nil},
	} {
		if got := w.facts(c.s, c.subject, c.predicate); !slices.Equal(got, c.want) {
			w.Errorf("facts of %q, %q %q: %q, want %q", c.s, c.subject, c.predicate, got, c.want)
		}
	}
	// What is closed stays as it was closed, and nobody unknown closes anything.
	w.apply(store.Changes{Close: []store.Closing{
		{ID: berlin.ID, To: w.now.Add(time.Hour)}, {ID: munich.ID, To: w.now, By: record.NewID()},
	}, At: w.now.Add(time.Hour)})
	want := *berlin
	want.To, want.Closed, want.SupersededBy = munich.From, w.now, munich.ID
	w.same(w.get(alice, berlin.ID), &want)
	if got := w.facts(alice, "user", "lives_in"); !slices.Equal(got, []string{"Munich"}) {
		w.Errorf("closed by a record that is not there: %q", got)
	}
	w.apply(store.Changes{Close: []store.Closing{{ID: munich.ID, To: w.now}}})
	if got := w.facts(alice, "user", "lives_in"); len(got) != 0 {
		w.Errorf("taken back, and still current: %q", got)
	}
}

func used(w *world) {
	e := w.episode(alice, "worth telling twice")
	e.Expires = w.now.Add(time.Hour)
	w.add(e)
	for n := range 2 {
		w.apply(store.Changes{Used: []record.ID{e.ID, record.NewID()}, At: w.now.Add(time.Duration(n) * time.Minute)})
	}
	want := *e
	want.Uses, want.Used = 2, w.now.Add(time.Minute)
	w.same(w.get(alice, e.ID), &want)
	hits := w.ask(alice, "telling")
	if len(hits) != 1 || hits[0].Record.Uses != 2 {
		w.Errorf("search shows %+v", hits)
	}
}

func (w *world) note(s record.Scope, n, want store.Note) {
	w.Helper()
	got, err := w.PutNote(w.ctx, s, n)
	w.ok(err)
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(0)); d != "" {
		w.Errorf("not the note that stands (-want +got):\n%s", d)
	}
}

func (w *world) notes(s record.Scope, want ...store.Note) {
	w.Helper()
	got, err := w.Notes(w.ctx, s)
	w.ok(err)
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(0)); d != "" {
		w.Errorf("notes of %q (-want +got):\n%s", s, d)
	}
}

func notes(w *world) {
	e := w.episode(alice, "shown")
	w.add(e)
	first := store.Note{Chain: 1<<63 + 5, Text: "[memory notes]\n\"said\"\x00", Records: []record.ID{e.ID}, Tokens: 12, At: w.now}
	none := store.Note{Chain: 3, At: w.now.Add(time.Second)}
	other := first
	other.Text, other.Tokens = "another", 3
	w.note(alice, first, first)
	w.note(alice, other, first)
	w.note(alice, none, none)
	w.note(in("alice", "s2"), other, other)
	w.notes(alice, first, none)
	w.notes(in("alice", "s2"), other)
	for _, s := range []record.Scope{in("bob", "s1"), in("", "s1"), in("alice", "s3"), {}, {Tenant: "other", User: "alice", Session: "s1"}} {
		w.notes(s)
	}
	var all sync.WaitGroup
	stands := make([]store.Note, 8)
	for i := range stands {
		all.Go(func() {
			var err error
			if stands[i], err = w.PutNote(w.ctx, alice, store.Note{Chain: 7, Text: fmt.Sprint("by ", i), At: w.now}); err != nil {
				w.Error(err)
			}
		})
	}
	all.Wait()
	for _, n := range stands {
		if n.Text != stands[0].Text || n.Text == "" {
			w.Errorf("%q and %q stand", n.Text, stands[0].Text)
		}
	}
	w.notes(alice, first, none, stands[0])
}

func list(w *world) {
	var all []*record.Record
	for _, s := range []record.Scope{alice, in("bob", "s1"), in("", "s1"), {Tenant: "other", User: "alice", Session: "s1", Agent: "coder"}} {
		for i, r := range w.diary(s)[:7] {
			if i%2 == 1 {
				r.Origin = record.Told
			}
			all = append(all, r)
			if i%3 == 0 {
				all = append(all, w.fact(r, "day", fmt.Sprint(i)))
			}
		}
	}
	for _, r := range all {
		w.add(r)
	}
	closed := *all[1]
	w.apply(store.Changes{Close: []store.Closing{{ID: closed.ID, To: w.now.Add(-time.Second)}}})
	for _, f := range []store.Filter{
		{},
		{Tenant: "acme"},
		{Tenant: "acme", User: "alice"},
		{Tenant: "acme", Session: "s1"},
		{Tenant: "acme", Current: true},
		{Tenant: "acme", Kind: record.Fact},
		{Tenant: "acme", User: "bob", Origin: record.Told},
		{Agent: "coder"},
		{Tenant: "other", Kind: record.Episode, Since: all[len(all)-5].Said},
		{Until: all[9].Said},
		{Tenant: "nobody"},
		{User: "nobody"},
	} {
		var want []record.ID
		for _, r := range all {
			if r.ID == closed.ID {
				closed.Closed = w.now
				r = &closed
			}
			if f.Match(r, w.now) {
				want = append(want, r.ID)
			}
		}
		if got := w.all(f); !slices.Equal(got, sorted(want)) {
			w.Errorf("%+v lists %d in some order, want %d by ID", f, len(got), len(want))
		}
	}
}

func bare(w *world) {
	all := w.diary(alice)[:5]
	other := w.episode(record.Scope{Tenant: "other", User: "u"}, "of another tenant")
	fact := w.fact(all[0], "closed", "soon")
	w.add(all...)
	w.add(fact)
	w.add(other)
	w.apply(store.Changes{Close: []store.Closing{{ID: fact.ID, To: w.now}}})
	w.apply(store.Changes{Vectors: []store.Vector{
		{ID: all[3].ID, Model: "m1", Unit: axis(0, 8)}, {ID: all[2].ID, Model: "m2", Unit: axis(0, 8)},
	}})
	for _, c := range []struct {
		model string
		limit int
		want  []int
	}{
		{"m1", 10, []int{4, 2, 1, 0}}, {"m1", 2, []int{4, 2}}, {"m2", 10, []int{4, 3, 1, 0}}, {"m3", 10, []int{4, 3, 2, 1, 0}},
	} {
		got, err := w.Bare(w.ctx, alice.Tenant, c.model, c.limit)
		w.ok(err)
		var want []record.ID
		for _, i := range c.want {
			want = append(want, all[i].ID)
		}
		if !slices.Equal(ids(got...), want) {
			w.Errorf("without a vector of %s: %d, want %v", c.model, len(got), c.want)
		}
	}
}

func stats(w *world) {
	all := w.diary(alice)
	fact, closed := w.fact(all[0], "a", "b"), w.fact(all[1], "c", "d")
	w.add(all...)
	w.add(fact, closed)
	w.add(w.episode(in("", "s9"), "of a session alone"))
	w.add(w.episode(record.Scope{Tenant: "other", User: "u"}, "of another tenant"))
	w.apply(store.Changes{
		Close:   []store.Closing{{ID: closed.ID, To: w.now}},
		Vectors: []store.Vector{{ID: all[0].ID, Model: "m", Unit: axis(0, 8)}},
	})
	w.note(alice, store.Note{Chain: 1, At: w.now}, store.Note{Chain: 1, At: w.now})
	w.forget(store.Forget{IDs: ids(all[9])})
	twice := *all[0] // it stands already: that makes no space
	twice.Scope.User = "nobody"
	w.add(&twice)
	for tenant, want := range map[string]store.Stats{
		"acme":  {Episodes: len(all), Facts: 2, Closed: 1, Notes: 1, Vectors: 1, Spaces: 2, Tenants: 1},
		"other": {Episodes: 1, Spaces: 1, Tenants: 1},
		"":      {Episodes: len(all) + 1, Facts: 2, Closed: 1, Notes: 1, Vectors: 1, Spaces: 3, Tenants: 2},
		"none":  {},
	} {
		got, err := w.Stats(w.ctx, tenant)
		w.ok(err)
		if (got.Tombstones > 0) != (tenant == "acme" || tenant == "") || (got.Bytes > 0) != (want.Episodes > 0) {
			w.Errorf("stats of %q: %+v", tenant, got)
		}
		got.Tombstones, got.Bytes, got.Loaded, got.IndexBytes = 0, 0, 0, 0
		if d := cmp.Diff(want, got); d != "" {
			w.Errorf("stats of %q (-want +got):\n%s", tenant, d)
		}
	}
}

// many applies, searches and uses at the same time; the race detector looks on.
func many(w *world) {
	var all sync.WaitGroup
	users := []string{"alice", "bob", ""}
	const each = 15
	for n, user := range users {
		s := in(user, "s1")
		all.Go(func() {
			for i := range each {
				r := &record.Record{
					Scope: s, Kind: record.Episode, Text: fmt.Sprintf("number %d of %s and %s", i, topics[i], topics[n]),
					Said: w.now, Created: w.now, Seq: int64(i), Role: record.User, Trust: record.High, Origin: record.Captured,
				}
				r.ID = record.EpisodeID(s, r.Role, r.Text)
				id := r.ID
				if err := w.Apply(w.ctx, store.Changes{Tenant: s.Tenant, At: w.now, Add: []*record.Record{r}}); err != nil {
					w.Error(err)
				}
				if err := w.Apply(w.ctx, store.Changes{Tenant: s.Tenant, At: w.now, Used: []record.ID{id}}); err != nil {
					w.Error(err)
				}
			}
		})
		all.Go(func() {
			for i := range each {
				hits, err := w.Search(w.ctx, s, &store.Query{Text: topics[i], Now: w.now, Limit: 5})
				if err != nil {
					w.Error(err)
				}
				for _, h := range hits {
					if !s.Sees(h.Record) {
						w.Errorf("%q finds %q", s, h.Record.Scope)
					}
				}
			}
		})
	}
	all.Wait()
	for _, user := range users {
		for i := range each {
			hits := w.ask(in(user, "s1"), fmt.Sprintf("number %d %s", i, topics[i]))
			if len(hits) == 0 || hits[0].Record.Seq != int64(i) || hits[0].Record.Uses != 1 {
				w.Fatalf("%d of %q: %+v", i, user, hits)
			}
		}
	}
}

// What is buried is kept out with what is made from it, here and nowhere else, until it is revived; what stands stays.
func buried(w *world) {
	known, secret := w.episode(alice, "I like tea."), w.episode(alice, "I have gout.")
	made, elsewhere := w.fact(secret, "condition", "gout"), w.episode(in("alice", "s2"), "I have gout.")
	w.add(known)
	w.apply(store.Changes{Bury: ids(known, secret), Add: copies([]*record.Record{secret, made, elsewhere})})
	w.stands(known, true)
	w.stands(secret, false)
	w.stands(made, false)
	w.stands(elsewhere, true)
	has, err := w.Has(w.ctx, alice.Tenant, ids(known, secret, made))
	w.ok(err)
	if !slices.Equal(has, []bool{true, true, false}) {
		w.Errorf("has %v", has)
	}
	w.add(secret)
	w.stands(secret, false)
	w.apply(store.Changes{Bury: ids(secret), Revive: ids(secret), Add: copies([]*record.Record{secret})})
	w.stands(secret, true)
}
