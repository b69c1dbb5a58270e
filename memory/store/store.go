// Package store is what memory needs of a store: SQLite beside one sidecar (memory/sqlite), Qdrant for fleets (memory/qdrant). Both
// pass storetest.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/trapgate/trapgate/memory/record"
)

// A Store keeps records and finds them. It is safe for concurrent use. What it is given it copies or writes before it returns, but
// for records, which belong to the store from then on; what it returns is shared and must not be changed.
//
// Every method that takes a Scope shows nothing that the scope does not see (record.Scope.Sees). A scope that is not valid sees
// nothing: that is no error. Times are kept to the millisecond. What is returned has no Vector.
type Store interface {
	// Apply makes the changes, all or none, and returns once they survive the end of the process. Left out are: a record that stands
	// already under its ID; one whose tombstone stands, or that of its text in its space, or that of one of its sources; a closing by
	// a record that does not stand; a closing of what is closed already; a SupersededBy with a tombstone; and what is said of records
	// that do not stand.
	Apply(ctx context.Context, c Changes) error

	// Search returns what is most like the query, best first. It is bounded by ctx: when that ends first the error is ctx's, and
	// what it had begun to load goes on being loaded for the next search.
	Search(ctx context.Context, s record.Scope, q *Query) ([]Hit, error)
	// Near returns a current record of the kind whose SimHash differs in at most bits places from sim, if there is one.
	Near(ctx context.Context, s record.Scope, k record.Kind, sim uint64, bits int) (record.ID, bool, error)
	// Facts returns facts that are current, those of one subject and predicate where these are given; what was said last comes first.
	Facts(ctx context.Context, s record.Scope, subject, predicate string) ([]*record.Record, error)
	// Get returns those of the records that the scope sees, in any order.
	Get(ctx context.Context, s record.Scope, ids []record.ID) ([]*record.Record, error)
	// Has reports for each ID whether a record, an alias or a tombstone stands under it.
	Has(ctx context.Context, tenant string, ids []record.ID) ([]bool, error)

	// List returns records in the order of their IDs, from after the given one. It is for operators: Filter takes the place of a
	// scope.
	List(ctx context.Context, f Filter, after record.ID, limit int) ([]*record.Record, error)
	// Bare returns current records without a vector of the model, the newest first, to be embedded.
	Bare(ctx context.Context, tenant, model string, limit int) ([]*record.Record, error)

	// PutNote keeps what was put into a conversation, under the chain hash of the message that it belongs to, unless a note stands
	// there already: the first writer wins. It returns the one that stands. One that names a record with a tombstone is put empty.
	PutNote(ctx context.Context, s record.Scope, n Note) (stands Note, err error)
	// Notes returns the notes of a session, oldest first.
	Notes(ctx context.Context, s record.Scope) ([]Note, error)

	// Forget removes what matches, with a fact that is asked for by its ID what it stands on in its space (Sources), since that says
	// the same; everything that was made from it, what others say of it (SupersededBy), and the notes that name it or contain its text.
	// It leaves tombstones, so that it is not learned again from a replayed history: of its IDs and aliases in the tenant, of its texts
	// in their spaces. It returns once nothing of it can be found or read from the store's files.
	Forget(ctx context.Context, what Forget) (Receipt, error)
	// Sweep removes what has expired, and what is over the caps, the least important first.
	Sweep(ctx context.Context, caps Caps) (Swept, error)
	// Stats counts what is kept of a tenant; "" for all.
	Stats(ctx context.Context, tenant string) (Stats, error)
	Close() error
}

// Changes are what one Apply does.
type Changes struct {
	Add     []*record.Record
	Close   []Closing
	Vectors []Vector
	Used    []record.ID // were injected: Uses and Used change, and nothing that makes them live longer
	Revive  []record.ID // tombstones to lift, of the texts of those in Add too, because the user said it anew and asked to remember it
	// Bury leaves tombstones before anything else, where no record stands: of what is not to be learned from a history that comes again.
	Bury []record.ID
	// Alias says which records stand for what was merged into them, after Add.
	Alias  []Alias
	Tenant string // of all of them
	At     time.Time
}

// An Alias is an episode that was not kept because a record says nearly the same. Has knows it as long as that record stands, unless a
// record stands under its ID, and Forget leaves tombstones of it with those of the record. Left out is one of a record that does not
// stand.
type Alias struct {
	ID     record.ID // of the episode
	Text64 uint64    // record.TextKey of its text
	Of     record.ID
}

// A Closing ends a fact's validity.
type Closing struct {
	ID record.ID
	To time.Time // when it ceased to be true
	By record.ID // the fact that took its place; zero: it was taken back
}

// A Vector is what a text was embedded as.
type Vector struct {
	ID    record.ID
	Model string
	Unit  []float32
}

// A Query is a question.
type Query struct {
	Text   string
	Vector []float32 // of Text, unit length; nil: only words are compared
	Model  string    // that made Vector; vectors of others are not compared
	Now    time.Time
	Limit  int
	// Past also finds facts that are no longer current.
	Past bool
	// Skip leaves records out before they are ranked; nil: none.
	Skip func(*record.Record) bool
}

// A Hit is an answer. Score is comparable between queries: 0 is nothing in common, and a floor over it says what is worth telling.
type Hit struct {
	Record *record.Record
	Score  float32
	Legs   []Leg // what made the score, for people
}

// A Leg is one of the ways in which records are compared with a query.
type Leg struct {
	Name         string
	Value, Share float32 // what it measured; what it added to the score
}

// A Filter chooses records for operators. Empty fields choose all. Tenant "" is all tenants.
type Filter struct {
	Tenant, User, Agent, Session string
	Kind                         record.Kind
	Current                      bool // only what is current
	Origin                       record.Origin
	Since, Until                 time.Time // Said
}

// A Note is what was put into a conversation at one message.
type Note struct {
	Chain   uint64 // the chain hash of the message
	Text    string // as it stands in the request, unescaped; "" for a message that was looked at and got none
	Records []record.ID
	Tokens  int
	At      time.Time
}

// A Forget says what is to be forgotten: everything that matches all the fields that are set. Tenant is always needed, and one more.
type Forget struct {
	Filter Filter
	IDs    []record.ID
	// Texts are matched against whole texts, as record.TextKey does, and as parts of notes.
	Texts []string
	All   bool // everything of the tenant, or of the user or session in Filter, which must be set
	At    time.Time
}

// A Receipt says what was removed. Records are all, facts included.
type Receipt struct {
	Records, Facts, Notes, Vectors, Tombstones int
	IDs                                        []record.ID
	Texts                                      []string       // whole texts of what was removed; never stored or logged
	Sessions                                   []record.Scope // where it was said or shown
	Verified                                   bool           // a search for each of them found nothing
	Whole                                      bool           // all of a tenant, user or session was asked for: the first of Sessions
}

// Caps bound what is kept. Zero fields bound nothing.
type Caps struct {
	Space  int // records of a space
	Tenant int
	Bytes  int64         // of records and vectors as they are stored, of all tenants
	Notes  time.Duration // how long notes are kept since their session was used
	Now    time.Time
}

// Swept says what a sweep removed.
type Swept struct{ Expired, Capped, Notes int }

// Stats count.
type Stats struct {
	Episodes, Facts, Closed, Notes, Tombstones, Vectors int
	Spaces, Tenants                                     int
	Bytes                                               int64
	Loaded                                              int   // spaces whose index is in memory
	IndexBytes                                          int64 // of those
}

// ErrForget is returned for a Forget that says too little.
var ErrForget = errors.New("say what to forget: ids, texts, or all of a user or session, and always the tenant")
