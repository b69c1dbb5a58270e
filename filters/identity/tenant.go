package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/head"
)

// Anonymous is the tenant of all requests without a credential.
const Anonymous = "anonymous"

// A namer makes the names of tenants that are known by their credential alone.
type namer struct {
	macs  sync.Pool
	seeds [2]maphash.Seed
	known [64]atomic.Pointer[knownName] // by the credential's hash: most requests show one of a few
}

// A knownName is the name of the tenant whose credential has that keyed hash.
type knownName struct {
	hash [2]uint64
	name string
}

func newNamer(secret []byte) *namer {
	return &namer{
		macs:  sync.Pool{New: func() any { return &mac{Hash: hmac.New(sha256.New, secret)} }},
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
	}
}

// A mac is a keyed hash with room for its sum.
type mac struct {
	hash.Hash
	sum  [sha256.Size]byte
	name [len("cred-") + 8]byte
}

// tenant names the holder of a request's credential without giving the credential away. All credentials of a request count:
// who shows another one beside is somebody else, whichever of them the upstream looks at.
func (n *namer) tenant(h *hints) string {
	var c []byte
	for _, v := range h[authorization : xAPIKey+1] {
		if v == nil {
			continue
		}
		if c != nil {
			return n.named(h)
		}
		c = v
	}
	if c == nil {
		return Anonymous
	}
	hash := [2]uint64{maphash.Bytes(n.seeds[0], c), maphash.Bytes(n.seeds[1], c)}
	slot := &n.known[hash[0]%uint64(len(n.known))]
	if k := slot.Load(); k != nil && k.hash == hash {
		return k.name
	}
	name := n.named(h)
	slot.Store(&knownName{hash, name})
	return name
}

// named makes the name.
func (n *namer) named(h *hints) string {
	m := n.macs.Get().(*mac)
	defer n.macs.Put(m)
	m.Reset()
	more := false
	for _, c := range h[authorization : xAPIKey+1] {
		if c == nil {
			continue
		}
		if more {
			m.Write(zero[:])
		}
		m.Write(c)
		more = true
	}
	sum := m.Sum(m.sum[:0])
	copy(m.name[:], "cred-")
	hex.Encode(m.name[len("cred-"):], sum[:4])
	return string(m.name[:])
}

// zero parts two credentials: no header value has it.
var zero [1]byte

// bearer returns the token of an Authorization header: of other schemes the whole value, nil when there is nothing in it.
func bearer(v []byte) []byte {
	const scheme = "bearer"
	if len(v) >= len(scheme) && head.Is(v[:len(scheme)], scheme) {
		switch rest := v[len(scheme):]; {
		case len(rest) == 0:
			return nil
		case rest[0] == ' ' || rest[0] == '\t':
			for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') {
				rest = rest[1:]
			}
			return present(rest)
		}
	}
	return present(v)
}

func present(v []byte) []byte {
	if len(v) == 0 {
		return nil
	}
	return v
}

// tenantOf is the tenant of an exchange: the key that admitted it, else the credential it shows.
func (f *Filter) tenantOf(x *filters.Exchange, h *hints) string {
	if x.AuthName != "" {
		return x.AuthName
	}
	return f.names.tenant(h)
}
