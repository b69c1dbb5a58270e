package config

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/trapgate/trapgate/internal/wire"
)

// The upstreams that hold without a file.
const (
	defaultOpenAI    = "https://api.openai.com/v1"
	defaultAnthropic = "https://api.anthropic.com"
)

const (
	defaultConnect  = 10 * time.Second
	defaultResponse = 10 * time.Minute
	defaultIdleConn = 4 * time.Second
)

var dialectNames = [...]string{"chat", "responses", "messages"}

// slot is the place of a dialect in Upstream.Dialects; false for those that have none of their own.
func slot(d wire.Dialect) (int, bool) {
	switch d {
	case wire.Chat:
		return 0, true
	case wire.Responses:
		return 1, true
	case wire.Messages:
		return 2, true
	}
	return 0, false
}

// Speaks reports whether the upstream serves a dialect. Completions and embeddings belong to OpenAI's API, so chat or
// responses cover them; wire.Other is anybody's.
func (u *Upstream) Speaks(d wire.Dialect) bool {
	if i, ok := slot(d); ok {
		return u.Dialects[i]
	}
	return d == wire.Other || u.Dialects[0] || u.Dialects[1]
}

// Serves reports whether the upstream serves a model, by the name that the agent uses. Names that rename knows are served.
// The empty name stands for "not known" and is served by all.
func (u *Upstream) Serves(model string) bool {
	if model == "" || u.models.match(model) {
		return true
	}
	if _, ok := u.exact[model]; ok {
		return true
	}
	for i := range u.renames {
		if u.renames[i].from.match(model) {
			return true
		}
	}
	return false
}

// upstreams builds the list: the one of the command line, else those of the file, else the defaults.
func (b *builder) upstreams() {
	if text, src := b.pick(b.flags.Upstream, "upstream", EnvUpstream, "", "", ""); text != "" {
		b.defaultUpstream("upstream", text, src, true, true, true)
		return
	}
	if len(b.cfg.Upstreams) == 0 {
		b.environmentUpstreams()
		return
	}
	seen := map[string]int{}
	for i := range b.cfg.Upstreams {
		u := b.fileUpstream(i, &b.cfg.Upstreams[i])
		if first, dup := seen[u.Name]; dup && u.Name != "" {
			b.wrong(fmt.Sprintf("upstreams[%d].name", i), "", "is the same as upstreams[%d].name (%q)", first, u.Name)
		} else {
			seen[u.Name] = i
		}
	}
}

func (b *builder) environmentUpstreams() {
	one := func(name, env, byDefault string, chat, responses, messages bool) {
		text, src := byDefault, source{"upstreams", b.cfg.name == ""}
		if v := b.env.get(env); v != "" {
			text, src = v, source{"$" + env, true}
		}
		b.defaultUpstream(name, text, src, chat, responses, messages)
	}
	one("anthropic", EnvAnthropic, defaultAnthropic, false, false, true)
	one("openai", EnvOpenAI, defaultOpenAI, true, true, false)
}

// defaultUpstream adds an upstream that the file does not describe. It gets the agent's own credential.
func (b *builder) defaultUpstream(name, base string, src source, dialects ...bool) {
	u := &Upstream{Name: name, src: src, Dialects: [3]bool(dialects)}
	b.baseURL(u, base, src)
	b.times(u, src.key, &TimeoutsConfig{})
	b.proxy(u, ProxyURL{})
	b.add(u)
}

func (b *builder) add(u *Upstream) {
	u.Index = len(b.snap.Upstreams)
	b.snap.Upstreams = append(b.snap.Upstreams, u)
}

