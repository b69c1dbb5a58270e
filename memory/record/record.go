package record

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"strings"
	"time"
)

// An ID names a record within its tenant. The zero ID names none.
type ID [16]byte

const idPrefix = "mem_"

var idText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewID returns a random ID, for what has no identity of its own.
func NewID() (id ID) {
	_, _ = rand.Read(id[:]) // never fails
	return id
}

// String is the form that people and files see: mem_ and 26 letters and digits.
func (id ID) String() string { return idPrefix + idText.EncodeToString(id[:]) }

// ErrID is returned for a text that is no ID.
var ErrID = errors.New("not the id of a memory: it has the form mem_ and 26 letters and digits")

// ParseID reads what String wrote.
func ParseID(text string) (id ID, err error) {
	b, err := idText.DecodeString(strings.TrimPrefix(text, idPrefix))
	if err != nil || len(b) != len(id) || ID(b).String() != text {
		return ID{}, ErrID
	}
	return ID(b), nil
}

// MarshalText and UnmarshalText are String and ParseID, so that JSON shows what people see.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

func (id *ID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseID(string(b))
	return err
}

// A Kind is what a record is. Kinds are stored: their numbers never change.
type Kind uint8

const (
	Episode Kind = 1 // something that was said or read, verbatim
	Fact    Kind = 2 // a statement that holds from one time to another
)

func (k Kind) String() string {
	switch k {
	case Episode:
		return "episode"
	case Fact:
		return "fact"
	}
	return "unknown"
}

// A Role says who spoke. Roles are stored.
type Role uint8

const (
	User      Role = 1
	Assistant Role = 2
	Tool      Role = 3 // the output of a tool, or a document
)

func (r Role) String() string {
	switch r {
	case User:
		return "user"
	case Assistant:
		return "assistant"
	case Tool:
		return "tool"
	}
	return "unknown"
}

// Trust says how far a text is believed. Levels are stored.
type Trust uint8

const (
	Low    Trust = 1 // from tools and documents: seen by its own session only, never the source of a fact
	Middle Trust = 2 // the model's own words
	High   Trust = 3 // the user's words, or an operator's
)

// An Origin says how a record came to be. Origins are stored.
type Origin uint8

const (
	Captured  Origin = 1 // a message as it passed
	Ruled     Origin = 2 // a fact found by rules
	Extracted Origin = 3 // a fact found by a model; Text quotes its source
	Told      Origin = 4 // remembered because somebody said so, by command or by message
	Imported  Origin = 5
)

// A Record is one memory. Those that a store returns are shared and must not be changed.
type Record struct {
	ID      ID
	Scope   Scope
	Private bool // only its own session sees it
	Kind    Kind
	Role    Role
	Origin  Origin
	Trust   Trust
	Speaker string // the speaker's own name, when messages carry one
	Text    string // of an episode what was said; of a fact the sentence of the user that says it, verbatim
	Handle  string // the handle under which context keeps the same text, "" for none

	// Of a fact: "user" "lives_in" "Berlin". A fact of a Single predicate supersedes the one before it.
	Subject, Predicate, Object string
	Single                     bool

	Seq  int64     // the message's place in its session: neighbours are next to each other
	Said time.Time // when it was said
	// From and To are when a fact holds in the world. The zero To: it still does. For an episode, the zero time.
	From, To time.Time
	// Created and Closed are when we learned of it, and of its end. The zero Closed: it is current.
	Created, Closed time.Time
	Expires         time.Time  // zero: never
	Times           []Interval // what its relative dates mean, in order of the text
	Sources         []ID       // episodes that a fact stands on
	SupersededBy    ID

	Importance float32 // 0 to 1: what survives when there is too much
	Uses       int32   // how often it was injected
	Used       time.Time
	Text64     uint64    // hash of the canonical text: TextKey
	Sim        uint64    // SimHash of the text
	Vector     []float32 // unit length; nil: not embedded
	Model      string    // that made Vector
}

// An Interval is a span of days or hours that a text speaks of: [From, To).
type Interval struct{ From, To time.Time }

// Current reports whether a record may be told as true at a time: not closed, not expired, and within its validity.
func (r *Record) Current(now time.Time) bool {
	return r.Closed.IsZero() && !r.Expired(now) && (r.To.IsZero() || now.Before(r.To))
}

// Expired reports whether the record's time to live is over.
func (r *Record) Expired(now time.Time) bool { return !r.Expires.IsZero() && !now.Before(r.Expires) }
