package memory

import (
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A Question asks what to tell a model at a user's message. Everything is borrowed while Recall runs.
type Question struct {
	Scope record.Scope // with a session: a note that cannot be replayed is not made
	Text  string       // of the message, without notes
	Chain uint64       // the agent's prefix chain after it
	First bool         // it is the conversation's first user message: the user's profile is told too
	// Chains are those of the messages that the model still sees, by which notes that it no longer sees are known; nil: it sees all of
	// the session's notes.
	Chains []uint64
	// Evicted are the parts of this conversation that the model no longer sees: what was said there may be told, with the part's handle.
	// All else that was said in it is visible and may not.
	Evicted []Evicted
	// Visible reports whether a text stands in the request already; nil: not known. Called for what was chosen only.
	Visible func(text string) bool
	Embed   Embedder // embeds the question, as the exchange's own call; nil: Options.Embed
}

// An Evicted is a run of messages of a conversation by their Seq, [From, To).
type Evicted struct {
	From, To int64
	Handle   string // under which context keeps them; "" for none
}

// A Recollection is the answer to a Question.
type Recollection struct {
	Note      store.Note  // to be put at the end of the message. Text "": nothing to tell
	Hits      []store.Hit // what the note tells, best first; nil when it stood already
	Found     int         // records that were found at all
	Tokens    int         // of the note
	Again     bool        // the note stood already: a retry, or a request made anew
	Observed  bool        // the note is what would be told; it was not kept and must not be put in
	Abstained bool        // something was found, and nothing was worth telling
	Late      bool        // the deadline, or a forget under way, left no time to look
	Dense     Dense
}

// Dense says what the question's embedding came to.
type Dense string

const (
	DenseUsed   Dense = ""
	DenseOff    Dense = "off"    // there is no embedder
	DenseLate   Dense = "late"   // it took too long: only words were compared
	DenseFailed Dense = "failed" // the same, for an error
)
