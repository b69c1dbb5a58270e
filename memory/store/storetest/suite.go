// Package storetest is the suite that every store of memory passes.
package storetest

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// Run runs the suite. open makes an empty store for one test, and has it closed when the test ends.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, c := range []struct {
		name string
		run  func(*world)
	}{
		{"what is applied is there", applied},
		{"a record stands once", once},
		{"a context that ended", ended},
		{"search ranks", ranks},
		{"search by vectors", vectors},
		{"past and current", past},
		{"expired", expired},
		{"near duplicates", near},
		{"facts and what supersedes them", facts},
		{"used", used},
		{"notes: the first writer wins", notes},
		{"no hit across scopes", scopes},
		{"list by filter and page", list},
		{"bare", bare},
		{"stats", stats},
		{"forget by id, with what was made of it", forgetID},
		{"forget by text, and replay", forgetText},
		{"forget of one touches no other", forgetOne},
		{"forget says too little", forgetLittle},
		{"forget takes notes along", forgetNotes},
		{"forget of a fact takes its sentence along", forgetFact},
		{"aliases", aliases},
		{"forget leaves no pointer", forgetPointer},
		{"forget against a model", forgetModel},
		{"forget beside apply", forgetBeside},
		{"what is buried is not learned", buried},
		{"sweep what has expired", sweepExpired},
		{"sweep down to caps", sweepCaps},
		{"sweep notes", sweepNotes},
		{"many at once", many},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &world{T: t, ctx: t.Context(), now: time.Now().Truncate(time.Millisecond)}
			w.Store = open(t)
			c.run(w)
		})
	}
}

// A property is tried for about so long, and at least leastRounds times; with TRAPGATE_E2E_FULL a hundred times.
const (
	roundsFor   = 300 * time.Millisecond
	leastRounds = 5
)

func (w *world) property(f func(*rapid.T)) {
	tried, failed := 0, false
	end := time.Now().Add(roundsFor)
	rapid.Check(w.T, func(t *rapid.T) {
		if os.Getenv("TRAPGATE_E2E_FULL") == "" && !failed && tried >= leastRounds && time.Now().After(end) {
			return
		}
		tried++
		failed = true // it stays so if f does not return: what is tried to make it smaller takes its time
		f(t)
		failed = false
	})
	w.Logf("%d rounds", tried)
}

// A world is a store and a time that stands still.
type world struct {
	*testing.T
	store.Store
	ctx context.Context
	now time.Time
	seq int64
}

var alice = record.Scope{Tenant: "acme", User: "alice", Session: "s1"}

