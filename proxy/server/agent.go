package server

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/trapgate/trapgate/internal/head"
)

// A Killer ends an upstream connection at once, from any goroutine, without closing its descriptor.
type Killer = interface{ Kill() }

// An Agent is the agent's side of one exchange: its request, its leaving, and the answer to it. It is a context.Context that
// ends when the agent leaves, the server gives up draining, or the exchange is over.
type Agent struct {
	Method string
	Target string      // the raw request target, query included
	Fields head.Fields // header lines as they came; alias the connection's buffer until the exchange is over
	Host   string
	HTTP10 bool
	Start  time.Time // when the head had been read

	conn    *agentConn
	ctx     *fasthttp.RequestCtx
	server  *Server
	body    *[]byte // from the pool, when read
	read    bool    // the whole of it
	chunked bool
	answer  answer

	mu    sync.Mutex
	cause error
	up    Killer
	done  chan struct{}
	over  bool
	after []*func()      // what AfterFunc was given
	ends  sync.WaitGroup // those under way
}

// Remote returns the agent's address.
func (a *Agent) Remote() string {
	if a.conn.remote == "" {
		a.conn.remote = a.conn.RemoteAddr().String()
	}
	return a.conn.remote
}

// Length returns the length of the request body in bytes: -1 when it is chunked.
func (a *Agent) Length() int { return max(a.ctx.Request.Header.ContentLength(), -1) }

// Chunked reports whether the agent sent its body in chunks.
func (a *Agent) Chunked() bool { return a.chunked }

// ErrBodyTooLarge says that a body is over the limit of ReadBody.
var ErrBodyTooLarge = errors.New("server: request body too large")

// ReadBody reads the whole body, at most limit bytes. The bytes belong to the exchange and are reused when it is over.
func (a *Agent) ReadBody(limit int) ([]byte, error) {
	n := a.Length()
	if n > limit {
		return nil, ErrBodyTooLarge
	}
	r := a.Body()
	if r == nil {
		return nil, nil
	}
	a.body = acquireBody(max(n, 0))
	buf := (*a.body)[:0]
	defer func() { *a.body = buf }()
	for {
		if len(buf) == cap(buf) {
			if n >= 0 && len(buf) == n {
				return buf, nil
			}
			if len(buf) > limit {
				return nil, ErrBodyTooLarge
			}
			grown := make([]byte, len(buf), 2*cap(buf)+8192)
			copy(grown, buf)
			buf = grown
		}
		m, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+m]
		if n >= 0 && len(buf) >= n || errors.Is(err, io.EOF) {
			a.read = true
			if len(buf) > limit {
				return nil, ErrBodyTooLarge
			}
			if n >= 0 && len(buf) < n {
				return nil, io.ErrUnexpectedEOF
			}
			return buf, nil
		}
		if err != nil {
			return nil, err
		}
		if len(buf) > limit {
			return nil, ErrBodyTooLarge
		}
	}
}

// Body returns the request body as a stream, or nil when there is none. What is not read of it cuts the connection after the
// answer.
func (a *Agent) Body() io.Reader {
	if n := a.Length(); n == 0 {
		return nil
	}
	r := a.ctx.RequestBodyStream()
	if r == nil {
		return nil
	}
	return bodyReader{r, a}
}

// StopReading makes a Read of the body return at once with an error, from any goroutine.
func (a *Agent) StopReading() { a.conn.raw.SetReadDeadline(past) }

// bodyReader bounds the wait for each piece of a body.
type bodyReader struct {
	r io.Reader
	a *Agent
}

func (b bodyReader) Read(p []byte) (int, error) {
	b.a.conn.SetReadDeadline(time.Now().Add(b.a.server.opts.Idle))
	return b.r.Read(p)
}

// Attach names the upstream connection that works for this agent; it is killed when the agent leaves. It reports false when
// the agent has gone already.
func (a *Agent) Attach(k Killer) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cause != nil {
		return false
	}
	a.up = k
	return true
}

// Detach ends Attach. It reports false when the upstream connection has been killed.
func (a *Agent) Detach() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.up = nil
	return a.cause == nil
}

// Gone reports whether the agent has left, or the server gave it up.
func (a *Agent) Gone() bool { return a.Err() != nil }

func (a *Agent) leave(cause error) {
	a.mu.Lock()
	if a.over || a.cause != nil {
		a.mu.Unlock()
		return
	}
	a.cause = cause
	up := a.up
	a.up = nil
	if a.done != nil {
		close(a.done)
	}
	ended := a.ended()
	a.mu.Unlock()
	ended()
	if up != nil {
		up.Kill()
	}
}

// Done implements context.Context. The channel is made only when somebody waits.
func (a *Agent) Done() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done == nil {
		a.done = make(chan struct{})
		if a.cause != nil || a.over {
			close(a.done)
		}
	}
	return a.done
}

// Err implements context.Context: context.Canceled once the agent has gone or the exchange is over.
func (a *Agent) Err() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cause != nil || a.over {
		return context.Canceled
	}
	return nil
}

// Cause says why the context ended: ErrGone, ErrShutdown, or nil.
func (a *Agent) Cause() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cause
}

