package storetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

func applied(w *world) {
	e := w.episode(alice, "I moved to Berlin, near the \"old\" harbour\x00, in März.\n\nTomorrow too.")
	e.Speaker, e.Handle, e.Scope.Agent, e.Private = "Alice", "ctx_1234", "coder", true
	e.Times = []record.Interval{{From: w.now.Add(time.Hour).UTC(), To: w.now.Add(25 * time.Hour).UTC()}}
	e.Expires, e.Importance = w.now.Add(90*24*time.Hour), 0.75
	f := w.fact(e, "lives_in", "Berlin")
	f.To, f.Single, f.Trust, f.Role, f.Origin = w.now.Add(48*time.Hour), false, record.Middle, record.Assistant, record.Told
	w.add(e, f)
	for _, r := range []*record.Record{e, f} {
		w.stands(r, true)
		if !w.has(r.ID) {
			w.Errorf("has no %v", r.Kind)
		}
		if got := w.get(alice, r.ID); got != nil {
			w.same(got, r)
		}
		for _, s := range []record.Scope{
			in("alice", "s2"), in("bob", "s1"), in("", "s1"), in("", ""), {Tenant: "other", User: "alice", Session: "s1"}, {},
		} {
			if w.get(s, r.ID) != nil || w.found(s, r) {
				w.Errorf("%q sees what is private to %q", s, r.Scope)
			}
		}
	}
	if got, err := w.Has(w.ctx, "other", []record.ID{e.ID}); err != nil || got[0] {
		w.Errorf("another tenant has it: %v %v", got, err)
	}
}

func once(w *world) {
	first, second := w.episode(alice, "the first words"), w.episode(alice, "the second words")
	second.ID = first.ID
	w.add(first, second)
	w.add(second)
	w.same(w.get(alice, first.ID), first)
	if w.finds(alice, store.Query{Text: "second"}, second) && w.query(alice, store.Query{Text: "second"})[0].Record.Text != first.Text {
		w.Error("what was left out is found")
	}
	elsewhere := *second // an ID names a record within its tenant
	elsewhere.Scope.Tenant = "other"
	w.add(&elsewhere)
	w.same(w.get(elsewhere.Scope, second.ID), &elsewhere)
	w.same(w.get(alice, first.ID), first)
}

func ended(w *world) {
	w.add(w.diary(alice)...)
	ctx, cancel := context.WithDeadline(w.ctx, time.Now().Add(-time.Second))
	defer cancel()
	begin := time.Now()
	hits, err := w.Search(ctx, alice, &store.Query{Text: "glacier", Now: w.now, Limit: 3})
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		w.Errorf("search after the deadline: %v", err)
	} else if err == nil && len(hits) == 0 {
		w.Error("nothing found, and no error")
	}
	late := w.episode(alice, "this came too late")
	err = w.Apply(ctx, store.Changes{Add: copies([]*record.Record{late}), Tenant: alice.Tenant, At: w.now})
	if !errors.Is(err, context.DeadlineExceeded) {
		w.Errorf("apply after the deadline: %v", err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		w.Errorf("it took %v to find out that the time is over", d)
	}
	if hits := w.ask(alice, "glacier"); len(hits) == 0 {
		w.Error("the next search finds nothing")
	}
}

func ranks(w *world) {
	for _, r := range w.diary(alice) {
		w.add(r) // each searchable as soon as it was applied
		if !w.found(alice, r) {
			w.Errorf("%q was applied and is not found", r.Text)
		}
	}
	for i, topic := range topics {
		hits := w.ask(alice, "What did we say about the "+topic+"?")
		if len(hits) == 0 || hits[0].Record.Seq != int64(i+1) {
			w.Fatalf("%s: %d hits, the first is %+v", topic, len(hits), hits)
		}
		if hits[0].Score <= 0 || len(hits) > 1 && hits[1].Score >= hits[0].Score {
			w.Errorf("%s: the one that says it scores %v of %v", topic, hits[0].Score, hits)
		}
	}
	if n := len(w.query(alice, store.Query{Text: "we talked", Limit: 2})); n > 2 {
		w.Errorf("%d hits of 2", n)
	}
	skip := func(r *record.Record) bool { return r.Seq == 3 }
	hits := w.query(alice, store.Query{Text: topics[2], Skip: skip})
	if slices.ContainsFunc(hits, func(h store.Hit) bool { return skip(h.Record) }) {
		w.Error("what was to be skipped is found")
	}
	for _, text := range []string{"", " ", "\x00", "\xff\xfe", "'; DROP TABLE x; --", "日本語の質問"} {
		w.ask(alice, text)
	}
	if hits := w.ask(in("bob", "s1"), topics[0]); len(hits) != 0 {
		w.Errorf("a user without memories finds %v", hits)
	}
}

// axis is a unit vector that points along one axis, and a little along the next.
func axis(n, of int) []float32 {
	v := make([]float32, of)
	v[n], v[(n+1)%of] = 0.96, 0.28
	return v
}

