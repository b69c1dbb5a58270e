package memory

import (
	"context"
	"slices"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A noteCache has the notes of the sessions that are in use.
type noteCache struct {
	mu    sync.Mutex
	known *lru.Cache[sessionKey, *sessionNotes]
	gen   int64 // grows with every forget: what was read before is not cached after
}

type sessionKey struct{ tenant, user, session string }

func keyOf(s record.Scope) sessionKey { return sessionKey{s.Tenant, s.User, s.Session} }

// sessionNotes are a session's notes: immutable, replaced as a whole.
type sessionNotes struct {
	all    []store.Note
	closed int64 // Engine.closed when what was told was last looked at
}

func (c *noteCache) init(sessions int) (err error) {
	c.known, err = lru.New[sessionKey, *sessionNotes](sessions)
	return err
}

func (c *noteCache) get(k sessionKey) (n *sessionNotes, gen int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, _ = c.known.Get(k)
	return n, c.gen
}

// put caches what was read, unless something was forgotten or put meanwhile.
func (c *noteCache) put(k sessionKey, n *sessionNotes, gen int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gen == gen {
		c.known.ContainsOrAdd(cloneKey(k), n)
	}
}

// add appends a note, unless one stands at its message: that is returned. The session must be cached; if it no longer is, the note
// begins it anew with what was read before.
func (c *noteCache) add(k sessionKey, before *sessionNotes, n store.Note) store.Note {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, ok := c.known.Get(k)
	if !ok {
		now = before
	}
	if i := now.at(n.Chain); i >= 0 {
		return now.all[i]
	}
	c.known.Add(cloneKey(k), &sessionNotes{all: append(now.all[:len(now.all):len(now.all)], n), closed: now.closed})
	return n
}

// looked says up to which closings what the session was told was compared.
func (c *noteCache) looked(k sessionKey, closed int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now, ok := c.known.Get(k); ok {
		c.known.Add(k, &sessionNotes{all: now.all, closed: max(closed, now.closed)})
	}
}

func (c *noteCache) purge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen++
	c.known.Purge()
}

func cloneKey(k sessionKey) sessionKey {
	return sessionKey{strings.Clone(k.tenant), strings.Clone(k.user), strings.Clone(k.session)}
}

func (n *sessionNotes) at(chain uint64) int {
	return slices.IndexFunc(n.all, func(o store.Note) bool { return o.Chain == chain })
}

// Notes returns the notes of a session, oldest first, those with Text "" among them: each stands at the end of the message with its
// chain hash. Cached, it takes less than two microseconds. The slice is shared. They are returned in every Mode.
func (e *Engine) Notes(ctx context.Context, s record.Scope) ([]store.Note, error) {
	n, err := e.sessionNotes(ctx, s)
	if err != nil {
		return nil, err
	}
	return n.all, nil
}

var noNotes = &sessionNotes{}

func (e *Engine) sessionNotes(ctx context.Context, s record.Scope) (*sessionNotes, error) {
	if s.Session == "" || !s.Valid() {
		return noNotes, nil
	}
	k := keyOf(s)
	n, gen := e.notes.get(k)
	if n != nil && !e.opt.Shared {
		return n, nil
	}
	all, err := e.opt.Store.Notes(ctx, s)
	if err != nil {
		return nil, err
	}
	read := &sessionNotes{all: all}
	if n != nil {
		read.closed = n.closed
	}
	e.notes.put(k, read, gen)
	return read, nil
}

// putNote keeps a note and returns the one that stands. Where nobody else writes notes it is stored a moment later.
func (e *Engine) putNote(ctx context.Context, s record.Scope, before *sessionNotes, n store.Note) (store.Note, error) {
	if e.opt.Shared {
		return e.opt.Store.PutNote(ctx, s, n)
	}
	stands := e.notes.add(keyOf(s), before, n)
	if stands.Chain == n.Chain && stands.Text == n.Text && stands.At.Equal(n.At) {
		e.enqueue(job{note: &n, scope: cloneScope(s), bytes: len(n.Text) + 64})
	}
	return stands, nil
}

// shownLines are the keys of the lines of a session's notes; nil: there are none.
func (e *Engine) shownLines(ctx context.Context, s record.Scope) (map[uint64]bool, error) {
	n, err := e.sessionNotes(ctx, s)
	if err != nil || len(n.all) == 0 {
		return nil, err
	}
	var shown map[uint64]bool
	for i := range n.all {
		for line := range strings.Lines(n.all[i].Text) {
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			if shown == nil {
				shown = map[uint64]bool{}
			}
			shown[record.TextKey(line)] = true
		}
	}
	return shown, nil
}
