package memory

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/trapgate/trapgate/memory/decide"
	"github.com/trapgate/trapgate/memory/extract"
	"github.com/trapgate/trapgate/memory/index"
	"github.com/trapgate/trapgate/memory/record"
)

const (
	minMaterial    = 1000 // tokens of what was said that go into one question, if there are as many
	maxKnown       = 40   // facts that a model is shown
	maxKnownObject = 200  // bytes
)

// An inquiry is one question to a model.
type inquiry struct {
	batch  extract.Batch
	source []*record.Record // of batch.Said
	known  []*record.Record // of batch.Known
}

// extractOnce asks a model about some of the episodes, stores what comes of it, and returns those that are left; all of them when the
// call failed.
func (e *Engine) extractOnce(ctx context.Context, s record.Scope, ids []record.ID, ask extract.Ask) (left []record.ID, err error) {
	q, left, err := e.inquire(ctx, s, ids)
	if err != nil || len(q.batch.Said) == 0 {
		return left, err
	}
	e.counts.asked.Add(1)
	result, err := extract.Run(ctx, ask, &q.batch)
	switch {
	case errors.Is(err, extract.ErrForm) || errors.Is(err, extract.ErrCut):
		e.counts.drop("extract-unreadable") // it would be no better another time
		e.opt.Log.Debug("memory: a model wrote no facts", "error", err)
		return left, nil
	case err != nil:
		e.counts.askedFailed.Add(1)
		return ids, err
	}
	for why, n := range result.Rejected {
		for range n {
			e.counts.drop("extract-" + string(why))
		}
	}
	if len(result.Changes) == 0 {
		return left, nil
	}
	e.committing.Lock()
	defer e.committing.Unlock()
	b := newBatch(ctx, e, s.Tenant)
	for i := range result.Changes {
		if err := b.extracted(s, q, &result.Changes[i]); err != nil {
			return ids, err
		}
	}
	added, closed := len(b.changes.Add), len(b.changes.Close)
	if err := b.apply(); err != nil {
		return ids, err
	}
	e.opt.Log.Info("memory: a model read what was said", "added", added, "closed", closed)
	return left, nil
}

// inquire makes the question of as many of the episodes as go into one, and returns the others. What was forgotten is no longer there.
func (e *Engine) inquire(ctx context.Context, s record.Scope, ids []record.ID) (q *inquiry, left []record.ID, err error) {
	c, q := e.config.Load(), &inquiry{}
	q.batch.MaxTokens = c.Extract.MaxTokens
	found, err := e.opt.Store.Get(ctx, s, ids)
	if err != nil {
		return q, ids, err
	}
	byID := make(map[record.ID]*record.Record, len(found))
	for _, r := range found {
		if s.Sees(r) && material(r) && r.Closed.IsZero() {
			byID[r.ID] = r
		}
	}
	tokens := 0
	for i, id := range ids {
		if tokens >= max(2*c.Extract.Every, minMaterial) {
			left = ids[i:]
			break
		}
		r := byID[id]
		if r == nil || HoldsNote(r.Text) {
			continue
		}
		said := extract.Said{Statements: decide.Statements(r.Text), Speaker: r.Speaker, At: r.Said}
		if len(said.Statements) == 0 {
			continue
		}
		for _, statement := range said.Statements {
			tokens += (len(statement) + 3) / 4
		}
		q.batch.Said, q.source = append(q.batch.Said, said), append(q.source, r)
	}
	if len(q.batch.Said) == 0 {
		return q, left, nil
	}
	return q, left, e.knownTo(ctx, s, q)
}