func vectors(w *world) {
	all := w.diary(alice)
	w.add(all...)
	var c store.Changes
	for i, r := range all {
		c.Vectors = append(c.Vectors, store.Vector{ID: r.ID, Model: "m1", Unit: axis(i, 32)})
	}
	c.Vectors = append(c.Vectors, store.Vector{ID: record.NewID(), Model: "m1", Unit: axis(0, 32)}) // of no record
	w.apply(c)
	with := w.episode(alice, "this one came with its vector")
	with.Vector, with.Model = axis(25, 32), "m1"
	w.add(with)
	for i, want := range append(ids(all...), with.ID) {
		n := i
		if want == with.ID {
			n = 25
		}
		hits := w.query(alice, store.Query{Text: "something else entirely", Vector: axis(n, 32), Model: "m1"})
		if len(hits) == 0 || hits[0].Record.ID != want {
			w.Fatalf("vector %d finds %+v", n, hits)
		}
	}
	// Vectors of another model, or of another length, are no reason to fail, and are not compared.
	before := w.query(alice, store.Query{Text: topics[4]})
	for _, q := range []store.Query{{Vector: axis(9, 32), Model: "m2"}, {Vector: axis(9, 16), Model: "m1"}} {
		q.Text = topics[4]
		if hits := w.query(alice, q); len(hits) == 0 || hits[0].Record.ID != before[0].Record.ID {
			w.Errorf("with a vector that cannot be compared: %+v", hits)
		}
	}
}

func past(w *world) {
	e1, e2 := w.episode(alice, "My flat is in Berlin, I like it."), w.episode(alice, "I took a house in Munich.")
	old, current := w.fact(e1, "lives_in", "Berlin"), w.fact(e2, "lives_in", "Munich")
	w.add(e1, old)
	w.apply(store.Changes{Add: copies([]*record.Record{e2, current}), Close: []store.Closing{{ID: old.ID, To: current.From, By: current.ID}}})
	ended := w.fact(e2, "rents_until", "June")
	ended.To = w.now.Add(-time.Minute)
	w.add(ended)
	for _, r := range []*record.Record{old, ended} {
		if w.finds(alice, store.Query{Text: r.Text}, r) {
			w.Errorf("%s is over and is found", r.Object)
		}
		if !w.finds(alice, store.Query{Text: r.Text, Past: true}, r) {
			w.Errorf("%s is not found in the past", r.Object)
		}
	}
	if !w.finds(alice, store.Query{Text: current.Text}, current) {
		w.Error("what is current is not found")
	}
	want := *old
	want.To, want.Closed, want.SupersededBy = current.From, w.now, current.ID
	w.same(w.get(alice, old.ID), &want)
}

func expired(w *world) {
	short, long := w.episode(alice, "a short-lived remark about turnips"), w.episode(alice, "a lasting remark about turnips")
	short.Expires, long.Expires = w.now.Add(time.Minute), w.now.Add(time.Hour)
	w.add(short, long)
	for _, past := range []bool{false, true} {
		if !w.finds(alice, store.Query{Text: "turnips", Past: past}, short) {
			w.Error("not found before it expires")
		}
		if w.finds(alice, store.Query{Text: "turnips", Past: past, Now: w.now.Add(time.Minute)}, short) {
			w.Errorf("found when it has expired, past %v", past)
		}
		if !w.finds(alice, store.Query{Text: "turnips", Past: past, Now: w.now.Add(time.Minute)}, long) {
			w.Error("the other one is gone too")
		}
	}
}

func near(w *world) {
	e, hidden := w.episode(alice, "the original"), w.episode(alice, "the private one")
	e.Sim, hidden.Sim, hidden.Private = 0xdeadbeef12345678, 0x0123456789abcdef, true
	f := w.fact(e, "likes", "tea")
	f.Sim = 0xf0f0f0f0f0f0f0f0
	w.add(e, hidden, f)
	for _, c := range []struct {
		s    record.Scope
		k    record.Kind
		sim  uint64
		bits int
		want record.ID
	}{
		{alice, record.Episode, e.Sim, 0, e.ID},
		{alice, record.Episode, e.Sim ^ 1<<63 ^ 1<<31 ^ 1, 3, e.ID},
		{alice, record.Episode, e.Sim ^ 1<<63 ^ 1<<31 ^ 1, 2, record.ID{}},
		{alice, record.Fact, e.Sim, 3, record.ID{}},
		{alice, record.Fact, f.Sim ^ 2, 3, f.ID},
		{in("alice", "s2"), record.Episode, e.Sim, 3, e.ID},
		{in("alice", "s2"), record.Episode, hidden.Sim, 3, record.ID{}},
		{alice, record.Episode, hidden.Sim, 3, hidden.ID},
		{in("bob", "s1"), record.Episode, e.Sim, 3, record.ID{}},
		{in("", "s1"), record.Episode, e.Sim, 3, record.ID{}},
	} {
		id, ok, err := w.Near(w.ctx, c.s, c.k, c.sim, c.bits)
		w.ok(err)
		if ok != (c.want != record.ID{}) || ok && id != c.want {
			w.Errorf("near %x of %v within %d for %q: %v %v, want %v", c.sim, c.k, c.bits, c.s, id, ok, c.want)
		}
	}
	w.apply(store.Changes{Close: []store.Closing{{ID: f.ID, To: w.now}}})
	if _, ok, err := w.Near(w.ctx, alice, record.Fact, f.Sim, 3); ok || err != nil {
		w.Errorf("what is closed is near: %v %v", ok, err)
	}
}
