package hygiene

import (
	"sync"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/internal/wire"
)

// Settings say what is done. The zero value changes no byte and reports volatile lines.
type Settings struct {
	CacheKey    bool
	Breakpoints bool
	Volatile    Volatile
}

// Volatile says what is done with a line of the system prompt that changes between requests.
type Volatile uint8

const (
	VolatileReport Volatile = iota
	VolatileMove            // to the end of the newest message
	VolatileOff
)

// Options are what a Hygiene is made with.
type Options struct {
	Sessions int   // remembered in memory, the one not used for longest going first; 0: 2048
	Notes    Notes // what a later process finds again; nil: it begins anew
}

// A Hygiene serves many conversations. It is safe for concurrent use.
type Hygiene struct {
	sessions *lru.Cache[sessionKey, *session]
	mu       sync.Mutex // of adding a session, and to known
	known    *lru.Cache[knownKey, []int32]
	scans    sync.Pool
	counts   counts
	notes    Notes
}

type sessionKey struct{ tenant, session string }

// A knownKey names all sessions of an agent whose masked system text is the same.
type knownKey struct {
	tenant, agent string
	masked        uint64
}

// New makes a Hygiene that has seen nothing.
func New(opt Options) *Hygiene {
	if opt.Sessions <= 0 {
		opt.Sessions = 2048
	}
	h := &Hygiene{notes: opt.Notes}
	h.sessions, _ = lru.New[sessionKey, *session](opt.Sessions) // fails for sizes below 1 only
	h.known, _ = lru.New[knownKey, []int32](1024)
	h.scans.New = func() any { return new(scan) }
	return h
}

// A Request is one attempt's request. Everything is borrowed while Fix runs, but for what is added to Out.
type Request struct {
	View           *wire.View
	Exchange, Call *wire.Edits // read only: what is edited already, in coordinates of View.Body; nil for none
	Out            *wire.Edits // the edits of Fix are added to it: none of them overlaps one of Call, Exchange or Out

	Tenant, Session, Agent string // Session "": nothing is remembered, as it cannot be told whose it is
	Model                  string
	Profile                *history.Profile
	Tokens                 int // of the request as the agent sent it; 0: not known, a fourth of its bytes is taken
	Settings               Settings
	Observe                bool // no byte is changed; volatile lines are reported
}

// A Report says what Fix found and did. The zero value: nothing.
type Report struct {
	Volatile []int  // lines of the system text, from 1, that are not what they were in the session's request before
	Cost     int    // tokens that could not be read from the cache for that
	Moved    bool   // the volatile lines stand at the tail
	Why      string // they should, and why they do not
	Marks    int    // breakpoints added
	Key      bool   // prompt_cache_key added
}

// Counts are what was found and done since the start, by requests.
type Counts struct {
	Volatile int64 // with a line that had changed
	Cost     int64 // tokens, not requests: what could not be read from the cache for that
	Moved    int64 // with volatile lines moved to the tail
	Marks    int64 // breakpoints added, not requests
	Keys     int64 // with a prompt_cache_key added
}

type counts struct{ volatile, cost, moved, marks, keys atomic.Int64 }

// Counts reads them; each for itself.
func (h *Hygiene) Counts() Counts {
	c := &h.counts
	return Counts{c.volatile.Load(), c.cost.Load(), c.moved.Load(), c.marks.Load(), c.keys.Load()}
}

// Fix adds the edits that the settings ask for. A responses request that goes on from state at the provider is left alone: what
// stands before it cannot be seen.
func (h *Hygiene) Fix(r *Request) (rep Report) {
	v := r.View
	if !v.PreviousID.Empty() || !v.Conversation.Empty() {
		return rep
	}
	if r.Settings.Volatile != VolatileOff && r.Session != "" {
		h.volatile(r, &rep)
	}
	if !r.Observe {
		if r.Settings.CacheKey {
			rep.Key = addKey(r)
		}
		if r.Settings.Breakpoints && v.Dialect == wire.Messages {
			rep.Marks = addMarks(r)
		}
	}
	h.counts.add(&rep)
	return rep
}

func (c *counts) add(rep *Report) {
	if len(rep.Volatile) > 0 {
		c.volatile.Add(1)
		c.cost.Add(int64(rep.Cost))
	}
	if rep.Moved {
		c.moved.Add(1)
	}
	if rep.Marks > 0 {
		c.marks.Add(int64(rep.Marks))
	}
	if rep.Key {
		c.keys.Add(1)
	}
}

// free reports whether nothing else edits a span, or inside it.
func (r *Request) free(at wire.Span) bool {
	ok := true
	for _, e := range [...]*wire.Edits{r.Exchange, r.Call, r.Out} {
		if e.Len() == 0 {
			continue
		}
		e.All(func(by wire.Span, _ []byte) {
			if by.Start < at.End && at.Start < by.End {
				ok = false
			}
		})
	}
	return ok
}

// freeAt reports whether a text can be inserted before a byte: nothing replaces bytes on both sides of it.
func (r *Request) freeAt(at int32) bool { return r.free(wire.Span{Start: at, End: at}) }
