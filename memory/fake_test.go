package memory

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trapgate/trapgate/memory/index"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A fake is a store in maps, with the semantics of store.Store, that can be made slow or broken.
type fake struct {
	mu      sync.Mutex
	records map[record.ID]*record.Record
	graves  map[record.ID]bool
	aliases map[record.ID]record.ID
	indexes map[record.Space]*index.Index
	notes   map[record.Scope][]store.Note
	applies int
	sweeps  int
	broken  int           // Applies that will fail
	slow    time.Duration // of a search
	leaky   bool          // a search forgets the scope
}

func newFake() *fake {
	return &fake{
		records: map[record.ID]*record.Record{}, graves: map[record.ID]bool{}, aliases: map[record.ID]record.ID{},
		indexes: map[record.Space]*index.Index{}, notes: map[record.Scope][]store.Note{},
	}
}

var errBroken = errors.New("the disk is full")

func (f *fake) Apply(_ context.Context, c store.Changes) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken > 0 {
		f.broken--
		return errBroken
	}
	f.applies++
	for _, id := range c.Bury {
		if f.records[id] == nil {
			f.graves[id] = true
		}
	}
	for _, id := range c.Revive {
		delete(f.graves, id)
	}
	for _, r := range c.Add {
		if f.records[r.ID] != nil || f.graves[r.ID] {
			continue
		}
		f.put(r)
	}
	for _, cl := range c.Close {
		if r := f.records[cl.ID]; r != nil && r.Closed.IsZero() {
			closed := *r
			closed.To, closed.Closed, closed.SupersededBy = cl.To, c.At, cl.By
			f.put(&closed)
		}
	}
	for _, a := range c.Alias {
		f.aliases[a.ID] = a.Of
	}
	for _, v := range c.Vectors {
		if r := f.records[v.ID]; r != nil {
			with := *r
			with.Vector, with.Model = v.Unit, v.Model
			f.put(&with)
		}
	}
	for _, id := range c.Used {
		if r := f.records[id]; r != nil {
			used := *r
			used.Uses, used.Used = r.Uses+1, c.At
			f.put(&used)
		}
	}
	return nil
}

func (f *fake) put(r *record.Record) {
	f.records[r.ID] = r
	sp := r.Scope.Space()
	if f.indexes[sp] == nil {
		f.indexes[sp] = index.New(index.Options{})
	}
	f.indexes[sp].Put(r)
}

func (f *fake) Search(ctx context.Context, s record.Scope, q *store.Query) ([]store.Hit, error) {
	f.mu.Lock()
	x, slow, leaky := f.indexes[s.Space()], f.slow, f.leaky
	f.mu.Unlock()
	if ctx.Err() != nil || slow > 0 && !pause(ctx, slow) {
		return nil, ctx.Err()
	}
	if leaky {
		return f.everything(q.Limit), nil
	}
	if x == nil {
		return nil, nil
	}
	return x.Search(ctx, s, q), ctx.Err()
}

func (f *fake) everything(limit int) (hits []store.Hit) {
	for _, r := range f.all(func(*record.Record) bool { return true }) {
		hits = append(hits, store.Hit{Record: r, Score: 1})
	}
	return hits[:min(limit, len(hits))]
}

func (f *fake) Near(_ context.Context, s record.Scope, k record.Kind, sim uint64, bits int) (record.ID, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if x := f.indexes[s.Space()]; x != nil {
		id, ok := x.Near(s, k, sim, bits)
		return id, ok, nil
	}
	return record.ID{}, false, nil
}

// all returns records in the order of their IDs.
func (f *fake) all(ok func(*record.Record) bool) (found []*record.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.records {
		if ok(r) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b *record.Record) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return found
}

func (f *fake) Facts(_ context.Context, s record.Scope, subject, predicate string) ([]*record.Record, error) {
	found := f.all(func(r *record.Record) bool {
		return r.Kind == record.Fact && r.Closed.IsZero() && s.Sees(r) && (subject == "" || r.Subject == subject) &&
			(predicate == "" || r.Predicate == predicate)
	})
	slices.SortStableFunc(found, func(a, b *record.Record) int { return b.Said.Compare(a.Said) })
	return found, nil
}

