package qdrant

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"

	pb "github.com/qdrant/go-client/qdrant"

	"github.com/trapgate/trapgate/memory/record"
)

// A pointID is the UUID of a point.
type pointID string

func (id pointID) proto() *pb.PointId { return pb.NewIDUUID(string(id)) }

// name makes the ID of a point of what it is of. Parts are told apart by their lengths.
func name(key []byte, parts ...string) pointID {
	h := sha256.New()
	if key != nil {
		h = hmac.New(sha256.New, key)
	}
	for _, part := range parts {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write([]byte(part))
	}
	x := hex.EncodeToString(h.Sum(nil)[:16])
	return pointID(x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:])
}

// recordPoint is where a record stands. An ID is one of its tenant.
func recordPoint(tenant string, id record.ID) pointID {
	return name(nil, "record", tenant, string(id[:]))
}

func notePoint(s record.Scope, chain uint64) pointID {
	return name(nil, "note", s.Tenant, s.User, s.Session, string(binary.LittleEndian.AppendUint64(nil, chain)))
}

// tombOfID and tombOfText are where tombstones stand.
func (s *Store) tombOfID(tenant string, id record.ID) pointID {
	return name(s.o.Key, "tomb of id", tenant, string(id[:]))
}

// tombOfText is where the tombstone of a text stands for a user and a session; everyone is for all of them.
func (s *Store) tombOfText(tenant, user, session string, key uint64) pointID {
	return name(s.o.Key, "tomb of text", tenant, user, session, string(binary.LittleEndian.AppendUint64(nil, key)))
}

// everyone stands for all users, or all sessions; exactly marks one, so that none has that name.
const everyone = "*"

func exactly(name string) string { return "=" + name }

// tombsOfText are the tombstones that keep a scope from learning a text again.
func (s *Store) tombsOfText(scope record.Scope, key uint64) (ids []pointID) {
	for _, user := range [...]string{everyone, exactly(scope.User)} {
		for _, session := range [...]string{everyone, exactly(scope.Session)} {
			ids = append(ids, s.tombOfText(scope.Tenant, user, session, key))
		}
	}
	return ids
}

// tombInSpace is the tombstone of a text for all of a space.
func (s *Store) tombInSpace(space record.Space, key uint64) pointID {
	if space.User != "" {
		return s.tombOfText(space.Tenant, exactly(space.User), everyone, key)
	}
	return s.tombOfText(space.Tenant, exactly(""), exactly(space.Session), key)
}

// spaceName is what points of a space have in common. It is a hash, because parts of a space may hold anything.
func spaceName(s record.Space) string { return string(name(nil, "space", s.Tenant, s.User, s.Session)) }

func orderOf(id record.ID) int64 { return int64(binary.BigEndian.Uint64(id[:8]) >> 11) }

const rawMark = "\x00base64:"

// word makes a string fit for a payload, which holds only UTF-8: what is not is encoded, so that nothing is lost.
func word(s string) string {
	if utf8.ValidString(s) && !strings.HasPrefix(s, rawMark) {
		return s
	}
	return rawMark + base64.StdEncoding.EncodeToString([]byte(s))
}

func unword(s string) string {
	rest, encoded := strings.CutPrefix(s, rawMark)
	if !encoded {
		return s
	}
	b, err := base64.StdEncoding.DecodeString(rest)
	if err != nil {
		return s
	}
	return string(b)
}

// timeForm has a fixed width; milliseconds are what a store keeps.
const timeForm = "2006-01-02T15:04:05.000Z"

// A payload is what a point says. Zero values are left out, but for what order and equality ask for.
type payload map[string]*pb.Value

func (p payload) str(field, s string) {
	if s != "" {
		p[field] = pb.NewValueString(word(s))
	}
}

func (p payload) int(field string, n int64) {
	if n != 0 {
		p[field] = pb.NewValueInt(n)
	}
}

func (p payload) time(field string, t time.Time) {
	if !t.IsZero() {
		p[field] = instant(t)
	}
}

func (p payload) ids(field string, ids []record.ID) {
	if len(ids) > 0 {
		list := make([]*pb.Value, len(ids))
		for i, id := range ids {
			list[i] = pb.NewValueString(id.String())
		}
		p[field] = pb.NewValueFromList(list...)
	}
}

func (p payload) ints(field string, of []int64) {
	list := make([]*pb.Value, len(of))
	for i, n := range of {
		list[i] = pb.NewValueInt(n)
	}
	p[field] = pb.NewValueFromList(list...)
}

func instant(t time.Time) *pb.Value { return pb.NewValueString(t.UTC().Format(timeForm)) }

func (p payload) getStr(field string) string { return unword(p[field].GetStringValue()) }

func (p payload) getInt(field string) int64 { return p[field].GetIntegerValue() }

func (p payload) getTime(field string) time.Time { return timeOf(p[field]) }

func timeOf(v *pb.Value) (t time.Time) {
	if text := v.GetStringValue(); text != "" {
		t, _ = time.Parse(time.RFC3339Nano, text)
	}
	return t
}

func (p payload) getID(field string) record.ID {
	id, _ := record.ParseID(p[field].GetStringValue())
	return id
}

func (p payload) getIDs(field string) (ids []record.ID) {
	for _, v := range p[field].GetListValue().GetValues() {
		if id, err := record.ParseID(v.GetStringValue()); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}
