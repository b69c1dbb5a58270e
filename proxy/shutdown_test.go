package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/proxy/config"
)

// ready asks the admin port.
func readyStatus(t *testing.T, addr string) (int, string) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Second}
	resp, err := c.Get("http://" + addr + "/readyz")
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// Shutdown: not ready, nobody new is let in, streams finish, and the rest is cut when the limit has come.
func TestShutdown(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, drain string
		finishes    bool
	}{{"streams finish", "5s", true}, {"the limit cuts", "300ms", false}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := talks[0]
			release := make(chan struct{})
			up := newFake(t, func(c *upConn, m *message) bool {
				c.say(streamHead + chunk(k.events[0]))
				if tt.finishes {
					<-release
					return c.say(chunk(strings.Join(k.events[1:], "")) + "0\r\n\r\n")
				}
				c.untilClosed()
				return false
			})
			g, err := newGateway(context.Background(), gatewayOptions{
				log: io.Discard, quiet: true, flags: config.Overrides{Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", Data: t.TempDir(), Upstream: up.url()},
				file: writeConfig(t, "limits: {drain: "+tt.drain+"}\n"), env: config.OSEnv(),
			})
			if err != nil {
				t.Fatal(err)
			}
			addr, adminAddr := g.listener.Addr().String(), g.admin.Addr().String()
			idle := g.dial(t)
			idle.send(get("/v1/models", "X-Never: 1")) // is answered by a stream, too: leave it under way
			a := g.dial(t)
			a.send(post(k.path, k.request))
			a.head()
			idle.head()
			if code, _ := readyStatus(t, adminAddr); code != 200 {
				t.Errorf("ready before: %d", code)
			}
			done := make(chan error, 1)
			start := time.Now()
			go func() { done <- g.Shutdown(context.Background()) }()
			eventually(t, "nobody new is let in", func() bool {
				c, err := net.Dial("tcp", addr)
				if err == nil {
					c.Close()
				}
				return err != nil
			})
			if code, body := readyStatus(t, adminAddr); code != 503 || !strings.Contains(body, "draining") {
				t.Errorf("ready while draining: %d %s", code, body)
			}
			close(release)
			err = k.readRest(a)
			if tt.finishes != (err == nil) {
				t.Errorf("the stream ended with %v", err)
			}
			idle.Close()
			serr := <-done
			if d := time.Since(start); d > 3*time.Second || tt.finishes != (serr == nil) {
				t.Errorf("after %v: %v", d, serr)
			}
			want := map[bool]string{true: "ok", false: "shutdown"}[tt.finishes]
			if o := g.telemetry.Ledger().Totals().Outcomes; o[want] == 0 {
				t.Errorf("outcomes %v", o)
			}
			if _, err := net.DialTimeout("tcp", adminAddr, time.Second); err == nil {
				t.Error("the admin port is still open")
			}
		})
	}
}

func (k talk) readRest(a *agentSide) error {
	m := &message{Chunked: true}
	return m.readBody(a.r, false)
}

func writeConfig(t *testing.T, yaml string) string {
	t.Helper()
	dir := t.TempDir()
	return writeFile(t, dir+"/trapgate.yaml", yaml)
}

// Connections on which nothing happens do not hold the shutdown.
func TestShutdownWithIdleConnections(t *testing.T) {
	t.Parallel()
	for name, say := range map[string]string{"after an answer": post("/v1/chat/completions", chatRequest), "never said anything": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := through(t, newFake(t, okAnswer), "limits: {drain: 5s}\n")
			var agents []*agentSide
			for range 10 {
				a := g.dial(t)
				if say != "" {
					a.send(say)
					a.read()
				}
				agents = append(agents, a)
			}
			eventually(t, "they are accepted", func() bool { return g.server.Conns() == 10 })
			start := time.Now()
			if err := g.Shutdown(context.Background()); err != nil || time.Since(start) > 2*time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
			for _, a := range agents {
				if !a.closed() {
					t.Error("an idle connection stays open")
				}
			}
		})
	}
}

// A tunnel is cut when the process ends; it leaves nothing behind.
func TestShutdownWithTunnel(t *testing.T) {
	t.Parallel()
	up := newFake(t, func(c *upConn, m *message) bool {
		c.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		c.untilClosed()
		return false
	})
	g := through(t, up, "limits: {drain: 300ms}\n")
	a := g.dial(t)
	a.send(upgradeRequest)
	a.head()
	g.Shutdown(context.Background())
	if !a.closed() {
		t.Error("the agent's side of the tunnel is open after the shutdown")
	}
	select {
	case <-up.gone:
	case <-time.After(time.Second):
		t.Error("the upstream's side of the tunnel is open after the shutdown")
	}
}

// A new configuration counts for new requests; those under way end on the old one. A bad one changes nothing.
func TestReloadUnderWay(t *testing.T) {
	t.Parallel()
	k := talks[0]
	release := make(chan struct{})
	old := newFake(t, func(c *upConn, m *message) bool {
		c.say(streamHead + chunk(k.events[0]))
		<-release
		return c.say(chunk(strings.Join(k.events[1:], "")) + "0\r\n\r\n")
	})
	fresh := newFake(t, okAnswer)
	file := writeConfig(t, "upstreams: [{name: u, base_url: "+old.url()+", credential: agent}]\n")
	g := open(t, "", func(o *gatewayOptions) { o.file = file })
	a := g.dial(t)
	a.send(post(k.path, k.request))
	a.head()
	writeFile(t, file, "upstreams: [{name: u, base_url: "+fresh.url()+", credential: agent}]\nbogus: 1\n")
	g.config.Reload()
	if _, _, err := g.config.Status(); err == nil || g.pipeline.current.Load().config.Upstreams[0].BaseURL != old.url() {
		t.Errorf("a bad configuration was taken over: %v", err)
	}
	writeFile(t, file, "upstreams: [{name: u, base_url: "+fresh.url()+", credential: agent}]\n")
	g.config.Reload()
	eventually(t, "the good one holds", func() bool { return g.pipeline.current.Load().config.Upstreams[0].BaseURL == fresh.url() })
	if m := g.do(t, post("/v1/chat/completions", chatRequest)); m.Body != okJSON {
		t.Errorf("a new request: %s", m.Line)
	}
	close(release)
	if err := k.readRest(a); err != nil {
		t.Errorf("the one under way: %v", err)
	}
	a.send(post("/v1/chat/completions", chatRequest))
	if m := a.read(); m.Body != okJSON {
		t.Errorf("the next on its connection: %s", m.Line)
	}
	eventually(t, "the old upstream's connections are closed", func() bool { old.mu.Lock(); defer old.mu.Unlock(); return len(old.open) == 0 })
}
