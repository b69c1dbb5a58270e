package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/internal/telemetry"
)

// A way of leaving, and the state that it is done in.
type departure struct {
	name  string
	leave func(c net.Conn) error
}

var departures = []departure{
	{"closes", net.Conn.Close},
	{"resets", func(c net.Conn) error { tcpOf(c).SetLinger(0); return c.Close() }},
	{"half-closes", func(c net.Conn) error { return c.(interface{ CloseWrite() error }).CloseWrite() }},
}

func tcpOf(c net.Conn) *net.TCPConn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return c.(*net.TCPConn)
}

// A stage is where an exchange stands when its agent leaves.
type stage struct {
	name    string
	send    string                               // by the agent
	respond func(c *upConn, reached chan<- bool) // by the upstream, up to where it waits for the end
	before  func(g *gateway, a *agentSide) error // on the same connection
}

func stages() []stage {
	silent := func(c *upConn, reached chan<- bool) { reached <- true }
	stream := func(pieces ...string) func(c *upConn, reached chan<- bool) {
		return func(c *upConn, reached chan<- bool) {
			c.say(streamHead)
			for _, p := range pieces {
				c.say(chunk(p))
			}
			reached <- true
		}
	}
	k := talks[0]
	return []stage{
		{name: "before the head", send: post(k.path, k.request), respond: silent},
		{name: "before the head, responses", send: post(talks[1].path, talks[1].request), respond: silent},
		{name: "before the head, passed through", send: get("/v1/files/x"), respond: silent},
		{name: "after the head", send: post(k.path, k.request), respond: stream()},
		{name: "in the stream", send: post(k.path, k.request), respond: stream(k.events[0], k.events[1])},
		{name: "in a stream of responses", send: post(talks[1].path, talks[1].request), respond: stream(talks[1].events[0])},
		{name: "in a stream of messages", send: post(talks[2].path, talks[2].request), respond: stream(talks[2].events[0])},
		{name: "in a JSON answer", send: post(k.path, chatRequest), respond: func(c *upConn, reached chan<- bool) {
			c.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
			reached <- true
		}},
		{name: "on the second request", send: post(k.path, k.request), respond: silent, before: func(_ *gateway, a *agentSide) error {
			a.send(get("/v1/first"))
			if m := a.read(); m.status() != 200 {
				return fmt.Errorf("first request: %s", m.Line)
			}
			return nil
		}},
		{name: "with pipelined bytes waiting", send: post(k.path, k.request) + post(k.path, k.request) + "garbage", respond: silent},
		{name: "in a long upload", send: "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nX-Test: unread body\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 50_000), respond: silent},
	}
}

// seen answers "first" and lets the stage decide about all else; gone tells when the upstream saw the end.
func (s *stage) upstream(t *testing.T) (up *fake, reached chan bool, gone chan time.Time) {
	reached, gone = make(chan bool, 1), make(chan time.Time, 1)
	up = newFake(t, func(c *upConn, m *message) bool {
		if strings.Contains(m.Line, "first") {
			return okAnswer(c, m)
		}
		s.respond(c, reached)
		c.untilClosed()
		gone <- time.Now()
		return false
	})
	return up, reached, gone
}

// leaves runs n exchanges whose agents leave, and returns how long the upstream took to see it, apart from one straggler.
func (s *stage) leaves(t *testing.T, g *gateway, n int, reached chan bool, gone chan time.Time, dial func() net.Conn, how departure) time.Duration {
	t.Helper()
	var worst, second time.Duration
	for i := range n {
		a := agentOn(t, dial())
		if s.before != nil {
			if err := s.before(g, a); err != nil {
				t.Fatal(err)
			}
		}
		a.send(s.send)
		select {
		case <-reached:
		case <-time.After(longest):
			t.Fatalf("%d: the upstream was never asked", i)
		}
		start := time.Now()
		if err := how.leave(a.Conn); err != nil {
			t.Fatal(err)
		}
		select {
		case at := <-gone:
			d := at.Sub(start)
			worst, second = max(worst, d), max(second, min(worst, d))
		case <-time.After(longest):
			t.Fatalf("%d: the upstream never saw it", i)
		}
		a.Close()
	}
	return second
}

// An agent that leaves, in whatever state and way, frees the upstream at once, and leaves nothing behind.
func TestLeaving(t *testing.T) {
	const n = 34 // times each of three ways
	before := goruntime.NumGoroutine()
	for _, s := range stages() {
		t.Run(s.name, func(t *testing.T) {
			up, reached, gone := s.upstream(t)
			g := through(t, up, "")
			fds := 0
			for _, how := range departures {
				worst := s.leaves(t, g, n, reached, gone, func() net.Conn { return dialled(t, g) }, how)
				if worst > 100*time.Millisecond {
					t.Errorf("%s: seen after %v", how.name, worst)
				}
				eventually(t, "nothing is left", func() bool { return g.telemetry.InFlight().Len() == 0 && g.server.Conns() == 0 })
				if fds == 0 {
					fds = openFiles()
				}
			}
			want := int64(n * len(departures))
			if o := g.outcomes(t, want); o["agent_gone"] != want {
				t.Errorf("recorded as %v, want %d times agent_gone", o, want)
			}
			eventually(t, "descriptors are closed", func() bool { return openFiles() <= fds })
			if busy := g.pipeline.current.Load().upstreams.All()[0].State().Busy; busy != 0 {
				t.Errorf("%d attempts are still counted", busy)
			}
			if s.name == "with pipelined bytes waiting" && up.requests() != int(want) {
				t.Errorf("the second of two pipelined requests was run: %d requests", up.requests())
			}
		})
	}
	eventually(t, "goroutines end", func() bool { return goruntime.NumGoroutine() <= before+3 })
}

func dialled(t *testing.T, g *gateway) net.Conn {
	t.Helper()
	c, err := net.Dial(g.listener.Addr().Network(), g.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func openFiles() int {
	dir, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(dir)
}

// The same over TLS and over a Unix socket.
func TestLeavingOtherListeners(t *testing.T) {
	cert := newAuthority(t)
	for _, s := range stages()[:5] {
		up, reached, gone := s.upstream(t)
		secure := open(t, "upstreams: [{name: u, base_url: "+up.url()+", credential: agent}]\ntls: {cert: "+cert.certFile+", key: "+cert.keyFile+"}\n")
		if w := s.leaves(t, secure, 50, reached, gone, func() net.Conn { return tls.Client(dialled(t, secure), cert.trusted("localhost")) }, departures[0]); w > 100*time.Millisecond {
			t.Errorf("TLS, %s: seen after %v", s.name, w)
		}
		socket := filepath.Join(t.TempDir(), "s")
		local := open(t, "upstreams: [{name: u, base_url: "+up.url()+", credential: agent}]\n", func(o *gatewayOptions) { o.flags.Listen = "unix:" + socket })
		for _, how := range []departure{departures[0], departures[2]} {
			if w := s.leaves(t, local, 50, reached, gone, func() net.Conn { return dialled(t, local) }, how); w > 100*time.Millisecond {
				t.Errorf("Unix, %s, %s: seen after %v", how.name, s.name, w)
			}
		}
	}
}

// An agent that leaves while we wait for another try ends the exchange: the upstream is not called again.
func TestLeavingDuringBackoff(t *testing.T) {
	t.Parallel()
	up := newFake(t, raw(sized("503 Busy", "Retry-After-Ms: 300\r\n", "busy")))
	g := through(t, up, "")
	const n = 20
	for i := range n {
		a := g.dial(t)
		a.send(post("/v1/chat/completions", chatRequest))
		eventually(t, "it backs off", func() bool {
			s := g.telemetry.InFlight().Snapshot()
			return len(s) == 1 && s[0].State == telemetry.StateBackoff.String()
		})
		a.Close()
		start := time.Now()
		eventually(t, "it has ended", func() bool { return g.telemetry.InFlight().Len() == 0 })
		if d := time.Since(start); d > 100*time.Millisecond {
			t.Errorf("%d: ended after %v", i, d)
		}
	}
	time.Sleep(400 * time.Millisecond)
	if got := up.requests(); got != n {
		t.Errorf("the upstream was called %d times, want %d", got, n)
	}
	if o := g.outcomes(t, n); o["agent_gone"] != n {
		t.Errorf("outcomes %v", o)
	}
}

// An agent that leaves while its body is on the way never reaches an upstream.
func TestLeavingWhileSending(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := through(t, up, "")
	const n = 50
	for range n {
		a := g.dial(t)
		a.send("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000\r\n\r\n" + strings.Repeat(" ", 10_000))
		eventually(t, "it is seen", func() bool { return g.telemetry.InFlight().Len() == 1 })
		a.Close()
		eventually(t, "it has ended", func() bool { return g.telemetry.InFlight().Len() == 0 && g.server.Conns() == 0 })
	}
	if up.requests() > 0 {
		t.Error("half a request was sent upstream")
	}
	if o := g.outcomes(t, n); o["agent_gone"] != n {
		t.Errorf("outcomes %v", o)
	}
}

// An agent that stops reading and half-closes is gone, although our writes to it are stuck.
func TestLeavingWithoutReading(t *testing.T) {
	t.Parallel()
	gone := make(chan time.Time, 1)
	up := newFake(t, func(c *upConn, m *message) bool {
		c.say(streamHead)
		for c.say(chunk("data: " + strings.Repeat("x", 60_000) + "\n\n")) { // until it fails
		}
		gone <- time.Now()
		return false
	})
	g := through(t, up, "")
	for range 4 {
		a := g.dial(t)
		a.Conn.(*net.TCPConn).SetReadBuffer(4096)
		a.send(post(talks[0].path, talks[0].request))
		a.head()
		time.Sleep(100 * time.Millisecond) // everything fills up
		start := time.Now()
		a.Conn.(*net.TCPConn).CloseWrite()
		select {
		case at := <-gone:
			if d := at.Sub(start); d > 100*time.Millisecond {
				t.Errorf("seen after %v", d)
			}
		case <-time.After(longest):
			t.Fatal("the upstream never saw it")
		}
	}
}

// An agent that stays but does not read is given up after limits.write.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	up := newFake(t, func(c *upConn, m *message) bool {
		c.say(streamHead)
		for c.say(chunk("data: " + strings.Repeat("x", 60_000) + "\n\n")) {
		}
		return false
	})
	g := through(t, up, "limits: {write: 1s}\n")
	a := g.dial(t)
	a.Conn.(*net.TCPConn).SetReadBuffer(4096)
	a.send(post(talks[0].path, talks[0].request))
	a.head()
	start := time.Now()
	<-up.gone
	if d := time.Since(start); d > 4*time.Second || d < 500*time.Millisecond {
		t.Errorf("given up after %v", d)
	}
	eventually(t, "its connection is closed", func() bool { return g.server.Conns() == 0 })
	a.SetDeadline(time.Now().Add(300 * time.Millisecond))
	rest, _ := io.ReadAll(a.r)
	if strings.HasSuffix(string(rest), "0\r\n\r\n") {
		t.Error("the agent was shown a clean end")
	}
}
