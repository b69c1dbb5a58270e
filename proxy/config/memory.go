package config

import (
	"crypto/x509"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/trapgate/trapgate/filters/identity"
	"github.com/trapgate/trapgate/memory"
	"github.com/trapgate/trapgate/memory/store"
)

// A Memory is what the memory section says, ready for the engine. It is immutable and safe for concurrent use. A change of Engine
// and Users may be put in force while calls run.
type Memory struct {
	Engine memory.Config
	Users  identity.UserSource // not Set: memory is of conversations alone
	OSUser bool                // Users is the user of the operating system, because nothing else was said
	Qdrant *Qdrant             // nil: kept in the data directory
	Embed  *Embed              // nil: only words are compared
}

// A Qdrant is a server that memory is kept on.
type Qdrant struct {
	Address    string // HOST:PORT
	TLS        bool
	RootCAs    *x509.CertPool // nil: the system's
	APIKey     Secret
	Collection string
	Timeout    time.Duration
	ca         string // the file
}

func (q *Qdrant) same(o *Qdrant) bool {
	if q == nil || o == nil {
		return q == o
	}
	return q.Address == o.Address && q.TLS == o.TLS && q.ca == o.ca && q.APIKey.Reveal() == o.APIKey.Reveal() &&
		q.Collection == o.Collection && q.Timeout == o.Timeout
}

// String names the server without its key, "sqlite" for nil.
func (q *Qdrant) String() string {
	if q == nil {
		return "sqlite"
	}
	return "qdrant at " + q.Address + ", collection " + q.Collection
}

// An Embed says who turns texts into vectors.
type Embed struct{ Upstream, Model string }

// String names it, "off" for nil.
func (e *Embed) String() string {
	if e == nil {
		return "off"
	}
	return e.Model + " at " + e.Upstream
}

// What is kept by default.
const (
	defaultSpaceCap  = 100_000
	defaultTenantCap = 1_000_000
	defaultBytesCap  = 4 << 30
	minBytesCap      = 1 << 20
	maxBytesCap      = 1 << 44
)

// memory checks the memory section and makes the engine's configuration of it.
func (b *builder) memory() {
	c, src := b.cfg.Memory, source{key: "memory"}
	mode := ""
	if b.resolve {
		mode = b.flags.Memory
	}
	if c == nil {
		if mode == "" || mode == "off" || !b.ok("memory") {
			return
		}
		c, src = &MemoryConfig{}, source{"--memory", true}
	}
	m := &Memory{}
	m.Engine.Inject = b.inject(&c.Inject)
	m.Engine.TTL = c.TTL.ttl()
	m.Engine.Caps = b.caps(&c.Caps)
	if x := c.Extract; x != nil {
		m.Engine.Extract = memory.Extract{
			Model: x.Model, MaxTokens: or(x.MaxTokens, memory.DefaultExtract), Every: or(x.Every, memory.DefaultEvery),
		}
	}
	b.memoryStore(m, c)
	b.users(m, &c.Scope)
	b.embed(m, c.Embed)
	m.Engine.Mode = modes[orText(mode, orText(c.Mode, "on"))]
	switch {
	case !b.resolve || b.snap.Data != "":
	case m.Engine.Mode == memory.Off:
		return // nor was anything ever told
	default:
		b.problem(src, "set data, or $"+EnvData, "needs a directory to keep in what is remembered, and none is known")
	}
	b.snap.Memory = m
}

// modes by their names. One that is no mode is a problem already.
var modes = map[string]memory.Mode{"on": memory.On, "observe": memory.Observe, "off": memory.Off}

func (b *builder) inject(c *InjectConfig) memory.Inject {
	in := memory.Inject{
		Tokens: or(c.Tokens, memory.DefaultTokens), SessionTokens: or(c.SessionTokens, memory.DefaultSessionTokens),
	}
	key := "memory.inject.session_tokens"
	if c.SessionTokens == nil {
		key = "memory.inject.tokens"
	}
	if in.SessionTokens < in.Tokens && b.ok("memory.inject.tokens") {
		b.wrong(key, "session_tokens must be at least tokens", "one note of %d tokens is more than the %d that a conversation may have",
			in.Tokens, in.SessionTokens)
	}
	return in
}

