package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// A session stays on its replica; many sessions spread; a dead replica's sessions move.
func TestSessionsStayOnTheirReplica(t *testing.T) {
	t.Parallel()
	var ups []*fake
	yaml := "upstreams:\n"
	for i := range 3 {
		f := newFake(t, raw(sized("200 OK", fmt.Sprintf("X-Replica: %d\r\n", i), okJSON)))
		ups = append(ups, f)
		yaml += fmt.Sprintf("- {name: r%d, base_url: %s, credential: none}\n", i, f.url())
	}
	g := open(t, yaml+"routes: [{upstreams: [[r0, r1, r2]]}]\n")
	home := map[string]string{}
	for round := range 3 {
		for s := range 120 {
			name := fmt.Sprintf("session-%d", s)
			body := fmt.Sprintf(`{"model":"m","messages":[{"role":"user","content":"hello %d"}]}`, s)
			if round > 0 {
				body = strings.Replace(body, "]}", strings.Repeat(`,{"role":"assistant","content":"hi"},{"role":"user","content":"more"}`, round)+"]}", 1)
			}
			var lines []string
			if s%2 == 0 { // half by header, half by prefix
				lines = []string{"x-session-id: " + name}
			}
			m := g.do(t, post("/v1/chat/completions", body, lines...))
			at := m.get("x-replica")
			eventually(t, "all exchanges to end", func() bool { // a busy replica loses sessions
				for _, u := range g.pipeline.current.Load().upstreams.All() {
					if u.State().Busy > 0 {
						return false
					}
				}
				return true
			})
			if home[name] == "" {
				home[name] = at
			} else if home[name] != at {
				t.Errorf("round %d: %s moved from %s to %s", round, name, home[name], at)
			}
		}
	}
	for i, u := range ups {
		if n := u.requests(); n < 3*12 { // 40 sessions each on average: less than 12 is five standard deviations off
			t.Errorf("replica %d got %d of 360", i, n)
		}
	}
}

// Lists of several upstreams are merged in the caller's dialect; one is passed on as it is.
func TestModelLists(t *testing.T) {
	t.Parallel()
	list := func(ids ...string) string {
		var items []string
		for _, id := range ids {
			items = append(items, `{"id":"`+id+`","object":"model","x":{"y":1.50}}`)
		}
		return sized("200 OK", "Content-Type: application/json\r\n", `{"object":"list","data":[`+strings.Join(items, ",")+`]}`)
	}
	a, b := newFake(t, raw(list("gpt-1", "shared", "hidden"))), newFake(t, raw(list("shared", "claude-1")))
	broken := newFake(t, func(*upConn, *message) bool { return false })
	g := open(t, "upstreams:\n- {name: a, base_url: "+a.url()+", dialects: [chat, responses], models: [\"gpt-*\", shared], credential: none}\n- {name: b, base_url: "+b.url()+", credential: none}\n- {name: broken, base_url: "+broken.url()+", credential: none}\n")
	for _, tt := range []struct {
		line string
		want []string
	}{{"X: 1", []string{"gpt-1", "shared", "claude-1"}}, {"anthropic-version: 2023-06-01", []string{"shared", "claude-1"}}} {
		m := g.do(t, get("/v1/models", tt.line))
		var got struct {
			Object string
			Data   []struct{ ID string }
		}
		if err := json.Unmarshal([]byte(m.Body), &got); err != nil || m.status() != 200 {
			t.Fatalf("%s %s %v", m.Line, m.Body, err)
		}
		var ids []string
		for _, d := range got.Data {
			ids = append(ids, d.ID)
		}
		if !slices.Equal(ids, tt.want) || !strings.Contains(m.Body, `"x":{"y":1.50}`) || (got.Object == "list") != (tt.line == "X: 1") {
			t.Errorf("%s: %s", tt.line, m.Body)
		}
	}
	one := through(t, a, "")
	if m := one.do(t, get("/v1/models?limit=3")); m.Body != `{"object":"list","data":[{"id":"gpt-1","object":"model","x":{"y":1.50}},{"id":"shared","object":"model","x":{"y":1.50}},{"id":"hidden","object":"model","x":{"y":1.50}}]}` || a.last().Line != "GET /v1/models?limit=3 HTTP/1.1" {
		t.Errorf("%s %s", a.last().Line, m.Body)
	}
	// All down: an error in the caller's shape.
	none := open(t, "upstreams:\n- {name: a, base_url: "+broken.url()+", credential: none}\n- {name: b, base_url: "+broken.url()+", credential: none}\n")
	if m := none.do(t, get("/v1/models", "anthropic-version: 2023-06-01")); m.status() != 502 {
		t.Errorf("%s %s", m.Line, m.Body)
	} else {
		shape(t, "all down", m.Body, m.get("x-trapgate-error"), true)
	}
}