// in is a scope of the same tenant.
func in(user, session string) record.Scope {
	return record.Scope{Tenant: alice.Tenant, User: user, Session: session}
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// episode makes one, a second later than the one before.
func (w *world) episode(s record.Scope, text string) *record.Record {
	w.seq++
	at := w.now.Add(time.Duration(w.seq)*time.Second - time.Hour)
	return &record.Record{
		ID: record.EpisodeID(s, record.User, text), Scope: s, Kind: record.Episode, Role: record.User, Origin: record.Captured,
		Trust: record.High, Text: text, Seq: w.seq, Said: at, Created: at, Importance: 0.5, Text64: record.TextKey(text),
		Sim: uint64(w.seq) * 0x9e3779b97f4a7c15,
	}
}

// fact makes one of a single-valued predicate, that stands on a source.
func (w *world) fact(source *record.Record, predicate, object string) *record.Record {
	w.seq++
	r := *source
	r.Kind, r.Origin, r.Single = record.Fact, record.Ruled, true
	r.ID = record.FactID(source.Scope, source.ID, "user", predicate, object)
	r.Subject, r.Predicate, r.Object = "user", predicate, object
	r.Sources, r.From, r.Sim = []record.ID{source.ID}, source.Said, uint64(w.seq)*0x9e3779b97f4a7c15
	return &r
}

func (w *world) apply(c store.Changes) {
	w.Helper()
	if c.Tenant == "" {
		c.Tenant = alice.Tenant
	}
	if c.At.IsZero() {
		c.At = w.now
	}
	w.ok(w.Apply(w.ctx, c))
}

// add applies copies of records, because those that are given belong to the store; all of a tenant at once.
func (w *world) add(records ...*record.Record) {
	w.Helper()
	byTenant := map[string][]*record.Record{}
	for _, r := range copies(records) {
		byTenant[r.Scope.Tenant] = append(byTenant[r.Scope.Tenant], r)
	}
	for tenant, all := range byTenant {
		w.apply(store.Changes{Add: all, Tenant: tenant})
	}
}

func copies(records []*record.Record) (all []*record.Record) {
	for _, r := range records {
		c := *r
		all = append(all, &c)
	}
	return all
}

func (w *world) ask(s record.Scope, text string) []store.Hit {
	w.Helper()
	return w.query(s, store.Query{Text: text})
}

func (w *world) query(s record.Scope, q store.Query) []store.Hit {
	w.Helper()
	if q.Limit == 0 {
		q.Limit = 10
	}
	if q.Now.IsZero() {
		q.Now = w.now
	}
	hits, err := w.Search(w.ctx, s, &q)
	w.ok(err)
	if len(hits) > q.Limit {
		w.Fatalf("%d hits for a limit of %d", len(hits), q.Limit)
	}
	for i, h := range hits {
		if !s.Sees(h.Record) {
			w.Fatalf("%q finds %q of %q", s, h.Record.Text, h.Record.Scope)
		}
		if i > 0 && h.Score > hits[i-1].Score {
			w.Fatalf("hit %d scores more than the one before", i)
		}
	}
	return hits
}

// found reports whether a search finds the record among its best.
func (w *world) found(s record.Scope, r *record.Record) bool {
	w.Helper()
	return w.finds(s, store.Query{Text: r.Text, Past: true, Limit: 100}, r)
}

func (w *world) finds(s record.Scope, q store.Query, r *record.Record) bool {
	w.Helper()
	return slices.ContainsFunc(w.query(s, q), func(h store.Hit) bool { return h.Record.ID == r.ID })
}

// get returns one record, or nil.
func (w *world) get(s record.Scope, id record.ID) *record.Record {
	w.Helper()
	got, err := w.Get(w.ctx, s, []record.ID{id})
	w.ok(err)
	if len(got) == 0 {
		return nil
	}
	if len(got) > 1 || got[0].ID != id {
		w.Fatalf("asked for one record, got %d, the first is %v", len(got), got[0].ID)
	}
	return got[0]
}

func (w *world) has(id record.ID) bool {
	w.Helper()
	got, err := w.Has(w.ctx, alice.Tenant, []record.ID{record.NewID(), id})
	w.ok(err)
	if len(got) != 2 || got[0] {
		w.Fatalf("has: %v for an unknown one and another", got)
	}
	return got[1]
}

// stands says that a record is there in every way, or gone in every way.
func (w *world) stands(r *record.Record, want bool) {
	w.Helper()
	if got := w.get(r.Scope, r.ID) != nil; got != want {
		w.Errorf("get of %q: %v", r.Text, got)
	}
	if got := w.found(r.Scope, r); got != want {
		w.Errorf("search for %q: %v", r.Text, got)
	}
	if got := slices.Contains(w.all(store.Filter{Tenant: r.Scope.Tenant}), r.ID); got != want {
		w.Errorf("list of %q: %v", r.Text, got)
	}
}

// all lists in pages of eight.
func (w *world) all(f store.Filter) (ids []record.ID) {
	w.Helper()
	for after := (record.ID{}); ; after = ids[len(ids)-1] {
		page, err := w.List(w.ctx, f, after, 8)
		w.ok(err)
		for _, r := range page {
			if !f.Match(r, w.now) {
				w.Fatalf("filter %+v lists %+v", f, r)
			}
			ids = append(ids, r.ID)
		}
		if len(page) < 8 {
			return ids
		}
	}
}

func (w *world) forget(f store.Forget) store.Receipt {
	w.Helper()
	if f.Filter.Tenant == "" {
		f.Filter.Tenant = alice.Tenant
	}
	if f.At.IsZero() {
		f.At = w.now
	}
	got, err := w.Forget(w.ctx, f)
	w.ok(err)
	if !got.Verified {
		w.Errorf("forget of %+v is not verified", f)
	}
	return got
}

// same compares but for vectors, which are not given back, and places of times.
func (w *world) same(got, want *record.Record) {
	w.Helper()
	apart := cmpopts.IgnoreFields(record.Record{}, "Vector", "Model")
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(0), apart); d != "" {
		w.Errorf("not what was put (-want +got):\n%s", d)
	}
}

func ids(records ...*record.Record) (all []record.ID) {
	for _, r := range records {
		all = append(all, r.ID)
	}
	return all
}

func sorted(ids []record.ID) []record.ID {
	slices.SortFunc(ids, func(a, b record.ID) int { return slices.Compare(a[:], b[:]) })
	return ids
}

var topics = [...]string{
	"lighthouse", "saxophone", "glacier", "tortoise", "cathedral", "volcano", "marathon", "pancake", "telescope", "orchard",
	"submarine", "origami", "cactus", "violin", "avalanche", "parrot", "compass", "meadow", "lantern", "harbour",
}

// diary makes an episode for each topic.
func (w *world) diary(s record.Scope) (all []*record.Record) {
	for i, topic := range topics {
		all = append(all, w.episode(s, fmt.Sprintf("On day %d we talked about the %s for a while.", i+1, topic)))
	}
	return all
}
