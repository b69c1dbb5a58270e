package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// A Key names a session. Names are unique within their tenant only.
type Key struct{ Tenant, Session string }

// A Store is safe for concurrent use. What it is given it copies or writes before it returns; what it returns is the caller's.
// A session is used when something is put into it and when its epochs or notes are read.
type Store interface {
	// PutEpoch keeps the record of an epoch under the chain hash of what it covers, unless one stands there already: the first
	// writer wins. It returns the one that stands.
	PutEpoch(ctx context.Context, k Key, chain uint64, record []byte) (stands []byte, err error)
	// Epochs returns the records of a session, oldest first.
	Epochs(ctx context.Context, k Key) ([][]byte, error)
	// PutNote and Notes are the same for what else a session must find again: small records, each under a hash that names it.
	PutNote(ctx context.Context, k Key, name uint64, note []byte) (stands []byte, err error)
	Notes(ctx context.Context, k Key) ([][]byte, error)
	// PutContents keeps contents under their handles. A handle names its content by a hash, so what stands there is the same.
	// One larger than MaxContent is not kept: the error is ErrTooLarge then, and the others are kept.
	PutContents(ctx context.Context, k Key, contents []Content) error
	// Content returns a content of one of the tenant's sessions, or ErrUnknown.
	Content(ctx context.Context, tenant, handle string) (Content, error)
	// Sessions lists what is kept, the session used last first; tenant "" means all.
	Sessions(ctx context.Context, tenant string) ([]Session, error)
	// Forget removes everything of a session.
	Forget(ctx context.Context, k Key) error
	// Purge removes those records and contents of a tenant that match, which is asked about each record, and about a content's
	// arguments and body. It returns how many went. What is put meanwhile may not be asked about.
	Purge(ctx context.Context, tenant string, match func(text []byte) bool) (removed int, err error)
}

// The first byte of a note says what it is: a rule that the agent gave, a text that was cut inside, the lines of a system text that
// change, or such a line's text at the end of a message.
const (
	NotePin      = 'p'
	NoteCut      = 't'
	NoteVolatile = 'v'
	NoteStamp    = 's'
	// NoteForgotten has hashes of texts that a tenant asked to forget.
	NoteForgotten = 'f'
)

// A Content is what left a request.
type Content struct {
	Handle string
	Tool   string // whose result it is; "" for a span of messages
	Args   string
	Body   []byte // raw JSON
}

// A Session is what the store has of one.
type Session struct {
	Key
	Epochs, Contents int
	Bytes            int64 // as stored: SQLite and Redis compress contents
	Used             time.Time
}

// ErrUnknown is returned for a handle that was never stored, or is gone.
var ErrUnknown = errors.New("no content with this handle: it was never stored, or its time to live is over")

// ErrTooLarge is returned for a content that is larger than MaxContent.
var ErrTooLarge = fmt.Errorf("not kept: a content is larger than %d MiB", MaxContent>>20)

// MaxContent bounds one content: Tool, Args and Body, in bytes, before compression.
const MaxContent = 8 << 20

// Options bound a store. Zero fields mean their defaults.
type Options struct {
	TTL   time.Duration // since the session was used; 0: 7 days
	Bytes int64         // of all sessions, as stored; 0: 256 MiB (64 MiB in memory)
	Now   func() time.Time
	Log   *slog.Logger // told of damaged entries
}

// Defaults of Options.
const (
	DefaultTTL         = 7 * 24 * time.Hour
	DefaultBytes       = 256 << 20
	DefaultMemoryBytes = 64 << 20
)

func (o Options) withDefaults(bytes int64) Options {
	if o.TTL == 0 {
		o.TTL = DefaultTTL
	}
	if o.Bytes == 0 {
		o.Bytes = bytes
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// size is what a content is measured by.
func (c *Content) size() int { return len(c.Tool) + len(c.Args) + len(c.Body) }

// matches asks about what a content says.
func (c *Content) matches(match func([]byte) bool) bool {
	return match(c.Body) || match([]byte(c.Args))
}

// keepable returns the contents that are not too large, and the error for the others.
func keepable(contents []Content) (kept []Content, err error) {
	for i := range contents {
		if n := contents[i].size(); n > MaxContent {
			err = errors.Join(err, fmt.Errorf("%s, %d bytes: %w", contents[i].Handle, n, ErrTooLarge))
		} else {
			kept = append(kept, contents[i])
		}
	}
	return kept, err
}
