package memory

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/trapgate/trapgate/memory/decide"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

const (
	candidates  = 48      // hits that are looked at
	maxQuestion = 4 << 10 // bytes of a message that are asked for: a fourth of them its beginning, the others its end
)

// Recall finds what to tell at a message, within the deadline. The note that it makes stands from then on at that message, also the
// empty one, so that a retry and every later request show the same bytes. On an error nothing is told. A scope without a session, a
// chain of 0, and Mode Off tell nothing.
func (e *Engine) Recall(ctx context.Context, q *Question) (r Recollection, err error) {
	c := e.config.Load()
	if c.Mode == Off || !q.Scope.Valid() || q.Scope.Session == "" || q.Chain == 0 {
		return r, nil
	}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, e.opt.Deadline)
	defer cancel()
	defer func() {
		e.counts.recalled(&r)
		e.opt.Took(TimedRecall, time.Since(begin))
	}()
	if !e.forgetting.TryRLock() {
		r.Late = true
		return r, nil
	}
	defer e.forgetting.RUnlock()
	before, err := e.sessionNotes(ctx, q.Scope)
	if err != nil {
		return late(ctx, r, err)
	}
	if i := before.at(q.Chain); i >= 0 {
		r.Note, r.Tokens, r.Again = before.all[i], before.all[i].Tokens, true
		return r, nil
	}
	return e.recall(ctx, c, q, before, r)
}

// recall looks for what to tell, and makes the note.
func (e *Engine) recall(ctx context.Context, c *Config, q *Question, before *sessionNotes, r Recollection) (Recollection, error) {
	t := e.newTelling(c, q, before)
	found, err := e.find(ctx, q, t, &r)
	if err == nil {
		err = t.gather(ctx, found)
	}
	if err != nil {
		if r, err = late(ctx, r, err); err != nil {
			return r, err
		}
		t.chosen = nil
	}
	r.Found = len(found)
	note, hits := t.note()
	note.At = note.At.Truncate(time.Millisecond) // as stores keep it: what stands is compared with it
	r.Abstained = len(found) > 0 && len(hits) == 0 && !r.Late
	if c.Mode == Observe {
		r.Note, r.Hits, r.Tokens, r.Observed = note, hits, note.Tokens, true
		return r, nil
	}
	if r.Note, err = e.putNote(ctx, q.Scope, before, note); err != nil {
		return late(ctx, Recollection{Found: r.Found, Dense: r.Dense}, err)
	}
	r.Tokens = r.Note.Tokens
	if r.Again = r.Note.Text != note.Text || !r.Note.At.Equal(note.At); !r.Again && len(hits) > 0 {
		r.Hits = hits
		e.told(q.Scope, hits, note.At)
	}
	return r, nil
}

// find asks the store, with the question's embedding if that comes in time.
func (e *Engine) find(ctx context.Context, q *Question, t *telling, r *Recollection) ([]store.Hit, error) {
	if t.text = e.ownWords(q.Text, t.now); t.text == "" {
		return nil, nil
	}
	query := &store.Query{Text: t.text, Now: t.now, Limit: candidates, Past: true, Skip: t.skip}
	query.Vector, query.Model, r.Dense = e.embedQuestion(ctx, q, t.text, time.Duration(float64(e.opt.Deadline)*denseShare))
	e.tenants.add(q.Scope.Tenant, false)
	return e.opt.Store.Search(ctx, q.Scope, query)
}

// ownWords is what of a message is asked for: neither what an agent's program added to it, nor secrets, nor thanks.
func (e *Engine) ownWords(text string, at time.Time) string {
	if text = strings.TrimSpace(text); len(text) > maxQuestion {
		text = text[:maxQuestion/4] + " " + text[len(text)-maxQuestion*3/4:]
	}
	d := e.decider.Decide(&decide.Message{Role: record.User, Text: text, At: at})
	switch d.Dropped {
	case decide.Kept:
		parts := make([]string, len(d.Episodes))
		for i := range d.Episodes {
			parts[i] = d.Episodes[i].Text
		}
		return strings.Join(parts, "\n")
	case decide.Short, decide.Error: // few words may ask for much
		return text
	}
	return ""
}

// late makes of the deadline's error what it is: no time to look.
func late(ctx context.Context, r Recollection, err error) (Recollection, error) {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		r.Late = true
		return r, nil
	}
	return r, err
}

// told remembers what was told, and why.
func (e *Engine) told(s record.Scope, hits []store.Hit, at time.Time) {
	ids := make([]record.ID, len(hits))
	for i := range hits {
		ids[i] = hits[i].Record.ID
	}
	e.enqueue(job{used: ids, scope: cloneScope(s), bytes: 16 * len(ids)})
	e.why.add(s, hits, at)
}

func (c *counts) recalled(r *Recollection) {
	c.recalls.Add(1)
	count := func(to *atomic.Int64, is bool) {
		if is {
			to.Add(1)
		}
	}
	count(&c.abstained, r.Abstained)
	count(&c.late, r.Late)
	count(&c.denseLate, r.Dense == DenseLate)
	count(&c.denseFailed, r.Dense == DenseFailed)
	if len(r.Hits) > 0 && !r.Observed {
		c.told.Add(1)
		c.hits.Add(int64(len(r.Hits)))
		c.tokens.Add(int64(r.Tokens))
	}
}
