package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A batch is what has gathered while the one before was committed: it waits for nothing else, so that what was accepted is durable
// within two commits.
const (
	maxBatch   = 64        // jobs
	batchBytes = 256 << 10 // of text to decide on: 30 ms of rules at most
	retryAfter = 20 * time.Millisecond
)

// work commits what waits, until the engine ends.
func (e *Engine) work() {
	for {
		select {
		case <-e.queue.something:
		case <-e.life.Done():
			return
		}
		for e.life.Err() == nil && e.round(e.life) {
		}
	}
}

// round commits one batch, and reports whether there was one.
func (e *Engine) round(ctx context.Context) bool {
	e.committing.Lock()
	defer e.committing.Unlock()
	jobs := e.queue.take(batchBytes)
	if len(jobs) == 0 {
		return false
	}
	defer e.queue.done()
	begin := time.Now()
	if err := e.commit(ctx, jobs); err != nil {
		e.opt.Log.Warn("memory: something could not be kept", "jobs", len(jobs), "error", err)
	}
	e.opt.Took(TimedCommit, time.Since(begin))
	return true
}

// commit decides on the jobs and stores what is kept of them, as one for each tenant. Notes come first: a turn may ask to forget what
// they tell. Held: committing.
func (e *Engine) commit(ctx context.Context, jobs []job) error {
	batches := map[string]*batch{}
	var order []*batch
	notes := slices.DeleteFunc(slices.Clone(jobs), func(j job) bool { return j.note == nil })
	errs := []error{e.putNotes(ctx, notes)}
	for i := range jobs {
		j := &jobs[i]
		if j.note != nil {
			continue
		}
		b := batches[j.scope.Tenant]
		if b == nil {
			b = newBatch(ctx, e, j.scope.Tenant)
			batches[j.scope.Tenant], order = b, append(order, b)
		}
		b.do(j)
	}
	for _, b := range order {
		errs = append(errs, b.apply())
	}
	return errors.Join(errs...)
}

// do decides on a job. What is wrong with one turn is no reason to lose the others.
func (b *batch) do(j *job) {
	b.changes.Used = append(b.changes.Used, j.used...)
	if j.turn == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			b.fail(fmt.Errorf("panic: %v", p))
			b.e.giveUp(j.turn)
		}
	}()
	do := b.learn
	if j.turn.Unlearned {
		do = b.bury
	}
	if err := do(j.turn); err != nil {
		b.fail(err)
		b.e.giveUp(j.turn)
		return
	}
	b.turns = append(b.turns, j.turn)
}

func (b *batch) fail(err error) { b.errs = append(b.errs, err) }

// apply stores what the batch holds, and tries once more if it must.
func (b *batch) apply() error {
	e, c := b.e, &b.changes
	if len(c.Add)+len(c.Close)+len(c.Used)+len(c.Revive)+len(c.Bury) > 0 {
		err := e.opt.Store.Apply(b.ctx, *c)
		if err != nil && pause(b.ctx, retryAfter) {
			err = e.opt.Store.Apply(b.ctx, *c)
		}
		if err != nil {
			for _, t := range b.turns {
				e.giveUp(t)
			}
			b.fail(err)
		} else {
			e.stored(b.tenant, c)
		}
	}
	err := errors.Join(b.errs...)
	b.reset()
	return err
}

// giveUp forgets that the messages of a turn were taken, so that they are learned when the agent sends its history again.
func (e *Engine) giveUp(t *Turn) {
	for i := range t.Messages {
		if chain := t.Messages[i].Chain; chain != 0 {
			e.seen.Remove(markOf(t.Scope, chain))
		}
	}
	e.counts.failed.Add(1)
}

// stored counts, and wakes who waits for new records.
func (e *Engine) stored(tenant string, c *store.Changes) {
	for _, r := range c.Add {
		e.counts.learned(r)
	}
	e.counts.closed.Add(int64(len(c.Close)))
	if len(c.Close) > 0 {
		e.closed.Add(1)
	}
	if len(c.Add) == 0 {
		return
	}
	e.tenants.add(tenant, true)
	if e.config.Load().extracts() {
		e.gather(c.Add)
	}
	if n := int64(len(c.Add)); e.added.Add(n) >= sweepEach {
		signal(e.sweepIt)
	}
}

// putNotes stores notes, several at a time, as each is a commit of its own that the store may join with others.
func (e *Engine) putNotes(ctx context.Context, jobs []job) error {
	errs := make([]error, len(jobs))
	var wait sync.WaitGroup
	places := make(chan struct{}, 16)
	for i := range jobs {
		places <- struct{}{}
		wait.Go(func() {
			defer func() { <-places }()
			_, errs[i] = e.opt.Store.PutNote(ctx, jobs[i].scope, *jobs[i].note)
			if errs[i] != nil && pause(ctx, retryAfter) {
				_, errs[i] = e.opt.Store.PutNote(ctx, jobs[i].scope, *jobs[i].note)
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// enqueue gives the worker something that a recall left. Nobody waits, and when there is no room it is lost: a count of uses is, and
// a note that a restart will then not replay.
func (e *Engine) enqueue(j job) {
	if !e.queue.put(j) {
		e.counts.refused.Add(1)
	}
}

// pause waits, and reports whether the context is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// A batch is what is to become one Apply. Decisions see what is in it as if it were stored already.
type batch struct {
	e       *Engine
	ctx     context.Context
	tenant  string
	now     time.Time
	turns   []*Turn
	changes store.Changes
	added   map[record.ID]*record.Record // of changes.Add
	closing map[record.ID]bool           // of changes.Close
	errs    []error
}

func newBatch(ctx context.Context, e *Engine, tenant string) *batch {
	b := &batch{e: e, ctx: ctx, tenant: tenant}
	b.reset()
	return b
}

func (b *batch) reset() {
	b.now = b.e.opt.Now()
	b.turns, b.errs = nil, nil
	b.changes = store.Changes{Tenant: b.tenant, At: b.now}
	b.added, b.closing = map[record.ID]*record.Record{}, map[record.ID]bool{}
}

func (b *batch) add(r *record.Record) {
	if b.added[r.ID] == nil {
		b.added[r.ID] = r
		b.changes.Add = append(b.changes.Add, r)
	}
}

func (b *batch) close(id record.ID, to time.Time, by record.ID) {
	if !b.closing[id] {
		b.closing[id] = true
		b.changes.Close = append(b.changes.Close, store.Closing{ID: id, To: to, By: by})
	}
}
