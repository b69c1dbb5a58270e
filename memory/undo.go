package memory

import (
	"context"
	"errors"
	"slices"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// ErrNotExtracted is returned for what no model has found, or what was taken back already.
var ErrNotExtracted = errors.New("not a fact that a model has found, or taken back already")

// An Undone is what Undo did.
type Undone struct {
	Facts    []record.ID // taken back
	Reopened []record.ID // say again what those had ended
}

// Undo takes back what a model's answer changed, all of it, given one of the facts that it added: those are closed as never true, and
// what they had ended is said again by new records, since when it was said at first; if a fact was itself superseded since, up to then.
// It is one commit. To remove facts from the store, forget them.
func (e *Engine) Undo(ctx context.Context, tenant string, id record.ID) (u Undone, err error) {
	e.committing.Lock()
	defer e.committing.Unlock()
	run, err := e.runOf(ctx, tenant, id)
	if err != nil {
		return u, err
	}
	c, err := e.undoing(ctx, run)
	if err != nil {
		return u, err
	}
	if err := e.opt.Store.Apply(ctx, *c); err != nil {
		return u, err
	}
	e.stored(tenant, c)
	for _, r := range run {
		u.Facts = append(u.Facts, r.ID)
	}
	for _, r := range c.Add {
		u.Reopened = append(u.Reopened, r.ID)
	}
	return u, nil
}

// runOf returns the facts of the answer that one of them came from: stored in one commit, of one conversation.
func (e *Engine) runOf(ctx context.Context, tenant string, id record.ID) ([]*record.Record, error) {
	shown, err := e.Show(ctx, tenant, id)
	if err != nil {
		return nil, err
	}
	if shown == nil || shown.Record.Origin != record.Extracted || undone(shown.Record) {
		return nil, ErrNotExtracted
	}
	one := shown.Record
	if again(one) {
		return []*record.Record{one}, nil
	}
	var run []*record.Record
	f := store.Filter{Tenant: tenant, User: one.Scope.User, Session: one.Scope.Session, Origin: record.Extracted}
	err = e.each(ctx, f, func(r *record.Record) error {
		if conversationOf(r.Scope) == conversationOf(one.Scope) && r.Created.Equal(one.Created) && !undone(r) && !again(r) {
			run = append(run, r)
		}
		return nil
	})
	return run, err
}

// undone reports whether a fact was taken back: it held never.
func undone(r *record.Record) bool {
	return !r.Closed.IsZero() && r.SupersededBy == (record.ID{}) && r.To.Equal(r.From)
}

// again reports whether a record says what a closed one said.
func again(r *record.Record) bool {
	return slices.ContainsFunc(r.Sources, func(id record.ID) bool { return record.AgainID(id) == r.ID })
}

// undoing are the changes that take a run back.
func (e *Engine) undoing(ctx context.Context, run []*record.Record) (*store.Changes, error) {
	of, scope := map[record.ID]*record.Record{}, run[0].Scope
	c := &store.Changes{Tenant: scope.Tenant, At: e.opt.Now()}
	for _, r := range run {
		of[r.ID] = r
		for _, id := range r.Sources {
			if record.AgainID(id) == r.ID {
				of[id] = r
			}
		}
		c.Close = append(c.Close, store.Closing{ID: r.ID, To: r.From})
	}
	var rests []*record.Record // of episodes, beside the sentence that was superseded
	ended := map[record.ID]bool{}
	f := store.Filter{Tenant: scope.Tenant, User: scope.User}
	if scope.User == "" {
		f.Session = scope.Session
	}
	err := e.each(ctx, f, func(r *record.Record) error {
		if by := of[r.SupersededBy]; by != nil && of[r.ID] == nil && r.Scope.Space() == scope.Space() {
			ended[r.ID] = true
			c.Add = append(c.Add, sayAgain(r, endOf(by, of), c))
		} else if r.Kind == record.Episode && r.Closed.IsZero() && r.Created.Equal(run[0].Created) && len(r.Sources) == 1 {
			rests = append(rests, r)
		}
		return nil
	})
	for _, r := range rests {
		if ended[r.Sources[0]] {
			c.Close = append(c.Close, store.Closing{ID: r.ID, To: r.Said})
		}
	}
	return c, err
}

// endOf is the last fact of the run in a chain of those that superseded each other.
func endOf(r *record.Record, run map[record.ID]*record.Record) *record.Record {
	for range run {
		next := run[r.SupersededBy]
		if next == nil {
			break
		}
		r = next
	}
	return r
}

// sayAgain is a record with what a closed one said, that ends when by, which closed it, has ended.
func sayAgain(old, by *record.Record, c *store.Changes) *record.Record {
	r := *old
	r.ID, r.Created = record.AgainID(old.ID), c.At
	r.Sources = append(slices.Clone(old.Sources), old.ID)
	r.To, r.Closed, r.SupersededBy = by.To, by.Closed, by.SupersededBy
	r.Vector, r.Model = nil, ""
	return &r
}
