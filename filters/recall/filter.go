package recall

import (
	"bytes"
	"context"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/filters/identity"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/memory"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// Name is the filter's name in Server-Timing, spans, metrics and /debug/state.
const Name = "recall"

// header asks for no memory in a request ("off"), and tells in the response what was done.
const header = "x-trapgate-memory"

// An Engine is what the filter needs of a *memory.Engine.
type Engine interface {
	Learn(t memory.Turn) bool
	Extract(s record.Scope, start memory.Start)
	Recall(ctx context.Context, q *memory.Question) (memory.Recollection, error)
	Notes(ctx context.Context, s record.Scope) ([]store.Note, error)
}

// Settings are what a configuration says.
type Settings struct {
	Mode memory.Mode // the engine's
	// Users says where users come from. Without a source nobody is guessed: each conversation has a memory of its own.
	Users identity.UserSource
}

// Options are for the life of a filter. The zero value works.
type Options struct {
	// Evicted tells which messages of a request context will leave out of what is sent, by their index, the first ones first; chains are
	// identity's. Nil: none.
	Evicted func(tenant, session string, chains []uint64) []memory.Evicted
	// Embedder embeds an exchange's question as a call of its own; nil, or a nil result: the engine's own.
	Embedder func(x *filters.Exchange) memory.Embedder
	// Replay bounds the reading of a session's notes, which are mostly in memory; 0: 250 ms. It is ten times what asking for new ones may
	// take, as a request without the notes that stand in it costs the conversation its prompt cache.
	Replay time.Duration
	// Sessions is how many conversations it is remembered of how far they were learned, the one not used for longest going first;
	// 0: 4096. Of others the whole history is given to the engine once more.
	Sessions int
}

// A Filter is safe for concurrent use and lives as long as the process.
type Filter struct {
	engine   Engine
	opt      Options
	settings atomic.Pointer[Settings]
	sessions *lru.Cache[record.Scope, *session]
	streams  sync.Pool
	failures atomic.Int64
}

var _ filters.Filter = (*Filter)(nil)

// New makes a filter over an engine. Until Configure is called it does nothing.
func New(engine Engine, opt Options) *Filter {
	if opt.Sessions <= 0 {
		opt.Sessions = 4096
	}
	if opt.Replay <= 0 {
		opt.Replay = 10 * memory.DefaultDeadline
	}
	f := &Filter{engine: engine, opt: opt}
	f.sessions, _ = lru.New[record.Scope, *session](opt.Sessions) // fails for sizes below 1 only
	f.streams.New = func() any { return new(stream) }
	return f
}

// Configure puts settings in force for exchanges that begin from now on.
func (f *Filter) Configure(s Settings) { f.settings.Store(&s) }

// Name returns "recall".
func (f *Filter) Name() string { return Name }

// Failures is how many requests went out without what memory should have added, because something failed inside.
func (f *Filter) Failures() int64 { return f.failures.Load() }

// Open puts notes into the request. It refuses nothing.
func (f *Filter) Open(ctx context.Context, x *filters.Exchange) (filters.Stream, error) {
	c := f.settings.Load()
	if c == nil || !talks(x) {
		return nil, nil
	}
	if err := x.RunLater(); err != nil { // whose conversation it is
		x.Trail.Append(Name, "identity_failed", filters.Attr{Key: "error", Value: err.Error()})
	}
	scope, ok := scopeOf(c, x)
	if !ok {
		return nil, nil
	}
	s := f.streams.Get().(*stream)
	s.f, s.x, s.scope, s.mode = f, x, scope, c.Mode
	s.off = bytes.EqualFold(x.Fields.Get(header), []byte("off"))
	s.answer.reset(x.Route.Dialect)
	s.open(ctx)
	return s, nil
}

// talks reports whether the exchange belongs to a conversation whose messages can be read.
func talks(x *filters.Exchange) bool {
	switch x.Route.Dialect {
	case wire.Chat, wire.Responses, wire.Messages:
		return x.View != nil && x.Route.Op == wire.Generate && len(x.View.Msgs) > 0
	}
	return false
}

// scopeOf says whose memory the exchange has. It has none when nobody knows which conversation it belongs to, because a note could not
// be replayed in its next request, and when it is a side call.
func scopeOf(c *Settings, x *filters.Exchange) (s record.Scope, ok bool) {
	id := &x.Identity
	if id.Tenant == "" || id.Session == "" || id.Side || id.Twin {
		return s, false
	}
	s = record.Scope{Tenant: id.Tenant, Agent: id.Agent, Session: id.Session}
	if c.Users.Set() {
		s.User = c.Users.Of(x)
	}
	if s.User == "" && id.User != "" {
		s.Session = id.User + " " + id.Session // one name of a session, asserted by two users, is two sessions; names have no space
	}
	return s, s.Valid()
}

// SessionOf is the name that identity gave to the session of a scope.
func SessionOf(s record.Scope) string {
	return s.Session[strings.LastIndexByte(s.Session, ' ')+1:]
}

// rescue turns a panic inside into a request without what was under way. To be deferred.
func (s *stream) rescue(what string) {
	if v := recover(); v != nil {
		s.failed = true
		s.f.failures.Add(1)
		slog.Error("memory: a defect", "id", s.x.ID, "in", what, "panic", v, "stack", string(debug.Stack()))
	}
}
