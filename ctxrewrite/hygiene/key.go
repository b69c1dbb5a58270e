package hygiene

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"

	"github.com/trapgate/trapgate/internal/wire"
)

// addKey adds prompt_cache_key, by which a provider sends the requests of one conversation to the machine that has its prefix.
func addKey(r *Request) bool {
	v := r.View
	if r.Session == "" || v.Dialect != wire.Chat && v.Dialect != wire.Responses || !v.CacheKey.Empty() || !knowsKey(r.Profile.Name) {
		return false
	}
	const name = `"prompt_cache_key"` // the agent may have sent null
	h := v.History
	if h.Empty() || bytes.Contains(v.Body[v.Root.Start:h.Start], []byte(name)) || bytes.Contains(v.Body[h.End:v.Root.End], []byte(name)) {
		return false
	}
	at := v.Root.Start + 1
	if !r.freeAt(at) {
		return false
	}
	r.Out.Insert(at, []byte(name+`:"`+sessionHash(r.Tenant, r.Session)+`",`))
	return true
}

// knowsKey tells the providers whose own hosts take the member; others may refuse what they do not know.
func knowsKey(profile string) bool {
	first, _, _ := strings.Cut(profile, "+")
	return first == "openai" || first == "azure" || first == "mistral"
}

// sessionHash names a session to a provider and tells nothing about it. 32 characters: OpenAI takes 64 at most.
func sessionHash(tenant, session string) string {
	b := append(make([]byte, 0, 128), "prompt_cache_key"...)
	b = binary.AppendUvarint(b, uint64(len(tenant)))
	sum := sha256.Sum256(append(append(b, tenant...), session...))
	return hex.EncodeToString(sum[:16])
}
