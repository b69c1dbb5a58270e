package memory

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/trapgate/trapgate/memory/index"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// Forget forgets for good, as store.Forget says, and what waits to be learned, caches, and the copies of others too. What is learned
// while it runs is learned after it. The receipt's texts are the caller's to throw away.
func (e *Engine) Forget(ctx context.Context, what store.Forget) (store.Receipt, error) {
	e.committing.Lock()
	defer e.committing.Unlock()
	e.drain(ctx)
	return e.forget(ctx, what)
}

// ForgetQuery forgets what clearly matches in the scope: what contains all words of the query that say something, facts with the
// words that they were said in. A query of no such word is store.ErrForget.
func (e *Engine) ForgetQuery(ctx context.Context, s record.Scope, query string) (store.Receipt, error) {
	e.committing.Lock()
	defer e.committing.Unlock()
	e.drain(ctx)
	return e.forgetQuery(ctx, s, query)
}

// drain commits what waits, so that it is found and leaves tombstones. Held: committing.
func (e *Engine) drain(ctx context.Context) {
	for {
		jobs := e.queue.take(batchBytes)
		if len(jobs) == 0 {
			return
		}
		if err := e.commit(ctx, jobs); err != nil {
			e.opt.Log.Warn("memory: something could not be kept", "jobs", len(jobs), "error", err)
		}
		e.queue.done()
	}
}

// forget lets recalls under way end, stores their notes, and forgets. Held: committing.
func (e *Engine) forget(ctx context.Context, what store.Forget) (store.Receipt, error) {
	if what.At.IsZero() {
		what.At = e.opt.Now()
	}
	r, err := e.forgetAlone(ctx, what)
	e.counts.forgotten.Add(int64(r.Records))
	if err != nil {
		return r, err
	}
	e.opt.Log.Info("memory: forgotten", "records", r.Records, "facts", r.Facts, "notes", r.Notes, "verified", r.Verified)
	if err := e.opt.Forgotten(ctx, what.Filter.Tenant, r); err != nil {
		return r, fmt.Errorf("forgotten here, but a copy may be left elsewhere: %w", err)
	}
	return r, nil
}

func (e *Engine) forgetAlone(ctx context.Context, what store.Forget) (store.Receipt, error) {
	e.forgetting.Lock()
	defer e.forgetting.Unlock()
	defer e.purge()
	if err := e.putNotes(ctx, e.queue.takeNotes()); err != nil {
		e.opt.Log.Warn("memory: a note could not be kept", "error", err)
	}
	return e.opt.Store.Forget(ctx, what)
}

// purge empties the caches.
func (e *Engine) purge() {
	e.notes.purge()
	e.why.purge()
	e.vectors.Purge()
}

// fillers are terms of a wish to forget that say nothing of what.
var fillers = sync.OnceValue(func() []string {
	return index.Terms("tell told say said saying mention mentioned talked know known remember remembered everything anything whatever all " +
		"thing things stuff fact please ever information info data")
})

// maxRounds bounds how often a query is searched for again after what it found was forgotten.
const maxRounds = 16

// forgetQuery forgets what matches until nothing does. Held: committing.
func (e *Engine) forgetQuery(ctx context.Context, s record.Scope, query string) (sum store.Receipt, err error) {
	terms := slices.DeleteFunc(index.Terms(query), func(t string) bool { return slices.Contains(fillers(), t) })
	if len(terms) == 0 || !s.Valid() {
		return sum, store.ErrForget
	}
	sum.Verified = true
	for range maxRounds {
		ids, err := e.matching(ctx, s, query, terms)
		if err != nil || len(ids) == 0 {
			return sum, err
		}
		what := store.Forget{Filter: store.Filter{Tenant: s.Tenant, User: s.User}, IDs: ids}
		if s.User == "" {
			what.Filter.Session = s.Session
		}
		r, err := e.forget(ctx, what)
		sum = merge(sum, r)
		if err != nil {
			return sum, err
		}
	}
	sum.Verified = false
	return sum, nil
}

// matching returns the records that contain all the terms, and those that a fact among them stands on.
func (e *Engine) matching(ctx context.Context, s record.Scope, query string, terms []string) ([]record.ID, error) {
	hits, err := e.opt.Store.Search(ctx, s, &store.Query{Text: query, Now: e.opt.Now(), Limit: 256, Past: true})
	if err != nil {
		return nil, err
	}
	var ids []record.ID
	for _, h := range hits {
		r := h.Record
		if !s.Sees(r) || !hasAll(r.Text+" "+r.Subject+" "+statementWords(r), terms) {
			continue
		}
		ids = append(ids, r.ID)
		if r.Kind == record.Fact {
			ids = append(ids, r.Sources...)
		}
	}
	slices.SortFunc(ids, func(a, b record.ID) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(ids), nil
}

func merge(a, b store.Receipt) store.Receipt {
	return store.Receipt{
		Records: a.Records + b.Records, Facts: a.Facts + b.Facts, Notes: a.Notes + b.Notes, Vectors: a.Vectors + b.Vectors,
		Tombstones: a.Tombstones + b.Tombstones, IDs: append(a.IDs, b.IDs...), Texts: append(a.Texts, b.Texts...),
		Sessions: append(a.Sessions, b.Sessions...), Verified: a.Verified && b.Verified,
	}
}

// forget does what a user asked for in a message. It is done once, when the message is new: in a history that comes again what was
// said since may be there again. The message itself is not kept, as it names what is to be forgotten.
func (b *batch) forget(s record.Scope, queries []string, last bool) error {
	b.e.counts.drop("forget")
	if !last {
		return nil
	}
	if err := b.apply(); err != nil {
		return err
	}
	for _, q := range queries {
		if _, err := b.e.forgetQuery(b.ctx, s, q); err != nil && err != store.ErrForget {
			return err
		}
	}
	return nil
}