// knownTo shows the facts that stand: those that share most words with what was said, then the newest.
func (e *Engine) knownTo(ctx context.Context, s record.Scope, q *inquiry) error {
	facts, err := e.opt.Store.Facts(ctx, s, "", "")
	if err != nil {
		return err
	}
	said := map[string]bool{}
	for i := range q.batch.Said {
		for _, term := range index.Terms(strings.Join(q.batch.Said[i].Statements, "\n")) {
			said[term] = true
		}
	}
	now, shared := e.opt.Now(), map[record.ID]int{}
	facts = slices.DeleteFunc(slices.Clone(facts), func(r *record.Record) bool {
		for _, term := range index.Terms(r.Text + " " + statementWords(r)) {
			if said[term] {
				shared[r.ID]++
			}
		}
		return r.Private || !s.Sees(r) || !r.Current(now)
	})
	slices.SortStableFunc(facts, func(a, b *record.Record) int { return cmp.Compare(shared[b.ID], shared[a.ID]) })
	for _, r := range facts[:min(maxKnown, len(facts))] {
		q.known = append(q.known, r)
		q.batch.Known = append(q.batch.Known, extract.Known{
			Subject: r.Subject, Predicate: r.Predicate, Object: fold(r.Object, maxKnownObject), From: r.From,
		})
	}
	return nil
}

// What the store's state says against a fact of a model.
const (
	extractStands = "extract-stands" // it is known, or was forgotten
	extractTold   = "extract-told"   // it would end what somebody asked to remember
	extractLate   = "extract-late"   // what it would end was said after it, or has ended
)

// extracted adds a fact that a model found, and closes what it supersedes, unless something speaks against it.
func (b *batch) extracted(s record.Scope, q *inquiry, c *extract.Change) error {
	r := b.newExtracted(c, q.source[c.Said])
	has, err := b.e.opt.Store.Has(b.ctx, b.tenant, []record.ID{r.ID})
	if err != nil {
		return err
	}
	ends, err := b.facts(s, r.Subject, r.Predicate)
	if err != nil {
		return err
	}
	if has[0] || b.added[r.ID] != nil || slices.ContainsFunc(ends, func(o *record.Record) bool { return sameObject(o.Object, r.Object) }) {
		b.e.counts.drop(extractStands)
		return nil
	}
	if !r.Single {
		ends = nil
	}
	if c.Supersedes >= 0 {
		old := q.known[c.Supersedes]
		all, err := b.facts(s, old.Subject, old.Predicate)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, func(o *record.Record) bool { return o.ID == old.ID }) {
			b.e.counts.drop(extractLate)
			return nil
		}
		if !slices.ContainsFunc(ends, func(o *record.Record) bool { return o.ID == old.ID }) {
			ends = append(ends, old)
		}
	}
	for _, o := range ends {
		switch {
		case o.Origin == record.Told:
			b.e.counts.drop(extractTold)
			return nil
		case o.From.After(r.From):
			b.e.counts.drop(extractLate)
			return nil
		}
	}
	b.add(r)
	for _, o := range ends {
		if err := b.supersede(o, r.From, r.ID); err != nil {
			return err
		}
	}
	return nil
}

// newExtracted is the record of a fact: the user's sentence, and what a model made of it, which is believed as a model's words are.
func (b *batch) newExtracted(c *extract.Change, source *record.Record) *record.Record {
	ttl := b.e.config.Load().TTL
	r := &record.Record{
		ID: record.FactID(source.Scope, source.ID, c.Subject, c.Predicate, c.Object), Scope: source.Scope, Kind: record.Fact, Role: record.User,
		Origin: record.Extracted, Trust: record.Middle, Speaker: source.Speaker, Text: strings.Clone(c.Sentence), Subject: c.Subject,
		Predicate: c.Predicate, Object: c.Object, Single: decide.Single(c.Predicate), Seq: source.Seq, Said: source.Said, From: source.Said,
		Created: b.now, Times: decide.Times(c.Sentence, source.Said), Sources: []record.ID{source.ID}, Importance: 0.5,
		Text64: record.TextKey(c.Sentence), Sim: index.SimHash(c.Sentence), Expires: expiry(b.now, ttl.Fact),
	}
	if who, _, _ := strings.Cut(c.Subject, "."); who == "project" || c.Predicate == "decided" {
		r.Expires = expiry(b.now, ttl.Decision)
	}
	return r
}