func (c *TTLConfig) ttl() memory.TTL {
	of := func(l *Lifetime) time.Duration {
		if l != nil && *l == never {
			return memory.Never
		}
		return time.Duration(or(l, 0)) // 0: the engine's default
	}
	return memory.TTL{Episode: of(c.Episode), Document: of(c.Document), Fact: of(c.Fact), Decision: of(c.Decision), Deadline: of(c.Deadline)}
}

func (b *builder) caps(c *CapsConfig) store.Caps {
	return store.Caps{
		Space: or(c.Space, defaultSpaceCap), Tenant: or(c.Tenant, defaultTenantCap),
		Bytes: b.size("memory.caps.bytes", c.Bytes, defaultBytesCap, minBytesCap, maxBytesCap),
	}
}

// memoryStore takes over where memory is kept.
func (b *builder) memoryStore(m *Memory, c *MemoryConfig) {
	const key = "memory.qdrant"
	q := c.Qdrant
	switch {
	case !b.ok("memory.store") || !b.ok(key):
		return
	case c.Store != "qdrant" && q == nil:
		return
	case c.Store != "qdrant":
		b.wrong(key, "write store: qdrant, or remove it", "stands here, but memory is kept in sqlite")
		return
	case q == nil:
		b.wrong("memory.store", "qdrant: {address: HOST:6334}", "needs the section qdrant")
		return
	}
	m.Qdrant = &Qdrant{
		Address: b.qdrantAddress(key+".address", q.Address), TLS: q.TLS || q.CA != "", ca: q.CA,
		Collection: orText(q.Collection, "trapgate_memory"), Timeout: b.time(key+".timeout", q.Timeout, 5*time.Second),
	}
	if !validName(m.Qdrant.Collection) {
		b.wrong(key+".collection", "", "must be 1 to 64 letters, digits, '.', '_' or '-' (got %q)", shorten(m.Qdrant.Collection))
	}
	if q.CA != "" {
		if data := b.pem(key+".ca", q.CA); data != nil {
			m.Qdrant.RootCAs = x509.NewCertPool()
			if !m.Qdrant.RootCAs.AppendCertsFromPEM(data) {
				b.wrong(key+".ca", "", "file holds no PEM certificate")
			}
		}
	}
	if q.APIKey != nil {
		m.Qdrant.APIKey = b.secret(key+".api_key", q.APIKey)
		host, _, _ := net.SplitHostPort(m.Qdrant.Address)
		if !m.Qdrant.TLS && m.Qdrant.Address != "" && !loopbackHost(host) {
			b.wrong(key+".api_key", "write tls: true", "would cross the network in plain text")
		}
	}
}

// qdrantPort is where a Qdrant server speaks gRPC.
const qdrantPort = "6334"

func (b *builder) qdrantAddress(key, text string) string {
	if !b.ok(key) {
		return ""
	}
	const hint = "write HOST:6334; tls: true is what https:// would say"
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.Trim(text, "[]"), qdrantPort
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > 65535 || host == "" || strings.ContainsAny(host, "/@ ?#") ||
		strings.Contains(host, ":") && net.ParseIP(host) == nil {
		b.wrong(key, hint, "must be HOST:PORT (got %q)", shorten(text))
		return ""
	}
	return net.JoinHostPort(host, port)
}

