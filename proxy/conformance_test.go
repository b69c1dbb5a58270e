package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/filters/filtertest"
	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/internal/watch"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/proxy/config"
	"github.com/trapgate/trapgate/proxy/server"
	"github.com/trapgate/trapgate/proxy/upstream"
)

// TestConformance runs the suite that any host of filters must pass, over real sockets.
func TestConformance(t *testing.T) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // filters that fail to close are planned here
	filtertest.Conformance(t, tcpHost{start(t, snapshot(t, ""), filters.NewChain(), filters.NewInnerChain())})
}

// tcpHost is the pipeline between a real agent connection and a real upstream.
type tcpHost struct{ *testGate }

func (h tcpHost) Run(tb testing.TB, c filtertest.Case) filtertest.Outcome {
	tb.Helper()
	up := newScripted(tb, c)
	defer up.close()
	snap := snapshot(tb, "upstreams: [{name: u, base_url: http://"+up.Addr().String()+", credential: agent}]\n")
	snap.Limits.Retries = max(c.Attempts, 2) - 1
	if c.Attempts == 1 {
		snap.Limits.Retries = 0
	}
	rt := &runtime{config: snap, upstreams: upstream.NewSet(h.watcher, snap, nil), outer: filters.NewChain(c.Outer...), inner: filters.NewInnerChain(c.Inner...)}
	h.pipeline.current.Swap(rt).upstreams.Close()
	out := up.call(h.addr(), c)
	for end := time.Now().Add(time.Second); h.pipeline.telemetry.InFlight().Len() > 0 && time.Now().Before(end); {
		time.Sleep(100 * time.Microsecond)
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	out.Requests, out.Sent = len(up.sent), up.sent
	return out
}

// A testGate is a pipeline on a loopback port without configuration file, admin port and log.
type testGate struct {
	pipeline *pipeline
	server   *server.Server
	listener net.Listener
	watcher  *watch.Watcher
	tb       testing.TB
	served   chan error
	once     sync.Once
}

// snapshot resolves a configuration file's text.
func snapshot(tb testing.TB, yaml string) *config.Snapshot {
	tb.Helper()
	c, problems := config.Parse("trapgate.yaml", []byte(yaml), config.OSEnv())
	if len(problems) > 0 {
		tb.Fatal(problems)
	}
	s, err := config.Resolve(c, config.Env{}, config.Overrides{Data: tb.TempDir()})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func start(tb testing.TB, snap *config.Snapshot, outer, inner *filters.Chain) *testGate {
	tb.Helper()
	t, err := telemetry.New(context.Background(), telemetry.Options{Getenv: func(string) string { return "" }})
	if err != nil {
		tb.Fatal(err)
	}
	w, err := watch.New()
	if err != nil {
		tb.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &pipeline{telemetry: t, views: wire.NewPrefixCache(1 << 20), ids: newOwnership()}
	p.current.Store(&runtime{config: snap, upstreams: upstream.NewSet(w, snap, nil), outer: outer, inner: inner})
	s := server.New(server.Options{Handler: p.Serve, Refuse: p.malformed, Watcher: w})
	g := &testGate{pipeline: p, server: s, listener: l, watcher: w, tb: tb, served: make(chan error, 1)}
	go func() { g.served <- s.Serve(l) }()
	tb.Cleanup(g.stop)
	return g
}

func (g *testGate) addr() string { return g.listener.Addr().String() }

func (g *testGate) stop() {
	g.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := g.server.Shutdown(ctx); err != nil {
			g.tb.Errorf("shutdown: %v", err)
		}
		if err := <-g.served; err != nil {
			g.tb.Error(err)
		}
		g.pipeline.current.Load().upstreams.Close()
		g.watcher.Close()
		g.pipeline.telemetry.Shutdown(ctx)
	})
}

// scripted is an upstream that answers as a case says.
type scripted struct {
	net.Listener
	tb  testing.TB
	c   filtertest.Case
	got chan struct{} // a request has arrived
	wg  sync.WaitGroup

	mu    sync.Mutex
	sent  [][]byte
	conns []net.Conn
}

func newScripted(tb testing.TB, c filtertest.Case) *scripted {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	u := &scripted{Listener: l, tb: tb, c: c, got: make(chan struct{}, 100)}
	u.wg.Add(1)
	go func() {
		defer u.wg.Done()
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			u.mu.Lock()
			u.conns = append(u.conns, conn)
			u.mu.Unlock()
			u.wg.Add(1)
			go func() { defer u.wg.Done(); defer conn.Close(); u.serve(conn) }()
		}
	}()
	return u
}