func (b *builder) fileUpstream(i int, c *UpstreamConfig) *Upstream {
	key := fmt.Sprintf("upstreams[%d]", i)
	u := &Upstream{Name: c.Name, UnaryStream: c.Unary == "stream", src: source{key: key + ".base_url"}}
	b.add(u)
	if c.Name != "" && !validName(c.Name) {
		b.wrong(key+".name", "", "must be 1 to 64 letters, digits, '.', '_' or '-' (got %q)", shorten(c.Name))
	} else if c.Name == "" {
		b.wrong(key+".name", "", "is empty")
	}
	b.baseURL(u, c.BaseURL, u.src)
	b.dialects(u, key, c.Dialects)
	u.models = b.globs(key+".models", c.Models, "absent means all")
	b.renames(u, key+".rename", c.Rename)
	b.headers(u, key+".headers", c)
	b.times(u, key+".timeouts", &c.Timeouts)
	b.proxy(u, c.Proxy)
	if c.CA != "" {
		if data := b.pem(key+".ca", c.CA); data != nil {
			u.RootCAs = x509.NewCertPool()
			if !u.RootCAs.AppendCertsFromPEM(data) {
				b.wrong(key+".ca", "", "file holds no PEM certificate")
			}
		}
	}
	if c.APIKey != nil {
		u.Credential, u.APIKey = CredentialKey, b.secret(key+".api_key", c.APIKey)
	} else if c.Credential == "none" {
		u.Credential = CredentialNone
	}
	return u
}

func validName(s string) bool {
	for _, c := range []byte(s) {
		if c != '-' && c != '_' && c != '.' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

func (b *builder) dialects(u *Upstream, key string, names []string) {
	if names == nil {
		u.Dialects = [3]bool{true, true, true}
		return
	}
	key += ".dialects"
	if len(names) == 0 {
		b.wrong(key, "absent means all", "needs at least one dialect")
	}
next:
	for i, n := range names {
		for d, known := range dialectNames {
			if n == known {
				u.Dialects[d] = true
				continue next
			}
		}
		hint := ""
		if near := nearest(n, dialectNames[:]); near != "" {
			hint = "did you mean " + near + "?"
		}
		b.wrong(fmt.Sprintf("%s[%d]", key, i), hint, "must be %s (got %q)", oneOf(dialectNames[:]), shorten(n))
	}
}

func (b *builder) globs(key string, patterns []string, hint string) globs {
	if patterns != nil && len(patterns) == 0 {
		b.wrong(key, hint, "needs at least one glob")
	}
	for i, p := range patterns {
		if p == "" {
			b.wrong(fmt.Sprintf("%s[%d]", key, i), "", "is empty")
		}
	}
	return newGlobs(patterns)
}

func (b *builder) times(u *Upstream, key string, c *TimeoutsConfig) {
	u.ConnectTimeout = b.time(key+".connect", c.Connect, defaultConnect)
	u.ResponseTimeout = b.time(key+".response", c.Response, defaultResponse)
	u.IdleConn = b.time(key+".idle", c.Idle, defaultIdleConn)
	u.StreamIdle = b.snap.Limits.StreamIdle
	if c.StreamIdle != nil {
		u.StreamIdle = b.time(key+".stream_idle", c.StreamIdle, 0)
	}
}

// headers that the configuration cannot set: they frame the message or belong to one connection.
var framing = []string{
	"host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "keep-alive",
	"proxy-connection", "proxy-authorization", "proxy-authenticate", "expect", "content-encoding", "accept-encoding", "content-type",
}

// credentialHeaders carry what credential and api_key decide about.
var credentialHeaders = []string{"authorization", "x-api-key", "api-key"}

func (b *builder) headers(u *Upstream, key string, c *UpstreamConfig) {
	seen := map[string]bool{}
	for _, h := range c.Headers {
		at, lower := key+"."+h.Name, strings.ToLower(h.Name)
		switch {
		case !headerName(h.Name):
			b.wrong(at, "", "must be a header name")
			continue
		case contains(framing, lower) || strings.HasPrefix(lower, "x-trapgate-"):
			b.wrong(at, "", "is set by trapgate itself")
			continue
		case contains(credentialHeaders, lower) && c.Credential != "none":
			b.wrong(at, "use api_key, or credential: none beside it", "would replace the upstream's credential")
			continue
		case seen[lower]:
			b.wrong(at, "", "is set twice")
			continue
		}
		seen[lower] = true
		value := h.Text
		if h.Ref != nil {
			value = b.secret(at, h.Ref)
		} else if !value.IsZero() {
			value = b.checkedSecret(at, value.Reveal())
		}
		u.Headers = append(u.Headers, Header{h.Name, value})
	}
}

func headerName(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || bytes.IndexByte([]byte(`()<>@,;:\"/[]?={}`), c) >= 0 {
			return false
		}
	}
	return s != ""
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