// users settles who the user of a request is.
func (b *builder) users(m *Memory, c *ScopeConfig) {
	const key = "memory.scope.user"
	u := c.User
	switch {
	case u == nil && b.resolve && b.flags.User != "":
		m.Users, m.OSUser = identity.UserSource{Name: b.flags.User}, true
		return
	case u == nil || !b.ok(key) || !b.ok(key+".header") || !b.ok(key+".field") || !b.ok(key+".name"):
		return
	case u.Header != "" && !headerName(u.Header):
		b.wrong(key+".header", "", "must be the name of a header (got %q)", shorten(u.Header))
	case contains(credentialHeaders, strings.ToLower(u.Header)) || contains(secretHeaders, strings.ToLower(u.Header)):
		b.wrong(key+".header", "name one that says who the user is, such as x-user-id",
			"carries a credential, which would be kept and shown as the user's name (got %q)", shorten(u.Header))
	case u.Field != "" && u.Field != "user":
		b.wrong(key+".field", "", "must be user, the one field that all dialects have (got %q)", shorten(u.Field))
	case len(u.Name) > maxUserName:
		b.wrong(key+".name", "", "is longer than %d bytes", maxUserName)
	}
	m.Users = identity.UserSource{Header: u.Header, Field: u.Field != "", Name: u.Name}
}

const maxUserName = 128

// secretHeaders carry credentials too, besides those of upstreams.
var secretHeaders = []string{"proxy-authorization", "cookie"}

// embed checks that the upstream can be called without an agent's credential.
func (b *builder) embed(m *Memory, c *EmbedConfig) {
	const key = "memory.embed"
	if c == nil || !b.ok(key) || !b.ok(key+".upstream") || !b.ok(key+".model") {
		return
	}
	if c.Model == "" {
		b.wrong(key+".model", "", "is empty")
	}
	var names []string
	var found *Upstream
	for _, u := range b.snap.Upstreams {
		names = append(names, u.Name)
		if u.Name == c.Upstream {
			found = u
		}
	}
	switch {
	case found == nil:
		hint := "list it under upstreams"
		if near := nearest(c.Upstream, names); near != "" {
			hint = "did you mean " + near + "?"
		}
		b.wrong(key+".upstream", hint, "is no upstream (got %q)", shorten(c.Upstream))
	case found.Credential == CredentialAgent:
		b.wrong(key+".upstream", "give it an api_key, or credential: none",
			"is called in the background, where no agent's credential may go (upstream %s)", found.Name)
	}
	m.Embed = &Embed{c.Upstream, c.Model}
}

// remembered is the memory section that this process took up first, whose store and vectors it keeps.
func (s *Snapshot) remembered() *Memory {
	if s.Memory != nil {
		return s.Memory
	}
	return s.memories
}

// keepMemory carries over what of memory cannot change without a restart.
func (s *Snapshot) keepMemory(old *Snapshot, warn func(string, any)) {
	was := old.remembered()
	s.memories = was
	m := s.Memory
	if was == nil || m == nil {
		return
	}
	if !m.Qdrant.same(was.Qdrant) {
		warn("memory.store", was.Qdrant)
		m.Qdrant = was.Qdrant
	}
	if (m.Embed == nil) != (was.Embed == nil) || m.Embed != nil && *m.Embed != *was.Embed {
		warn("memory.embed", was.Embed)
		m.Embed = was.Embed
	}
}

// ParseLifetime reads a time as ParseDuration does, in days too ("90d"), or never. It must not be zero.
func ParseLifetime(text string) (Lifetime, error) {
	if text == "never" {
		return never, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 1 || n > maxDays {
			return 0, fmt.Errorf("must be from 1d to %dd, or never", maxDays)
		}
		return Lifetime(time.Duration(n) * 24 * time.Hour), nil
	}
	d, err := ParseDuration(text)
	if err == nil && time.Duration(d) < time.Second {
		err = fmt.Errorf("must be at least 1s")
	}
	return Lifetime(d), err
}

const maxDays = 36_500

// String returns the notation that ParseLifetime reads.
func (l Lifetime) String() string {
	const day = Lifetime(24 * time.Hour)
	switch {
	case l == never:
		return "never"
	case l > 0 && l%day == 0:
		return fmt.Sprintf("%dd", l/day)
	}
	return Duration(l).String()
}
