package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/tidwall/gjson"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/proxy/config"
	"github.com/trapgate/trapgate/proxy/upstream"
)

// maxIDs is how many ids are remembered, the latest.
const maxIDs = 100_000

// ownership knows which tenant made a response, file or container, and at which upstream. With a key of ours the upstream
// would show any of them to anybody; so it is asked for them only on behalf of who made them.
type ownership struct {
	ids *lru.Cache[string, owned]
}

type owned struct{ tenant, upstream string }

func newOwnership() *ownership {
	ids, err := lru.New[string, owned](maxIDs)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &ownership{ids}
}

func (o *ownership) put(id, tenant, upstream string) {
	if len(id) <= 256 {
		o.ids.Add(strings.Clone(id), owned{tenant, upstream})
	}
}

// owner is the tenant an id is bound to: who presented which key, or nobody in particular.
func (e *exchange) owner() string { return e.x.AuthName }

// madeBy returns the upstream that made a response, if that is known and it is still configured.
func (e *exchange) madeBy(id string) *upstream.Upstream {
	o, ok := e.p.ids.ids.Get(id)
	if !ok || o.tenant != e.owner() {
		return nil
	}
	return e.rt.upstreams.Named(o.upstream)
}

// mayUse reports whether the tenant may name an id at an upstream. With the agent's own credential the upstream decides; with
// ours the id must have been made by this tenant, unless there is no auth and so only one.
func (e *exchange) mayUse(id string) bool {
	if !e.rt.config.HasAuth() {
		return true
	}
	o, ok := e.p.ids.ids.Get(id)
	return ok && o.tenant == e.owner()
}

// checkIDs refuses a request that names what another tenant made.
func (e *exchange) checkIDs() *filters.Reply {
	v := e.x.View
	if v == nil || !e.rt.config.HasAuth() || !e.ourKey() {
		return nil
	}
	if !v.PreviousID.Empty() {
		if id := v.PreviousResponse(); id != "" && !e.mayUse(id) {
			return unknownID("response", id)
		}
	}
	return e.foreignIDs()
}

// foreignIDs refuses a body that names what another tenant made.
func (e *exchange) foreignIDs() *filters.Reply {
	body := plainASCII(e.body)
	for _, key := range [...]string{"file_id", "file_ids", "container", "container_id", "conversation", "vector_store_ids"} {
		if id := e.foreign(key, body); id != "" {
			return unknownID(key, id)
		}
	}
	return nil
}

// foreign finds an id under a key, anywhere in the body, that the tenant may not use. Other services' ids appear under such
// keys too (a tool may take a file_id), so an unknown one counts only when it looks like a model API's.
func (e *exchange) foreign(key string, body []byte) string {
	quoted := []byte(`"` + key + `"`)
	for rest := body; ; {
		i := bytes.Index(rest, quoted)
		if i < 0 {
			return ""
		}
		rest = bytes.TrimLeft(rest[i+len(quoted):], " \t\r\n")
		if len(rest) == 0 || rest[0] != ':' {
			continue
		}
		for _, id := range idsIn(valueAt(rest[1:])) {
			_, known := e.p.ids.ids.Get(id)
			if (known || providerID(id)) && !e.mayUse(id) {
				return id
			}
		}
	}
}

// valueAt reads the one JSON value that b begins with; b itself may go on for megabytes.
func valueAt(b []byte) gjson.Result {
	b = bytes.TrimLeft(b, " \t\r\n")
	if len(b) == 0 {
		return gjson.Result{}
	}
	end := len(b)
	switch b[0] {
	case '"':
		for i := 1; i < len(b); i++ {
			if b[i] == '\\' {
				i++
			} else if b[i] == '"' {
				end = i + 1
				break
			}
		}
	case '[', '{':
		depth, quoted := 0, false
		for i := 0; i < len(b); i++ {
			switch c := b[i]; {
			case quoted && c == '\\':
				i++
			case c == '"':
				quoted = !quoted
			case quoted:
			case c == '[' || c == '{':
				depth++
			case c == ']' || c == '}':
				if depth--; depth == 0 {
					end = i + 1
				}
			}
			if end != len(b) {
				break
			}
		}
	default:
		return gjson.Result{} // null, a number, a truth value: no id
	}
	return gjson.ParseBytes(b[:end])
}

func providerID(id string) bool {
	for _, p := range [...]string{"file-", "file_", "cntr_", "container_", "conv_", "resp_", "batch_", "msgbatch_", "vs_", "upload_"} {
		if strings.HasPrefix(id, p) {
			return true
		}
	}
	return false
}

// plainASCII spells escaped ASCII letters out, so that a key cannot hide: "file\u005fid" is "file_id".
func plainASCII(body []byte) []byte {
	if !bytes.Contains(body, []byte(`\u00`)) {
		return body
	}
	out := make([]byte, 0, len(body))
	for i := 0; i < len(body); i++ {
		if body[i] == '\\' && i+5 < len(body) && body[i+1] == 'u' && body[i+2] == '0' && body[i+3] == '0' {
			if n, err := strconv.ParseUint(string(body[i+4:i+6]), 16, 8); err == nil && n >= ' ' && n < 0x7f && n != '"' && n != '\\' {
				out = append(out, byte(n))
				i += 5
				continue
			}
		}
		out = append(out, body[i])
		if body[i] == '\\' && i+1 < len(body) {
			i++
			out = append(out, body[i])
		}
	}
	return out
}

// idsIn lists the ids in a value: a string, a list of them, or an object with an id.
func idsIn(v gjson.Result) []string {
	switch {
	case v.Type == gjson.String && v.Str != "":
		return []string{v.Str}
	case v.IsArray():
		var ids []string
		for _, el := range v.Array() {
			ids = append(ids, idsIn(el)...)
		}
		return ids
	case v.IsObject():
		return idsIn(v.Get("id"))
	}
	return nil
}

// ourKey reports whether any upstream of the dialect is called with a key of ours.
func (e *exchange) ourKey() bool {
	for _, u := range e.rt.config.Upstreams {
		if u.Credential != config.CredentialAgent && (e.x.Route.Dialect == wire.Other || u.Speaks(e.x.Route.Dialect)) {
			return true
		}
	}
	return false
}

func unknownID(what, id string) *filters.Reply {
	return &filters.Reply{Status: 404, Code: "unknown_id", NoRetry: true, Message: fmt.Sprintf("%s %.100q was not made with this key: use ids that this key's requests returned", what, id)}
}
