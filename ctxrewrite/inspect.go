package ctxrewrite

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"time"

	"github.com/trapgate/trapgate/ctxrewrite/digest"
	"github.com/trapgate/trapgate/ctxrewrite/store"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
)

// A SessionInfo is what is kept of a session, for people to read.
type SessionInfo struct {
	Tenant   string    `json:"tenant"`
	Session  string    `json:"session"`
	Epochs   int       `json:"epochs"`
	Contents int       `json:"contents"`
	Bytes    int64     `json:"bytes"` // in the store
	Used     time.Time `json:"used"`
}

// An EpochInfo is one epoch of a session, for people to read. Tokens are estimates, not calibrated.
type EpochInfo struct {
	Number   int              `json:"number"`
	Parent   int              `json:"parent"` // the epoch before it on its line; 0: none
	Task     int              `json:"task"`   // the message that carries the digest
	From     int              `json:"from"`   // messages [From, Cover) were left out by it, besides those before
	Cover    int              `json:"cover"`
	Span     string           `json:"span,omitempty"` // handle of what was left out
	Evicted  int              `json:"evicted_tokens"` // of it; 0: gone from the store
	Before   int              `json:"digest_before"`  // tokens of the digest before it
	Tokens   int              `json:"digest_tokens"`  // and of its own
	Dropped  []string         `json:"dropped,omitempty"`
	Sections []digest.Section `json:"sections"`
}

// ErrNoSession is returned for a session of which no epoch is kept.
var ErrNoSession = errors.New("no rewrite of this session is kept")

// InMemory is how many conversations this process remembers.
func (e *Engine) InMemory() int { return e.sessions.byKey.Len() }

// Sessions lists what is kept, the session used last first; tenant "" means all.
func (e *Engine) Sessions(ctx context.Context, tenant string) ([]SessionInfo, error) {
	all, err := e.store.Sessions(ctx, tenant)
	out := make([]SessionInfo, 0, len(all))
	for _, s := range all {
		if s.Session != forgottenSession {
			out = append(out, SessionInfo{s.Tenant, s.Session, s.Epochs, s.Contents, s.Bytes, s.Used})
		}
	}
	return out, err
}

// Epochs reads the epochs of a session from the store, oldest first.
func (e *Engine) Epochs(ctx context.Context, tenant, session string) ([]EpochInfo, error) {
	records, err := e.store.Epochs(ctx, store.Key{Tenant: tenant, Session: session})
	if err != nil {
		return nil, err
	}
	var out []EpochInfo
	byID := map[uint64]*Epoch{}
	for _, record := range records {
		ep, parent, err := unmarshalEpoch(record)
		if err != nil {
			continue // of another version
		}
		ep.parent = byID[parent]
		byID[ep.id()] = ep
		out = append(out, e.info(ctx, tenant, ep))
	}
	if len(out) == 0 {
		return nil, ErrNoSession
	}
	slices.SortStableFunc(out, func(a, b EpochInfo) int { return a.Number - b.Number })
	return out, nil
}

// Content returns what left a request, by its handle, or store.ErrUnknown; tenant "" means all.
func (e *Engine) Content(ctx context.Context, tenant, handle string) (store.Content, error) {
	if tenant != "" {
		return e.store.Content(ctx, tenant, handle)
	}
	all, err := e.store.Sessions(ctx, "")
	if err != nil {
		return store.Content{}, err
	}
	for _, t := range tenantsOf(all) {
		if c, err := e.store.Content(ctx, t, handle); !errors.Is(err, store.ErrUnknown) {
			return c, err
		}
	}
	return store.Content{}, store.ErrUnknown
}

func tenantsOf(all []store.Session) (names []string) {
	for _, s := range all {
		names = append(names, s.Tenant)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// spanHandle finds the handles of evicted messages in the digest's last section, the newest last.
var spanHandle = regexp.MustCompile(`span (ctx:[0-9a-f]{12})`)

func (e *Engine) info(ctx context.Context, tenant string, ep *Epoch) EpochInfo {
	x := EpochInfo{
		Number: ep.Number, Task: ep.Task, From: ep.Task + 1, Cover: ep.Cover, Tokens: ep.Tokens,
		Dropped: ep.digest.Dropped(), Sections: ep.digest.Sections(),
	}
	if ep.parent != nil {
		x.Parent, x.From, x.Before = ep.parent.Number, ep.parent.Cover, ep.parent.Tokens
	}
	for _, s := range x.Sections {
		if all := spanHandle.FindAllStringSubmatch(s.Text, -1); s.Name == "spans" && all != nil {
			x.Span = all[len(all)-1][1]
		}
	}
	if c, err := e.store.Content(ctx, tenant, x.Span); err == nil && x.Span != "" {
		x.Evicted = tokens.Estimate(c.Body)
	}
	return x
}
