package memory

import (
	"context"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// PutNote keeps a note that another process has made, for which this one keeps memory, as store.Store does: one that stands already, if
// only in this engine, is returned. Conversations that both serve have the same notes in both.
func (e *Engine) PutNote(ctx context.Context, s record.Scope, n store.Note) (store.Note, error) {
	k := keyOf(s)
	if known, _ := e.notes.get(k); known != nil {
		if i := known.at(n.Chain); i >= 0 {
			return known.all[i], nil
		}
	}
	stands, err := e.opt.Store.PutNote(ctx, s, n)
	if err == nil {
		e.notes.learn(k, stands)
	}
	return stands, err
}

// learn adds a note that was stored elsewhere, if the session is cached. What is being read meanwhile may be without it, so that is not.
func (c *noteCache) learn(k sessionKey, n store.Note) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen++
	if now, ok := c.known.Get(k); ok && now.at(n.Chain) < 0 {
		c.known.Add(k, &sessionNotes{all: append(now.all[:len(now.all):len(now.all)], n), closed: now.closed})
	}
}
