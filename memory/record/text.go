package record

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"

	"github.com/zeebo/xxh3"
)

// Canonical is a text without what does not change what it says: case, and runs of white space.
func Canonical(text string) string { return strings.ToLower(strings.Join(strings.Fields(text), " ")) }

// TextKey is the hash of the canonical text. It may be stored.
func TextKey(text string) uint64 { return xxh3.HashString(Canonical(text)) }

// EpisodeID names what was said in a session by what it says: a message that an agent sends again, or that was first seen as an
// answer, is the same episode.
func EpisodeID(s Scope, role Role, text string) ID {
	return derive("episode", s, []byte{byte(role)}, Canonical(text))
}

// FactID names a fact by its statement and its source.
func FactID(s Scope, source ID, subject, predicate, object string) ID {
	return derive("fact", s, source[:], subject+"\x00"+predicate+"\x00"+Canonical(object))
}

// AgainID names the record that says again what a closed one said, because its end was a mistake.
func AgainID(closed ID) ID { return derive("again", Scope{}, closed[:], "") }

func derive(kind string, s Scope, more []byte, text string) (id ID) {
	h := sha256.New()
	for _, part := range [...]string{kind, s.Tenant, s.User, s.Session, string(more), text} {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write([]byte(part))
	}
	copy(id[:], h.Sum(nil))
	return id
}
