package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"

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
	r, err := e.forgetAlone(ctx, what)
	if err != nil {
		return r, err
	}
	return r, e.tellOthers(ctx, what.Filter.Tenant, r, nil)
}

// tellOthers lets those who keep copies forget them too.
func (e *Engine) tellOthers(ctx context.Context, tenant string, r store.Receipt, words []string) error {
	e.opt.Log.Info("memory: forgotten", "records", r.Records, "facts", r.Facts, "notes", r.Notes, "verified", r.Verified)
	if err := e.opt.Forgotten(ctx, tenant, r, words); err != nil {
		return fmt.Errorf("forgotten here, but a copy may be left elsewhere: %w", err)
	}
	return nil
}

func (e *Engine) forgetAlone(ctx context.Context, what store.Forget) (store.Receipt, error) {
	e.forgetting.Lock()
	defer e.forgetting.Unlock()
	defer e.purge()
	if what.At.IsZero() {
		what.At = e.opt.Now()
	}
	if err := e.putNotes(ctx, e.queue.takeNotes()); err != nil {
		e.opt.Log.Warn("memory: a note could not be kept", "error", err)
	}
	r, err := e.opt.Store.Forget(ctx, what)
	e.counts.forgotten.Add(int64(r.Records))
	return r, err
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

func saysNothing(term string) bool { return slices.Contains(fillers(), term) }

// maxRounds bounds how often what matches is looked for again after what was found was forgotten.
const maxRounds = 16

// forgetQuery forgets what matches until nothing does. Held: committing.
func (e *Engine) forgetQuery(ctx context.Context, s record.Scope, query string) (sum store.Receipt, err error) {
	terms := slices.DeleteFunc(index.Terms(query), saysNothing)
	if len(terms) == 0 || !s.Valid() {
		return sum, store.ErrForget
	}
	sum, err = e.forgetMatching(ctx, s, terms)
	if err != nil && sum.Records == 0 {
		return sum, err
	}
	return sum, errors.Join(err, e.tellOthers(ctx, s.Tenant, sum, wordsOf(query)))
}

func (e *Engine) forgetMatching(ctx context.Context, s record.Scope, terms []string) (sum store.Receipt, err error) {
	sum.Verified = true
	for range maxRounds {
		ids, err := e.matching(ctx, s, terms)
		if err != nil || len(ids) == 0 {
			sum.Verified = sum.Verified && err == nil
			return sum, err
		}
		r, err := e.forgetAlone(ctx, store.Forget{Filter: spaceFilter(s), IDs: ids})
		if sum = merge(sum, r); err != nil {
			return sum, err
		}
	}
	sum.Verified = false
	return sum, nil
}

// wordsOf are the words of a wish to forget that say what, as they were written.
func wordsOf(query string) (words []string) {
	for _, word := range strings.Fields(query) {
		if len(slices.DeleteFunc(index.Terms(word), saysNothing)) > 0 {
			words = append(words, strings.TrimFunc(word, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }))
		}
	}
	return words
}

// spaceFilter chooses a scope's space, and, where no user is known, also what users said in a session of that name.
func spaceFilter(s record.Scope) store.Filter {
	if s.User != "" {
		return store.Filter{Tenant: s.Tenant, User: s.User}
	}
	return store.Filter{Tenant: s.Tenant, Session: s.Session}
}

// matching returns the records of the scope's space that contain all the terms. What is private to another session is among them: to
// forget shows nothing to anybody.
func (e *Engine) matching(ctx context.Context, s record.Scope, terms []string) (ids []record.ID, err error) {
	err = e.each(ctx, spaceFilter(s), func(r *record.Record) error {
		if r.Scope.Space() == s.Space() && hasAll(r.Text+" "+r.Subject+" "+statementWords(r), terms) {
			ids = append(ids, r.ID)
		}
		return nil
	})
	return ids, err
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
