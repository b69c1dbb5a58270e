package ctxrewrite

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/trapgate/trapgate/ctxrewrite/store"
)

// A Forgotten says what a tenant wants nothing to be kept of.
type Forgotten struct {
	// Texts are found by any seven words of theirs in a row, a shorter one as a whole.
	Texts []string
	// Words are found where all of them are.
	Words []string
	// Sessions are forgotten as a whole.
	Sessions []string
}

// Forget removes what was made from texts of a tenant, or shows them: epochs, rules and cuts, and contents that left requests. The
// next request of such a conversation finds other bytes in front, once. It returns how many entries went.
//
// What the agent still sends in its own history is the agent's: it is not touched. But from now on nothing of it is quoted when it is
// left out of a request, and nothing is kept under a handle.
func (e *Engine) Forget(ctx context.Context, tenant string, f Forgotten) (removed int, err error) {
	if tenant == "" {
		return 0, nil
	}
	note := noteOf(f.Texts, f.Words)
	if note != nil {
		e.guards.add(tenant, note)
		identity := note[1:]
		if _, perr := e.store.PutNote(ctx, store.Key{Tenant: tenant, Session: forgottenSession}, nameOf(store.NoteForgotten, identity), note); perr != nil {
			err = perr
		}
	}
	// What is made from now on has nothing of it, and what is being made is looked at again when it is stored.
	for _, session := range f.Sessions {
		key := store.Key{Tenant: tenant, Session: session}
		e.sessions.byKey.Remove(key)
		err = errors.Join(err, e.store.Forget(ctx, key))
	}
	if note == nil {
		return 0, err
	}
	only := &forgotten{}
	only.add(note)
	e.sessions.forget(tenant, only.says)
	removed, perr := e.purge(ctx, tenant, only)
	return removed, errors.Join(err, perr)
}

func (e *Engine) purge(ctx context.Context, tenant string, what *forgotten) (removed int, err error) {
	return e.store.Purge(ctx, tenant, func(text []byte) bool {
		return (len(text) == 0 || text[0] != store.NoteForgotten) && what.says(text)
	})
}

// again purges what was stored while its tenant asked to forget it.
func (e *Engine) again(ctx context.Context, tenant string, stored ...[]byte) {
	guard := e.guards.of(tenant)
	if !slices.ContainsFunc(stored, guard.says) {
		return
	}
	if _, err := e.purge(ctx, tenant, guard); err != nil {
		e.log.Error("context: something that was to be forgotten is still stored", "err", err)
	}
}

// forget drops from memory what says the text.
func (s *sessions) forget(tenant string, says func([]byte) bool) {
	s.mu.Lock()
	all := s.byKey.Values()
	s.mu.Unlock()
	for _, c := range all {
		if c.key.Tenant != tenant {
			continue
		}
		c.mu.Lock()
		c.epochs = slices.DeleteFunc(c.epochs, func(ep *Epoch) bool { return says(ep.Text) || c.orphan(ep, says) })
		c.trims = slices.DeleteFunc(c.trims, func(t trimmed) bool { return says(t.with) })
		c.last = nil
		if kept := slices.DeleteFunc(slices.Clone(c.pins), func(p string) bool { return says([]byte(p)) }); len(kept) < len(c.pins) {
			c.pins, c.pinSum = nil, 0
			for _, p := range kept {
				c.pin(p)
			}
		}
		c.mu.Unlock()
	}
}

// orphan says that one of the epochs that ep follows is forgotten.
func (c *conversation) orphan(ep *Epoch, says func([]byte) bool) bool {
	for up := ep.parent; up != nil; up = up.parent {
		if says(up.Text) {
			return true
		}
	}
	return false
}

// escaped reads backslashes and what they stand in front of.
func escaped(text []byte) (r rune, size int) {
	for size < len(text) && text[size] == '\\' {
		size++
	}
	if size == len(text) {
		return ' ', size
	}
	switch text[size] {
	case 'n', 'r', 't', 'b', 'f':
		return ' ', size + 1
	case 'u':
		if len(text) < size+5 {
			break
		}
		if r, err := strconv.ParseUint(string(text[size+1:size+5]), 16, 32); err == nil {
			return rune(r), size + 5
		}
	}
	return ' ', size
}
