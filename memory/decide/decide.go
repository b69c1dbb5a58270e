package decide

import (
	"strings"
	"time"

	"github.com/trapgate/trapgate/memory/record"
)

// A Message is what somebody said, or what a tool returned.
type Message struct {
	Role    record.Role
	Speaker string // the speaker's own name, where messages carry one
	Text    string
	At      time.Time // when it was said, in the speaker's time zone: relative dates count from its calendar day
	// Document says that the text is a pasted document, whoever sent it. The output of tools is always one.
	Document bool
}

// A Decision is what is to be done about a Message. Its strings may share the memory of the message's text.
type Decision struct {
	Episodes []Episode // what to keep: one for a usual message, bounded pieces of a huge one, none if Dropped
	Dropped  Reason    // why there is no episode
	Facts    []Fact    // in order of the text
	Forget   []string  // what the user asked to forget, each as a query
	Remember bool      // the user asked to remember this
	Redacted int       // secrets that were cut out
}

// An Episode is a piece of text to keep as it was said.
type Episode struct {
	Text  string
	Times []record.Interval // what its dates mean, in order of the text
}

// A Fact is a statement about its Subject: "user" "lives_in" "Berlin". A Fact of a Single predicate supersedes those of the same
// subject and predicate; one that Closes ends the facts of its subject and predicate (those with its Object, if it has one) and
// puts nothing in their place. Where the Predicate of one that Closes is Any, it ends every fact of its subject whose object has
// the words of its Object: after "we switched from MySQL to Postgres" nothing of the project's is MySQL. If it has With as well
// ("it's Friday, not Thursday"), that takes the place of the Object in the one fact of its subject or of the project's that has it;
// where none has it, or several, nothing is to be done.
type Fact struct {
	Subject, Predicate, Object string
	With                       string
	Single, Closes             bool
	Class                      Class
	Quote                      string    // the sentence that says it, or of one that says several things the part, verbatim
	From, To                   time.Time // when it holds in the world; From is never zero, a zero To is open
	Importance                 float32   // 0 to 1
}

// A Reason says why a message is not kept. They are written in metrics and logs.
type Reason string

// The reasons.
const (
	Kept       Reason = ""
	Empty      Reason = "empty"       // nothing was left, or there was nothing
	Ack        Reason = "ack"         // "ok, thanks"
	Short      Reason = "short"       // too few words to say anything
	Error      Reason = "error"       // error boilerplate, refusals
	SecretOnly Reason = "secret-only" // nothing but secrets
	Noise      Reason = "noise"       // encoded or binary data
	OwnNote    Reason = "own-note"    // nothing but our own notes
	Forgotten  Reason = "forget"      // nothing but a request to forget; Decision.Forget says what
	Scaffold   Reason = "scaffold"    // written by an agent's program, not by its user
)

// A Class is what sort of statement a fact is.
type Class string

// The classes.
const (
	Identity   Class = "identity"
	Preference Class = "preference"
	Settled    Class = "decision"
	Deadline   Class = "deadline"
	Correction Class = "correction"
	Told       Class = "told" // "remember that ..."
)

// Options change how a Decider works. The zero Options are the defaults.
type Options struct {
	// Piece and Document bound what is kept of a document: characters of a piece, and bytes altogether. 0: 1200 and 8192.
	Piece, Document int
	// Look bounds how many bytes of a message are looked at: half at its beginning, half at its end. 0: 32 KiB.
	Look int
}

// A Decider decides. It is safe for concurrent use.
type Decider struct{ opt Options }

// New returns a Decider. It is cheap: what the rules need is loaded by the first Decide.
func New(opt Options) *Decider {
	if opt.Piece <= 0 {
		opt.Piece = 1200
	}
	if opt.Document <= 0 {
		opt.Document = 8 << 10
	}
	if opt.Look <= 0 {
		opt.Look = 32 << 10
	}
	return &Decider{opt: opt}
}

// Decide says what is to be remembered of a message. It takes time in proportion to Options.Look at most.
func (d *Decider) Decide(m *Message) Decision {
	if strings.TrimSpace(m.Text) == "" {
		return Decision{Dropped: Empty}
	}
	text := StripNotes(m.Text)
	if strings.TrimSpace(text) == "" {
		return Decision{Dropped: OwnNote}
	}
	document := m.Document || m.Role == record.Tool
	if m.Role == record.User && !document {
		if text = stripScaffold(text); strings.TrimSpace(text) == "" {
			return Decision{Dropped: Scaffold}
		}
	}
	text, redacted := redact(bound(text, d.opt.Look))
	text = strings.TrimSpace(text)
	if document {
		return d.document(text, m.At, redacted)
	}
	toks := tokenize(make([]token, 0, len(text)/5+8), text, 0, len(text))
	times := findTimes(toks, m.At)
	r := reader{m: m, text: text, all: toks, out: Decision{Redacted: redacted}}
	if m.Role == record.User && len(text) > 0 {
		r.lex = facts()
		r.read(times)
	}
	if len(r.cut) > 0 {
		if text = r.left(); text == "" {
			r.out.Dropped = Forgotten
			return r.out
		}
		times = findTimes(tokenize(nil, text, 0, len(text)), m.At)
	}
	if !r.out.Remember && len(r.out.Facts) == 0 {
		if r.out.Dropped = worthless(text, redacted > 0); r.out.Dropped != Kept {
			return r.out
		}
	}
	r.out.Episodes = d.episodes(text, times)
	return r.out
}