// AfterFunc is what package context asks for when a context is made from the agent (see context.AfterFunc). Without it each of those has a
// goroutine that waits for Done and asks for Err afterwards, which may be when the connection's next exchange has begun and there is
// none: package context panics then. All of f has run when the exchange is over.
func (a *Agent) AfterFunc(f func()) (stop func() bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cause != nil || a.over {
		a.ends.Go(f) // the caller may hold what f wants
		return func() bool { return false }
	}
	p := &f
	a.after = append(a.after, p)
	return func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		i := slices.Index(a.after, p)
		if i < 0 {
			return false
		}
		a.after = slices.Delete(a.after, i, i+1)
		return true
	}
}

// ended takes what AfterFunc was given; the result runs it. Held: mu, but not by the result.
func (a *Agent) ended() func() {
	all := a.after
	if a.after = nil; len(all) == 0 {
		return func() {}
	}
	a.ends.Add(1)
	return func() {
		defer a.ends.Done()
		for _, f := range all {
			(*f)()
		}
	}
}

// Deadline implements context.Context.
func (a *Agent) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value implements context.Context.
func (a *Agent) Value(any) any { return nil }

// finish ends the exchange: whatever was not finished cuts the connection.
func (a *Agent) finish() {
	a.mu.Lock()
	a.over = true
	a.up = nil
	if a.done != nil && a.cause == nil {
		close(a.done)
	}
	ended := a.ended()
	a.mu.Unlock()
	ended()
	a.ends.Wait()
	a.conn.mu.Lock()
	a.conn.current = nil
	a.conn.mu.Unlock()
	a.answer.flush(a.conn)
	if !a.answer.complete || a.answer.close || !a.drainBody() {
		a.ctx.SetConnectionClose()
	}
	a.ReleaseBody()
}

// drainBody reads what the handler left of the request, a little of it: the next request starts behind it.
func (a *Agent) drainBody() bool {
	r := a.ctx.RequestBodyStream()
	if r == nil || a.read || a.Length() == 0 {
		return true
	}
	if a.conn.isGone() {
		return false
	}
	a.conn.SetReadDeadline(time.Now().Add(time.Second))
	n, err := io.CopyN(io.Discard, r, 256<<10)
	return n < 256<<10 && errors.Is(err, io.EOF)
}

// ReleaseBody gives the bytes of ReadBody back; nothing may use them after that.
func (a *Agent) ReleaseBody() {
	if a.body != nil {
		releaseBody(a.body)
		a.body = nil
	}
}

// CloseAfter closes the connection when the exchange is over.
func (a *Agent) CloseAfter() { a.answer.close = true }

func newAgent(s *Server, c *agentConn, ctx *fasthttp.RequestCtx) (*Agent, error) {
	h := &ctx.Request.Header
	a := &c.agent
	a.reset()
	a.Method, a.Target, a.HTTP10, a.Start = method(h.Method()), string(h.RequestURI()), !h.IsHTTP11(), ctx.Time()
	if host := h.Host(); a.Host != string(host) {
		a.Host = string(host)
	}
	a.conn, a.ctx, a.server = c, ctx, s
	fields, err := head.Parse(c.fields[:0], h.RawHeaders())
	a.Fields, c.fields = fields, fields
	if err == nil {
		err = a.frame()
	}
	a.absolute()
	a.answer.headOnly = h.IsHead()
	a.answer.http10 = a.HTTP10
	a.answer.close = err != nil || a.HTTP10 || fields.Connection(closeOption)
	return a, err
}

// reset makes an Agent ready for the connection's next exchange. It stays one object for a connection: a late leave then
// hits an exchange whose agent has indeed gone.
func (a *Agent) reset() {
	a.mu.Lock()
	a.cause, a.up, a.done, a.over = nil, nil, nil, false
	a.mu.Unlock()
	a.body, a.read, a.chunked, a.answer = nil, false, false, answer{}
}

var closeOption = []byte("close")

// errLengths says that parsers could disagree about where the request ends, which is how requests are smuggled.
var errLengths = errors.New("server: ambiguous request length")

// frame reads the lines that delimit the body (RFC 9112, section 6.1).
func (a *Agent) frame() error {
	sized := false
	for _, f := range a.Fields {
		switch {
		case head.Is(f.Name, "content-length"):
			sized = true
		case head.Is(f.Name, "transfer-encoding"):
			if a.chunked || !head.Is(f.Value, "chunked") {
				return errLengths
			}
			a.chunked = true
		}
	}
	if sized && a.chunked {
		return errLengths
	}
	return nil
}

// absolute turns an absolute-form target, as sent to proxies, into Host and origin form: its authority counts for more than
// the Host line (RFC 9112, section 3.2.2).
func (a *Agent) absolute() {
	scheme, rest, ok := strings.Cut(a.Target, "://")
	if !ok || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return
	}
	i := strings.IndexAny(rest, "/?#")
	if i < 0 {
		a.Host, a.Target = rest, "/"
		return
	}
	a.Host, a.Target = rest[:i], rest[i:]
	if a.Target[0] != '/' {
		a.Target = "/" + a.Target
	}
}

// method avoids an allocation for the methods that agents use.
func method(b []byte) string {
	switch string(b) {
	case "POST":
		return "POST"
	case "GET":
		return "GET"
	}
	return string(b)
}
