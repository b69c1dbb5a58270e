package upstream

import (
	"io"
	"strconv"

	"github.com/trapgate/trapgate/internal/head"
	"github.com/trapgate/trapgate/proxy/config"
)

// A Request is what one try sends. Nothing of it is kept after Do has returned, except Stream.
type Request struct {
	Method string
	Target string      // the agent's request target; the upstream's own is made of it
	Fields head.Fields // the agent's header lines
	Body   []byte      // the whole body, or
	Stream io.Reader   // a body that nobody reads
	// Length of Stream in bytes, -1 when it is chunked.
	Length int
	// Chunked says that the agent sent its body in chunks: it leaves so again, and the header lines stay as they were.
	Chunked bool
	// Traceparent replaces the agent's value in place; Inject adds the line when the agent sent none. Empty: left alone.
	Traceparent []byte
	Inject      bool
	// Messages says that a key of ours is sent as Anthropic's API takes it.
	Messages  bool
	Upgrade   bool   // a WebSocket handshake: Connection and Upgrade are passed on
	Sent      func() // runs once the request is on its way, while the upstream works; may be nil
	Interrupt func() // makes a Read of Stream return at once, from any goroutine; set with Stream
}

// appendHead writes the request head: the agent's lines in their order, hop-by-hop ones apart, with what belongs to this
// hop replaced in place.
func (r *Request) appendHead(b []byte, up *config.Upstream) []byte {
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = append(b, up.Target(r.Target)...)
	b = append(b, " HTTP/1.1\r\n"...)
	var sentHost, sentKey, sentTrace, sentLength bool
	nominates := !r.Upgrade && r.Fields.Nominates()
	for _, f := range r.Fields {
		value := f.Value
		switch k := kindOf(f.Name); k {
		case keep:
			if nominates && r.Fields.Connection(f.Name) {
				continue
			}
		case drop:
			if !r.Upgrade || !head.Is(f.Name, "upgrade") {
				continue
			}
		case connection:
			if !r.Upgrade {
				value = keepAlive
			}
		case host:
			if sentHost {
				continue
			}
			sentHost = true
			b = appendText(b, f.Name, up.Host)
			continue
		case credential:
			if up.Credential == config.CredentialAgent {
				break
			}
			if up.Credential == config.CredentialKey && !sentKey {
				b = r.appendKey(b, up, f.Name)
				sentKey = true
			}
			continue
		case encoding:
			value = identity
		case length:
			if r.Chunked {
				continue
			}
			// The agent's line stays when it is still true.
			if r.Stream == nil {
				sentLength = true
				b = append(append(b, f.Name...), ": "...)
				b = append(strconv.AppendInt(b, int64(len(r.Body)), 10), "\r\n"...)
				continue
			}
			sentLength = true
		case transfer:
			if !r.Chunked {
				continue
			}
			value = chunked
			sentLength = true
		case trace:
			sentTrace = true
			if len(r.Traceparent) > 0 {
				value = r.Traceparent
			}
		}
		if overridden(up, f.Name) {
			continue
		}
		b = appendField(b, f.Name, value)
	}
	if !sentHost {
		b = appendText(b, []byte("Host"), up.Host)
	}
	if up.Credential == config.CredentialKey && !sentKey {
		b = r.appendKey(b, up, nil)
	}
	if r.Inject && !sentTrace && len(r.Traceparent) > 0 {
		b = appendField(b, []byte("traceparent"), r.Traceparent)
	}
	if !sentLength && len(r.Body) > 0 {
		b = append(b, "Content-Length: "...)
		b = append(strconv.AppendInt(b, int64(len(r.Body)), 10), "\r\n"...)
	}
	for i := range up.Headers {
		b = appendText(b, []byte(up.Headers[i].Name), up.Headers[i].Value.Reveal())
	}
	return append(b, "\r\n"...)
}

// appendKey writes our key in the form in which the agent wrote its own, else as the dialect's API takes it.
func (r *Request) appendKey(b []byte, up *config.Upstream, name []byte) []byte {
	key := up.APIKey.Reveal()
	switch {
	case name == nil && r.Messages:
		return appendText(b, []byte("x-api-key"), key)
	case name == nil:
		return appendText(b, []byte("Authorization"), "Bearer "+key)
	case head.Is(name, "authorization"):
		return appendText(b, name, "Bearer "+key)
	}
	return appendText(b, name, key)
}

func appendField(b, name, value []byte) []byte {
	return append(append(append(append(b, name...), ": "...), value...), "\r\n"...)
}

func appendText(b, name []byte, value string) []byte {
	return append(append(append(append(b, name...), ": "...), value...), "\r\n"...)
}

func overridden(up *config.Upstream, name []byte) bool {
	for i := range up.Headers {
		if head.Same(name, up.Headers[i].Name) {
			return true
		}
	}
	return false
}

var (
	keepAlive = []byte("keep-alive")
	identity  = []byte("identity")
	chunked   = []byte("chunked")
)

// kind says what a request header line means to a proxy.
type kind uint8

const (
	keep kind = iota
	drop
	connection
	host
	credential
	encoding
	length
	transfer
	trace
)

// kindOf finds the kind by length and first letter before it compares.
func kindOf(name []byte) kind {
	if len(name) == 0 {
		return drop
	}
	is := func(s string) bool { return head.Is(name, s) }
	switch name[0] | 0x20 {
	case 'a':
		switch {
		case is("authorization"), is("api-key"):
			return credential
		case is("accept-encoding"):
			return encoding
		}
	case 'c':
		switch {
		case is("connection"):
			return connection
		case is("content-length"):
			return length
		}
	case 'h':
		if is("host") {
			return host
		}
	case 'k':
		if is("keep-alive") {
			return drop
		}
	case 'p':
		if is("proxy-authorization") || is("proxy-connection") {
			return drop
		}
	case 't':
		switch {
		case is("te"), is("trailer"):
			return drop
		case is("transfer-encoding"):
			return transfer
		case is("traceparent"):
			return trace
		}
	case 'u':
		if is("upgrade") {
			return drop
		}
	case 'x':
		if is("x-api-key") {
			return credential
		}
		if len(name) >= 11 && head.Is(name[:11], "x-trapgate-") {
			return drop
		}
	}
	return keep
}
