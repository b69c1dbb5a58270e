package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/trapgate/trapgate/internal/watch"
)

// ErrShutdown is the cause of an exchange that was cut because draining took too long.
var ErrShutdown = errors.New("server: shutting down")

// Options of a Server. The zero value of a limit means its default.
type Options struct {
	Handler      func(*Agent)                                 // runs on the connection's goroutine
	Refuse       func(a *Agent, status int, code, msg string) // answers what never becomes an exchange
	Watcher      *watch.Watcher
	TLS          *tls.Config   // nil for plain HTTP
	HeaderLimit  int           // bytes of a request head, default 64 KiB
	Connections  int           // at once, default 10,000
	Idle         time.Duration // between requests, and between pieces of a request; default 90 s
	WriteTimeout time.Duration // of one write to an agent that does not read, default 5 min
}

// A Server accepts agents. It is safe for concurrent use.
type Server struct {
	opts     Options
	watcher  *watch.Watcher
	http     fasthttp.Server
	draining atomic.Bool

	mu       sync.Mutex
	conns    map[*agentConn]struct{}
	open     map[*tunnel]struct{}
	listener *listener
	tunnels  sync.WaitGroup
}

// New returns a Server; Serve starts it.
func New(o Options) *Server {
	if o.HeaderLimit == 0 {
		o.HeaderLimit = 64 << 10
	}
	if o.Connections == 0 {
		o.Connections = 10_000
	}
	if o.Idle == 0 {
		o.Idle = 90 * time.Second
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = 5 * time.Minute
	}
	s := &Server{opts: o, watcher: o.Watcher, conns: map[*agentConn]struct{}{}, open: map[*tunnel]struct{}{}}
	s.http = fasthttp.Server{
		Handler: s.handle, ErrorHandler: s.malformed,
		ReadBufferSize: o.HeaderLimit, WriteBufferSize: 512,
		// The largest body is the handler's to decide: it reads the stream.
		StreamRequestBody: true, MaxRequestBodySize: 1 << 40, DisablePreParseMultipartForm: true,
		DisableHeaderNamesNormalizing: true, NoDefaultServerHeader: true, NoDefaultDate: true, NoDefaultContentType: true,
		ReadTimeout: o.Idle, IdleTimeout: o.Idle, Concurrency: o.Connections + 64,
		MaxIdleWorkerDuration: time.Second, Logger: quiet{}, ExpectHandler: s.mayContinue,
		SecureErrorLogMessage: true,
	}
	return s
}

// Serve accepts on l until Shutdown. It owns l.
func (s *Server) Serve(l net.Listener) error {
	own := &listener{Listener: l, s: s}
	s.mu.Lock()
	s.listener = own
	over := s.draining.Load()
	s.mu.Unlock()
	if over {
		return own.Close()
	}
	if err := s.http.Serve(own); err != nil && !s.draining.Load() {
		return fmt.Errorf("server: %w", err)
	}
	return nil
}

// Shutdown stops accepting, lets exchanges and tunnels finish until ctx ends, then cuts what is left. It returns ctx's error
// when it had to cut.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining.Store(true)
	l := s.listener
	s.mu.Unlock()
	if l != nil {
		l.Close()
	}
	// A connection that has sent nothing yet would be waited for.
	s.each(func(c *agentConn) {
		if !c.spoken.Load() {
			c.raw.SetReadDeadline(past)
		}
	})
	err := s.http.ShutdownWithContext(ctx)
	done := make(chan struct{})
	go func() { s.tunnels.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
	if ctx.Err() == nil {
		return err
	}
	s.each(func(c *agentConn) { c.leave(ErrShutdown) })
	s.mu.Lock()
	for t := range s.open {
		t.cut()
	}
	s.mu.Unlock()
	<-done
	last, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.http.ShutdownWithContext(last)
	return ctx.Err()
}