const upgradeRequest = "GET /v1/responses HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: a2V5\r\nSec-WebSocket-Version: 13\r\nx-trapgate-user: me\r\n\r\n"

// A WebSocket is tunnelled both ways, from its first byte on, until either side ends.
func TestWebSocketsAreTunnelled(t *testing.T) {
	t.Parallel()
	up := newFake(t, func(c *upConn, m *message) bool {
		c.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\nhello")
		buf := make([]byte, 5)
		for {
			if _, err := io.ReadFull(c.r, buf); err != nil || string(buf) == "close" {
				return false
			}
			c.say(strings.ToUpper(string(buf)))
		}
	})
	g := through(t, up, "")
	for _, end := range []string{"agent", "upstream"} {
		a := g.dial(t)
		a.send(upgradeRequest + "early")
		m := a.head()
		if m.Line != "HTTP/1.1 101 Switching Protocols" || !slices.Equal(m.without(ours...), []string{"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: x"}) {
			t.Fatalf("%s %q", m.Line, m.Fields)
		}
		if got := up.last().Fields; !slices.Equal(got, []string{"Host: " + up.Addr().String(), "Connection: keep-alive, Upgrade", "Upgrade: WebSocket", "Sec-WebSocket-Key: a2V5", "Sec-WebSocket-Version: 13"}) {
			t.Errorf("the upstream got %q", got)
		}
		got := make([]byte, 10)
		if io.ReadFull(a.r, got); string(got) != "helloEARLY" {
			t.Errorf("got %q", got)
		}
		for range 100 {
			a.send("abcde")
			if io.ReadFull(a.r, got[:5]); string(got[:5]) != "ABCDE" {
				t.Fatalf("got %q", got[:5])
			}
		}
		if end == "agent" {
			a.Close()
		} else {
			a.send("close")
			if !a.closed() {
				t.Error("the upstream's end does not reach the agent")
			}
			a.Close()
		}
		select {
		case <-up.gone:
		case <-time.After(time.Second):
			t.Errorf("ended by the %s: the upstream's connection stays", end)
		}
	}
	eventually(t, "nothing is left", func() bool { return g.server.Conns() == 0 && g.telemetry.InFlight().Len() == 0 })
}

// An agent that leaves a tunnel frees it, although its upstream sleeps.
func TestTunnelsEndWithTheirAgent(t *testing.T) {
	t.Parallel()
	ended := make(chan bool, 1)
	up := newFake(t, func(c *upConn, m *message) bool {
		c.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		c.untilClosed()
		time.Sleep(300 * time.Millisecond) // closes late
		ended <- c.say(strings.Repeat("x", 1000)) && c.say("x")
		return false
	})
	g := through(t, up, "")
	a := g.dial(t)
	a.send(upgradeRequest)
	a.head()
	start := time.Now()
	a.Conn.(*net.TCPConn).SetLinger(0)
	a.Close()
	eventually(t, "the agent's side is closed", func() bool { return g.server.Conns() == 0 })
	if d := time.Since(start); d > 200*time.Millisecond {
		t.Errorf("after %v", d)
	}
	<-ended
}

// Refusals of an upgrade are passed on at once; with another piece on, or a key of ours, we refuse by ourselves.
func TestRefusedUpgrades(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{
		sized("426 Upgrade Required", "X: 1\r\n", "no"), sized("404 Not Found", "", `{"error":"x"}`), "HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\nuntil close",
	} {
		up := newFake(t, func(c *upConn, m *message) bool { c.say(answer); return !strings.Contains(answer, "until") })
		g := through(t, up, "")
		a := g.dial(t)
		a.send(upgradeRequest)
		m := a.read()
		_, body, _ := strings.Cut(answer, "\r\n\r\n")
		if m.Line != strings.SplitN(answer, "\r\n", 2)[0] || m.Body != body || up.requests() != 1 {
			t.Errorf("%s %q, %d requests", m.Line, m.Body, up.requests())
		}
		a.send(get("/v1/x"))
		if m := a.read(); m.Body != body {
			t.Errorf("the connection does not go on: %s", m.Line)
		}
	}
}
