package identity

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync/atomic"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
)

// Name is the filter's name in Server-Timing, spans, metrics and /debug/state.
const Name = "identity"

// A Filter fills Exchange.Identity. It belongs first in the outer ring, is safe for concurrent use, and should live as long
// as the process: a new one has forgotten every conversation.
type Filter struct {
	names  *namer
	tables *tables
	seed   uint64
	users  atomic.Pointer[UserSource]
}

var _ filters.Filter = (*Filter)(nil)

// New makes a filter.
func New(o Options) *Filter {
	o = o.withDefaults()
	seed := rand.Uint64()
	return &Filter{names: newNamer(o.Secret), tables: newTables(o, seed), seed: seed}
}

// Name returns "identity".
func (f *Filter) Name() string { return Name }

// Open reads the headers. For requests that ask for an answer the rest is left to Exchange.Later, so Session and Program of
// an agent that does not name them are empty until Exchange.RunLater has run.
func (f *Filter) Open(_ context.Context, x *filters.Exchange) (filters.Stream, error) {
	var h hints
	h.read(x.Fields)
	id := &x.Identity
	id.Tenant = f.tenantOf(x, &h)
	users := f.userSource()
	if users.Set() {
		id.User = users.Of(x)
	} else {
		id.User = cleanHint(h[ownUser])
	}
	id.Class = strings.ToLower(cleanHint(h[ownClass]))
	kind := known(h[userAgent])
	switch {
	case h[ownAgent] != nil:
		id.Agent = clean(h[ownAgent])
	case kind != nil:
		id.Agent = kind.label
	case h[userAgent] != nil:
		id.Agent = OtherAgent
	}
	c := h.claim()
	id.Session, id.Program, id.Parent = c.session, c.program, c.parent
	id.Retry = h.retried()
	if !talks(x) {
		return nil, nil
	}
	s := streams.Get().(*stream)
	s.f, s.x, s.claim, s.kind, s.said = f, x, c, kind, !users.Set()
	if kind == nil {
		s.kind = &unknown
	}
	if c.inherit {
		s.inherit(id)
	}
	s.watch.dialect = x.Route.Dialect
	s.headOnly = !s.watch.needed(x.View)
	x.Later(s.later)
	return s, nil
}

// talks reports whether the exchange belongs to a conversation whose history can be read.
func talks(x *filters.Exchange) bool {
	switch x.Route.Dialect {
	case wire.Chat, wire.Responses, wire.Messages:
		return x.Route.Op == wire.Generate
	}
	return false
}

// Bind tells the filter the id of an exchange's response, so that a request with that previous_response_id goes on with its
// session. For answers whose events the filter sees it does so itself.
func (f *Filter) Bind(responseID string, id *filters.Identity) {
	if responseID == "" || id.Tenant == "" || id.Session == "" {
		return
	}
	t := f.tables.tenant(id.Tenant)
	t.mu.Lock()
	defer t.mu.Unlock()
	userKey := mixString(f.seed, id.User)
	key := callKey(userKey, []byte(responseID))
	if t.responses.peek(key) != nil {
		return
	}
	q := &query{user: id.User, userKey: userKey}
	s := t.session(q, id.Session)
	if s == nil {
		s = &session{name: id.Session, program: id.Program, parent: id.Parent}
		t.keep(q, s)
	}
	t.tick++
	*t.responses.value(key) = &place{sess: s, program: id.Program, parent: id.Parent, chain: id.Chain, user: userKey, tick: t.tick}
}

func cleanHint(b []byte) string {
	if b == nil {
		return ""
	}
	return clean(b)
}
