package config

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"time"

	"github.com/trapgate/trapgate/internal/wire"
)

// A Snapshot is the configuration that holds: file, environment and command line resolved, defaults filled in, globs
// compiled, secrets read. It is immutable and safe for concurrent use; so are the Upstreams it points to.
type Snapshot struct {
	File       string // the configuration file, "" without one
	Generation int    // 1 for the first snapshot of a Watcher, then counting

	Listen  Addr             // where agents call
	Admin   Addr             // the zero Addr: no admin listener
	Data    string           // the state directory, absolute; it need not exist. "": there is none, since no home is known
	TLS     *tls.Certificate // nil: plain HTTP
	Hosts   []string         // configured Host globs, lower case; see AllowHost
	Origins []string         // configured origins, lower case; see AllowOrigin

	Upstreams []*Upstream // in file order
	Schedule  *Schedule   // nil: no queue, no budget
	Context   *Context    // nil: requests go out as they come
	Memory    *Memory     // nil: nothing is learned, nothing told
	Limits    Limits
	Telemetry Telemetry
	Insecure  bool

	Warnings Problems // what may be a slip, but holds

	routing   routing
	auth      *authTable
	watch     []string // files whose change asks for a reload
	hosts     globs
	marks     marks
	scheduled *Schedule      // of an earlier snapshot; who shares outlives a section that goes and comes back
	rewrites  *SharedContext // the same of context, where it is decided when the process starts
	memories  *Memory        // the same of memory
}

// An Addr is a place to listen on or to dial.
type Addr struct {
	Network string // "tcp" or "unix"; "" for none
	Address string // "host:port", or the socket's path
}

// IsZero reports whether there is no address.
func (a Addr) IsZero() bool { return a.Network == "" }

// String returns the form that the configuration uses.
func (a Addr) String() string {
	switch a.Network {
	case "":
		return "off"
	case "unix":
		return "unix:" + a.Address
	}
	return a.Address
}

// Limits bounds sizes (bytes), numbers and times. All are set.
type Limits struct {
	Body        int64         // request bodies that are read
	Headers     int           // request heads
	Connections int           // of agents
	Write       time.Duration // for one write to an agent
	Idle        time.Duration // of an agent's unused connection; to receive a request
	StreamIdle  time.Duration // between chunks of a response; Upstream.StreamIdle is what to use for one upstream
	Drain       time.Duration // for running exchanges at shutdown
	Retries     int           // in one exchange, in all
	RetryTotal  time.Duration // back-off in one exchange, in all
	Retry500    bool          // retry after a plain 500 too
}

// Telemetry says what is logged and recorded.
type Telemetry struct {
	Content      bool // prompts and answers in spans
	LogLevel     slog.Level
	LogJSON      bool
	LogExchanges bool
}

// A Credential says what an upstream is sent in place of the agent's Authorization, x-api-key and api-key.
type Credential uint8

const (
	// CredentialAgent sends the agent's own credential, untouched.
	CredentialAgent Credential = iota
	// CredentialKey sends Upstream.APIKey and removes the agent's.
	CredentialKey
	// CredentialNone removes the agent's and sends none.
	CredentialNone
)

// String returns the name used in logs.
func (c Credential) String() string { return [...]string{"agent", "key", "none"}[c] }

// A Header is a line to set on requests to an upstream, in place of the agent's of that name.
type Header struct {
	Name  string // as written in the file
	Value Secret
}

// An Upstream is one model API. Immutable; compare by pointer within a snapshot, by Name across snapshots.
type Upstream struct {
	Name       string
	Index      int    // in Snapshot.Upstreams
	BaseURL    string // without a slash at the end
	Network    string // "tcp" or "unix"
	Address    string // to dial: "host:port" or the socket's path
	Host       string // the Host header and TLS server name's source: host[:port] as written
	ServerName string // for TLS, the host without port; "" without TLS
	UseTLS     bool
	BasePath   string // the path of BaseURL, "" or "/..." without a slash at the end

	Credential Credential
	APIKey     Secret // set with CredentialKey
	Headers    []Header
	Proxy      ProxyURL       // URL() is nil when it is reached directly
	RootCAs    *x509.CertPool // nil: the system's

	ConnectTimeout  time.Duration
	ResponseTimeout time.Duration // to the head of the response
	StreamIdle      time.Duration // between chunks
	IdleConn        time.Duration // of a pooled connection

	Dialects    [3]bool // chat, responses, messages; see Speaks
	UnaryStream bool    // calls that do not stream are sent as streams

	models  globs // nil: all
	renames []rename
	exact   map[string]string
	src     source
}

// Candidates returns the upstreams for a call, as groups in the order in which they are tried; the members of a group are
// balanced. The result is shared and must not be changed. It is empty when nobody serves that dialect and model. For
// wire.Completions and wire.Embeddings the upstreams of chat are asked first, then those of responses; for wire.Other those of
// messages too.
func (s *Snapshot) Candidates(d wire.Dialect, model string) [][]*Upstream {
	return s.routing.candidates(d, model)
}
