package sharedmemory

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
	"github.com/trapgate/trapgate/proxy/admin"
)

// ErrAway is the error of a call that found no holder, or one that is about to end. It may be made again: a call does twice what it does
// once.
var ErrAway = errors.New("memory: nobody answers for the data directory")

// A Client is the memory that the holder of a data directory keeps. It connects when it is used.
type Client struct {
	dir  string
	mu   sync.Mutex
	idle []*line
	over bool
}

var _ store.Store = (*Client)(nil)

// A line is a connection to the holder, with the streams on it.
type line struct {
	net.Conn
	in  *gob.Decoder
	out *gob.Encoder
}

// maxIdle is how many connections are kept.
const maxIdle = 4

// Dial makes a client of whoever holds a data directory, now or later.
func Dial(dir string) *Client { return &Client{dir: dir} }

// Close ends idle connections, and those of calls under way after them.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	for _, l := range c.idle {
		_ = l.Close()
	}
	c.idle = nil
	return nil
}

// call asks the holder. A connection that was idle may be one of a holder that is gone, so another one is tried then.
func (c *Client) call(ctx context.Context, method string, q *request) (a answer, err error) {
	q.Method = method
	if end, ok := ctx.Deadline(); ok {
		q.Within = max(time.Until(end), 1)
	}
	for {
		l, kept, err := c.line(ctx)
		if err != nil {
			return a, away(ctx, err)
		}
		a = answer{}
		if err = l.ask(ctx, q, &a); err == nil {
			c.keep(l)
			return a, a.err()
		}
		_ = l.Close()
		if !kept || ctx.Err() != nil {
			return a, away(ctx, err)
		}
	}
}

// away says that the holder could not be reached, unless it was the caller who went.
func away(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", ErrAway, err)
}

// ask makes one call on a connection.
func (l *line) ask(ctx context.Context, q *request, a *answer) error {
	stop := context.AfterFunc(ctx, func() { _ = l.SetDeadline(time.Unix(1, 0)) })
	err := l.out.Encode(q)
	if err == nil {
		err = l.in.Decode(a)
	}
	if !stop() && err == nil {
		err = ctx.Err() // and the connection cannot be used again
	}
	return err
}

// line takes an idle connection or makes one.
func (c *Client) line(ctx context.Context) (l *line, kept bool, err error) {
	c.mu.Lock()
	if n := len(c.idle); n > 0 {
		l, c.idle = c.idle[n-1], c.idle[:n-1]
	}
	c.mu.Unlock()
	if l != nil {
		return l, true, nil
	}
	conn, err := admin.Upgrade(ctx, c.dir, admin.SharedMemoryPath, Protocol)
	if err != nil {
		return nil, false, err
	}
	return &line{conn, gob.NewDecoder(conn), gob.NewEncoder(conn)}, false, nil
}

func (c *Client) keep(l *line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || len(c.idle) == maxIdle {
		_ = l.Close()
		return
	}
	c.idle = append(c.idle, l)
}

// errAnswer is the error of an answer that does not fit what was asked.
var errAnswer = errors.New("memory: not an answer")

// err is the error of an answer, the one that callers compare with if it is one of these.
func (a *answer) err() error {
	if a.Error == "" {
		return nil
	}
	if i := slices.IndexFunc(known, func(k error) bool { return k.Error() == a.Error }); i >= 0 {
		return known[i]
	}
	return errors.New(a.Error)
}

// Apply implements store.Store.
func (c *Client) Apply(ctx context.Context, changes store.Changes) error {
	_, err := c.call(ctx, "apply", &request{Changes: &changes})
	return err
}

// Search implements store.Store. What Query.Skip leaves out is left out here, so that more is asked for.
func (c *Client) Search(ctx context.Context, s record.Scope, q *store.Query) ([]store.Hit, error) {
	asked := query{Text: q.Text, Vector: q.Vector, Model: q.Model, Now: q.Now, Limit: q.Limit, Past: q.Past}
	if q.Skip != nil {
		asked.Limit = 2*q.Limit + 64
	}
	a, err := c.call(ctx, "search", &request{Scope: s, Query: &asked})
	if err != nil {
		return nil, err
	}
	if q.Skip != nil {
		a.Hits = slices.DeleteFunc(a.Hits, func(h store.Hit) bool { return q.Skip(h.Record) })
	}
	return a.Hits[:min(len(a.Hits), max(q.Limit, 0))], nil
}

// Near implements store.Store.
func (c *Client) Near(ctx context.Context, s record.Scope, k record.Kind, sim uint64, bits int) (record.ID, bool, error) {
	a, err := c.call(ctx, "near", &request{Scope: s, Kind: k, Sim: sim, Bits: bits})
	return a.ID, a.Found, err
}

// Facts implements store.Store.
func (c *Client) Facts(ctx context.Context, s record.Scope, subject, predicate string) ([]*record.Record, error) {
	a, err := c.call(ctx, "facts", &request{Scope: s, Subject: subject, Predicate: predicate})
	return a.Records, err
}

// Get implements store.Store.
func (c *Client) Get(ctx context.Context, s record.Scope, ids []record.ID) ([]*record.Record, error) {
	a, err := c.call(ctx, "get", &request{Scope: s, IDs: ids})
	return a.Records, err
}

// Has implements store.Store.
func (c *Client) Has(ctx context.Context, tenant string, ids []record.ID) ([]bool, error) {
	a, err := c.call(ctx, "has", &request{Tenant: tenant, IDs: ids})
	if err == nil && len(a.Has) != len(ids) {
		err = errAnswer
	}
	return a.Has, err
}

// List implements store.Store.
func (c *Client) List(ctx context.Context, f store.Filter, after record.ID, limit int) ([]*record.Record, error) {
	a, err := c.call(ctx, "list", &request{Filter: &f, After: after, Limit: limit})
	return a.Records, err
}

// Bare implements store.Store.
func (c *Client) Bare(ctx context.Context, tenant, model string, limit int) ([]*record.Record, error) {
	a, err := c.call(ctx, "bare", &request{Tenant: tenant, Model: model, Limit: limit})
	return a.Records, err
}

// PutNote implements store.Store.
func (c *Client) PutNote(ctx context.Context, s record.Scope, n store.Note) (store.Note, error) {
	a, err := c.call(ctx, "putnote", &request{Scope: s, Note: &n})
	switch {
	case err != nil:
		return store.Note{}, err
	case len(a.Notes) != 1:
		return store.Note{}, errAnswer
	}
	return a.Notes[0], nil
}

// Notes implements store.Store.
func (c *Client) Notes(ctx context.Context, s record.Scope) ([]store.Note, error) {
	a, err := c.call(ctx, "notes", &request{Scope: s})
	return a.Notes, err
}

// Forget implements store.Store.
func (c *Client) Forget(ctx context.Context, what store.Forget) (r store.Receipt, err error) {
	a, err := c.call(ctx, "forget", &request{Forget: &what})
	if a.Receipt != nil {
		r = *a.Receipt
	}
	return r, err
}

// Sweep implements store.Store.
func (c *Client) Sweep(ctx context.Context, caps store.Caps) (s store.Swept, err error) {
	a, err := c.call(ctx, "sweep", &request{Caps: &caps})
	if a.Swept != nil {
		s = *a.Swept
	}
	return s, err
}

// Stats implements store.Store.
func (c *Client) Stats(ctx context.Context, tenant string) (s store.Stats, err error) {
	a, err := c.call(ctx, "stats", &request{Tenant: tenant})
	if a.Stats != nil {
		s = *a.Stats
	}
	return s, err
}