func (f *fake) Get(_ context.Context, s record.Scope, ids []record.ID) ([]*record.Record, error) {
	return f.all(func(r *record.Record) bool { return slices.Contains(ids, r.ID) && s.Sees(r) }), nil
}

func (f *fake) Has(_ context.Context, _ string, ids []record.ID) ([]bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	has := make([]bool, len(ids))
	for i, id := range ids {
		has[i] = f.records[id] != nil || f.graves[id] || f.records[f.aliases[id]] != nil
	}
	return has, nil
}

func (f *fake) List(_ context.Context, filter store.Filter, after record.ID, limit int) ([]*record.Record, error) {
	found := f.all(func(r *record.Record) bool {
		return bytes.Compare(r.ID[:], after[:]) > 0 && filter.Match(r, time.Now())
	})
	return found[:min(limit, len(found))], nil
}

func (f *fake) Bare(_ context.Context, tenant, model string, limit int) ([]*record.Record, error) {
	found := f.all(func(r *record.Record) bool { return r.Scope.Tenant == tenant && r.Closed.IsZero() && r.Model != model })
	return found[:min(limit, len(found))], nil
}

func (f *fake) PutNote(_ context.Context, s record.Scope, n store.Note) (store.Note, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.Agent = ""
	for _, o := range f.notes[s] {
		if o.Chain == n.Chain {
			return o, nil
		}
	}
	f.notes[s] = append(f.notes[s], n)
	return n, nil
}

func (f *fake) Notes(_ context.Context, s record.Scope) ([]store.Note, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.Agent = ""
	return slices.Clone(f.notes[s]), nil
}

func (f *fake) Forget(_ context.Context, what store.Forget) (r store.Receipt, err error) {
	if err := what.Check(); err != nil {
		return r, err
	}
	matches := what.Matcher()
	gone := f.all(matches)
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := 0; i < len(gone); i++ {
		id := gone[i].ID
		for _, source := range gone[i].Sources {
			if o := f.records[source]; len(what.IDs) > 0 && o != nil && matches(gone[i]) && !slices.Contains(gone, o) {
				gone = append(gone, o)
			}
		}
		for alias, of := range f.aliases {
			if of == id {
				f.graves[alias] = true
			}
		}
		for _, o := range f.records {
			if slices.Contains(o.Sources, id) && !slices.Contains(gone, o) {
				gone = append(gone, o)
			}
		}
		delete(f.records, id)
		f.graves[id] = true
		f.indexes[gone[i].Scope.Space()].Delete(id)
		r.Records++
		r.IDs, r.Texts, r.Sessions = append(r.IDs, id), append(r.Texts, gone[i].Text), append(r.Sessions, gone[i].Scope)
	}
	for s, notes := range f.notes {
		before := len(notes)
		f.notes[s] = slices.DeleteFunc(notes, func(n store.Note) bool {
			return slices.ContainsFunc(n.Records, func(id record.ID) bool { return slices.Contains(r.IDs, id) }) ||
				slices.ContainsFunc(what.Texts, func(t string) bool { return strings.Contains(n.Text, t) })
		})
		r.Notes += before - len(f.notes[s])
	}
	r.Tombstones, r.Verified, r.Whole = r.Records, true, what.Whole()
	if r.Whole {
		of := record.Scope{Tenant: what.Filter.Tenant, User: what.Filter.User, Session: what.Filter.Session}
		r.Sessions = append([]record.Scope{of}, r.Sessions...)
	}
	return r, nil
}

func (f *fake) Sweep(context.Context, store.Caps) (store.Swept, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sweeps++
	return store.Swept{}, nil
}

func (f *fake) Stats(context.Context, string) (store.Stats, error) { return store.Stats{}, nil }
func (f *fake) Close() error                                       { return nil }