// each calls f for every connection.
func (s *Server) each(f func(*agentConn)) {
	s.mu.Lock()
	conns := make([]*agentConn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		f(c)
	}
}

// Draining reports whether Shutdown has begun.
func (s *Server) Draining() bool { return s.draining.Load() }

// Conns returns how many agents are connected.
func (s *Server) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

func (s *Server) forget(c *agentConn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	c, ok := ctx.Conn().(*agentConn)
	if !ok {
		return
	}
	c.spoken.Store(true)
	a, err := newAgent(s, c, ctx)
	c.mu.Lock()
	c.current = a
	gone := c.gone
	c.mu.Unlock()
	if gone {
		a.leave(ErrGone)
	}
	defer a.finish()
	if errors.Is(err, errLengths) {
		s.opts.Refuse(a, 400, "ambiguous_length", "parsers disagree about where this request ends: send either one content-length or transfer-encoding: chunked")
		return
	}
	if err != nil {
		s.opts.Refuse(a, 400, "malformed_header", "a header line is malformed: send name, colon and value, one to a line")
		return
	}
	s.opts.Handler(a)
}

// malformed answers a request that fasthttp could not parse.
func (s *Server) malformed(ctx *fasthttp.RequestCtx, err error) {
	c, ok := ctx.Conn().(*agentConn)
	if !ok || !c.heard {
		return // a connection on which nothing was ever said is just closed
	}
	a := &Agent{conn: c, ctx: ctx, server: s, Start: time.Now()}
	a.answer.close = true
	var small *fasthttp.ErrSmallBuffer
	var timeout net.Error
	switch {
	case errors.As(err, &small):
		s.opts.Refuse(a, 431, "header_too_large", fmt.Sprintf("the request head is over %d bytes: send fewer or shorter headers, or raise limits.headers", s.opts.HeaderLimit))
	case errors.As(err, &timeout) && timeout.Timeout():
		s.opts.Refuse(a, 408, "request_timeout", "the request did not arrive in time: send it again")
	default:
		s.opts.Refuse(a, 400, "malformed_request", "this is not an HTTP/1.1 request")
	}
	a.answer.flush(c)
}

// mayContinue answers Expect: 100-continue itself, since what fasthttp writes is thrown away.
func (s *Server) mayContinue(ctx *fasthttp.RequestCtx) int {
	if c, ok := ctx.Conn().(*agentConn); ok && c.arm() == nil {
		c.Conn.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
	}
	return fasthttp.StatusContinue
}

// A listener hands out agentConns and refuses more of them than allowed.
type listener struct {
	net.Listener
	s    *Server
	once sync.Once
}

// Close may be called more than once.
func (l *listener) Close() (err error) {
	l.once.Do(func() { err = l.Listener.Close() })
	return err
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &agentConn{Conn: raw, raw: raw, owner: l.s}
		if l.s.opts.TLS != nil {
			c.Conn = tls.Server(raw, l.s.opts.TLS)
		}
		l.s.mu.Lock()
		full := len(l.s.conns) >= l.s.opts.Connections
		if !full {
			l.s.conns[c] = struct{}{}
		}
		l.s.mu.Unlock()
		if full {
			go turnAway(c)
			continue
		}
		if c.token, err = l.s.watcher.Add(sysConn(raw), c); err != nil {
			c.Close()
			continue
		}
		return c, nil
	}
}

func turnAway(c *agentConn) {
	c.raw.SetDeadline(time.Now().Add(time.Second))
	const body = `{"error":{"message":"too many connections: raise limits.connections or try again","type":"server_error","param":null,"code":"too_many_connections"}}`
	fmt.Fprintf(c.Conn, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: %d\r\nRetry-After: 1\r\nx-trapgate-error: too_many_connections\r\nConnection: close\r\n\r\n%s", len(body), body)
	c.Conn.Close()
}

// quiet keeps fasthttp from logging: errors that matter are returned or answered.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