func (u *scripted) close() {
	u.Listener.Close()
	u.mu.Lock()
	for _, c := range u.conns {
		c.Close()
	}
	u.mu.Unlock()
	u.wg.Wait()
}

func (u *scripted) serve(conn net.Conn) {
	r := bufio.NewReader(conn)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		body, _ := io.ReadAll(req.Body)
		u.mu.Lock()
		n := len(u.sent)
		u.sent = append(u.sent, body)
		u.mu.Unlock()
		a := filtertest.Answer{Status: 500, Body: []byte("unplanned")}
		if n < len(u.c.Answers) {
			a = u.c.Answers[n]
		}
		if a.How == filtertest.Silent || a.How == filtertest.Stalled {
			u.got <- struct{}{}
		}
		if !write(conn, a) {
			if a.How == filtertest.Stalled || a.How == filtertest.Silent {
				io.Copy(io.Discard, r) // until the host closes
			}
			return
		}
	}
}

// write sends an answer and reports whether the connection goes on.
func write(conn net.Conn, a filtertest.Answer) bool {
	if a.How == filtertest.Dropped || a.How == filtertest.Silent {
		return false
	}
	status := a.Status
	if status == 0 {
		status = 200
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	for _, f := range a.Fields {
		fmt.Fprintf(&b, "%s: %s\r\n", f[0], f[1])
	}
	if status == 503 {
		b.WriteString("Retry-After-Ms: 10\r\n")
	}
	length := len(a.Body)
	if a.How != filtertest.Whole {
		length += 10
	}
	if a.Stream {
		b.WriteString("Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
	} else {
		b.WriteString("Content-Type: application/json\r\nContent-Length: " + strconv.Itoa(length) + "\r\n\r\n")
	}
	conn.Write(b.Bytes())
	size := a.Chunk
	if size == 0 {
		size = max(len(a.Body), 1)
	}
	for rest := a.Body; len(rest) > 0; {
		piece := rest[:min(size, len(rest))]
		rest = rest[len(piece):]
		if a.Stream {
			fmt.Fprintf(conn, "%x\r\n%s\r\n", len(piece), piece)
		} else {
			conn.Write(piece)
		}
	}
	if a.How == filtertest.Whole && a.Stream {
		io.WriteString(conn, "0\r\n\r\n")
	}
	return a.How == filtertest.Whole
}

// call is the agent: it posts the request, leaves when the case says so, and tells what it got.
func (u *scripted) call(addr string, c filtertest.Case) (out filtertest.Outcome) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		u.tb.Fatal(err)
	}
	over := make(chan struct{})
	var watching sync.WaitGroup
	defer watching.Wait()
	defer close(over)
	defer conn.Close()
	if c.Leave.On != nil || c.Leave.Waiting {
		watching.Add(1)
		go func() {
			defer watching.Done()
			var got chan struct{}
			if c.Leave.Waiting {
				got = u.got
			}
			select {
			case <-c.Leave.On:
			case <-got:
			case <-over:
				return
			}
			conn.Close()
		}()
	}
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", c.Path, addr, len(c.Request), c.Request)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		out.Cut = true
		return out
	}
	out.Status, out.Code = resp.StatusCode, resp.Header.Get("x-trapgate-error")
	buf := make([]byte, 4096)
	for {
		if c.Leave.After > 0 && len(out.Body) < c.Leave.After {
			buf = buf[:min(cap(buf), c.Leave.After-len(out.Body))]
		}
		n, err := resp.Body.Read(buf)
		out.Body = append(out.Body, buf[:n]...)
		if c.Leave.After > 0 && len(out.Body) >= c.Leave.After {
			return out
		}
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			out.Cut = true
			return out
		}
	}
}
