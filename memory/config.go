package memory

import (
	"context"
	"log/slog"
	"time"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A Mode says what the engine does.
type Mode uint8

const (
	On      Mode = iota // learns, and tells
	Observe             // learns; what it would tell is measured and not told
	Off                 // neither; notes that stand are still replayed, so that a conversation keeps its bytes
)

// Defaults of a Config and of Options.
const (
	DefaultTokens        = 800
	DefaultSessionTokens = 4000
	DefaultExtract       = 1000 // tokens of a model's answer, where one is asked
	DefaultEvery         = 1000
	DefaultDeadline      = 25 * time.Millisecond
	Never                = time.Duration(-1) // as a time to live

	day = 24 * time.Hour
)

// A Config is one immutable configuration. Zero fields mean their defaults.
type Config struct {
	Mode   Mode
	Inject Inject
	TTL    TTL
	Caps   store.Caps // Now is filled in by the engine; Notes 0: 90 days
	// Extract has a model look for facts beside the rules.
	Extract Extract
}

// Extract bounds what models are asked. Zero: none is.
type Extract struct {
	Model     string // who is asked; "": the model of the conversation
	MaxTokens int    // of an answer; 0: no model is asked
	// Every is after how many tokens of what a user has said, in one conversation, one is; 0: 1000. A call has twice as much, or 1000, and
	// a message more, at most.
	Every int
}

// Inject bounds notes, in tokens.
type Inject struct {
	Tokens        int // of one exchange; 0: 800
	SessionTokens int // of a conversation; 0: 4000. From there on only what supersedes something told in it enters
}

// TTL is how long records live from when they were said, by what they are. Being recalled prolongs nothing. Never: for ever.
type TTL struct {
	Episode  time.Duration // what was said; 0: 90 days
	Document time.Duration // tool output and documents; 0: 7 days
	Fact     time.Duration // who the user is and what they prefer, and what somebody asked to remember; 0: never
	Decision time.Duration // what was decided; 0: 365 days
	Deadline time.Duration // counted from its date; 0: 7 days
}

func (c Config) withDefaults() Config {
	fill := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	if c.Inject.Tokens == 0 {
		c.Inject.Tokens = DefaultTokens
	}
	if c.Inject.SessionTokens == 0 {
		c.Inject.SessionTokens = DefaultSessionTokens
	}
	if c.Extract.Every <= 0 {
		c.Extract.Every = DefaultEvery
	}
	fill(&c.TTL.Episode, 90*day)
	fill(&c.TTL.Document, 7*day)
	fill(&c.TTL.Fact, Never)
	fill(&c.TTL.Decision, 365*day)
	fill(&c.TTL.Deadline, 7*day)
	fill(&c.Caps.Notes, 90*day)
	return c
}

// Options are what an engine keeps across configurations.
type Options struct {
	Store store.Store // the caller's: Close does not close it
	Log   *slog.Logger
	Now   func() time.Time
	// Count counts a text's tokens, in the path: a microsecond for each hundred bytes is too slow. Nil: a quarter of its bytes.
	Count func(text string) int
	// Deadline is the most that Recall takes in all; 0: 25 ms.
	Deadline time.Duration
	Embed    Embedder // nil: only words are compared
	// Forgotten tells others that keep copies of what was forgotten (notes in epochs, offloaded contents), also where no record of it
	// was found: they may keep more than memory does. words are those that say what, when it was asked for by words; nil: it was not.
	// Its error is Forget's, with the receipt.
	Forgotten func(ctx context.Context, tenant string, r store.Receipt, words []string) error
	// Took is called with how long a recall, a learn (in the path) and a commit took; nil: nobody asks.
	Took func(what Timed, d time.Duration)
	// Shared says that other processes write notes to the same store: notes are read from it each time, and written before they are
	// told. Otherwise they are cached, and written a moment after.
	Shared bool

	// Idle is how long a conversation rests before a model is asked about less than Extract.Every; 0: two minutes.
	Idle time.Duration

	QueueTurns int // turns that may wait to be learned; 0: 1024
	QueueBytes int // their bytes; 0: 16 MiB
	Sessions   int // conversations whose notes are cached, the one not used for longest going first; 0: 4096
}

// Timed is what Options.Took is told of.
type Timed uint8

const (
	TimedRecall Timed = iota
	TimedLearn
	TimedCommit
)

// An Embedder turns texts into vectors of unit length, one for each text, in their order. It is safe for concurrent use and ends
// when its context does. Tenant says for whom it works, who pays.
type Embedder interface {
	Embed(ctx context.Context, tenant string, texts []string) ([][]float32, error)
	Model() string // vectors of different models are never compared
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Count == nil {
		o.Count = func(text string) int { return (len(text) + 3) / 4 }
	}
	if o.Deadline == 0 {
		o.Deadline = DefaultDeadline
	}
	if o.Forgotten == nil {
		o.Forgotten = func(context.Context, string, store.Receipt, []string) error { return nil }
	}
	if o.Took == nil {
		o.Took = func(Timed, time.Duration) {}
	}
	if o.Idle == 0 {
		o.Idle = extractIdle
	}
	fill := func(n *int, to int) {
		if *n == 0 {
			*n = to
		}
	}
	fill(&o.QueueTurns, 1024)
	fill(&o.QueueBytes, 16<<20)
	fill(&o.Sessions, 4096)
	return o
}

// A Message is one message of a conversation, without notes.
type Message struct {
	Role     record.Role
	Name     string // of the speaker, when the message carries one
	Text     string // borrowed: what is kept is copied
	Chain    uint64 // the agent's prefix chain after it; 0: not known, as for an answer that was just given
	Seq      int64  // its place in the conversation, counted from 0
	At       time.Time
	Document bool   // tool output or a document: low trust, its own session only, never a fact
	Handle   string // under which context keeps the same text; "" for none

	old bool // it came with a history: who knows when it was said
}

// A Turn is what an exchange added to a conversation. Messages that were learned before, by their chain or by their text, are left
// out, so more of the history may be given than is new; system text may not.
type Turn struct {
	Scope    record.Scope
	Messages []Message // in their order. At zero: now
	Imported bool      // not captured from a request
	// Unlearned messages are not kept, nor when they come again as history: whoever said them wanted no memory of it. In every Mode.
	Unlearned bool
}
