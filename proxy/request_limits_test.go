package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// The limit is exact, and an agent that is still sending gets the refusal rather than a reset.
func TestBodyLimit(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := through(t, up, "limits: {body: 64KiB}\n")
	const limit = 64 << 10
	a := g.dial(t)
	a.send(post("/v1/chat/completions", bodyOf(limit)))
	if m := a.read(); m.status() != 200 {
		t.Errorf("at the limit: %s", m.Line)
	}
	a.send(post("/v1/chat/completions", bodyOf(limit+1)))
	refused := a.read()
	if refused.status() != 413 || refused.get("x-trapgate-error") != "body_too_large" || !strings.Contains(refused.Body, `"code":"body_too_large"`) {
		t.Errorf("a byte over: %s %s", refused.Line, refused.Body)
	}
	if refused.get("connection") != "close" {
		a.send(post("/v1/chat/completions", chatRequest))
		if m := a.read(); m.status() != 200 {
			t.Errorf("the connection was said to go on: %s", m.Line)
		}
	}
	a = g.dial(t)
	a.send("POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(bodyOf(limit)) + chunk(" ") + "0\r\n\r\n")
	if m := a.read(); m.status() != 413 || !strings.Contains(m.Body, `"type":"request_too_large"`) {
		t.Errorf("in chunks: %s %s", m.Line, m.Body)
	}
	if n := up.requests(); n > 2 {
		t.Errorf("the upstream got %d requests", n)
	}
}

// An agent that writes its whole long body before it reads, as most HTTP libraries do, still learns why it was refused.
func TestRefusalOfALongBodyIsNotLostInAReset(t *testing.T) {
	t.Parallel()
	g := through(t, newFake(t, okAnswer), "limits: {body: 64KiB}\n")
	for range 5 {
		a := g.dial(t)
		io.WriteString(a, post("/v1/chat/completions", bodyOf(8<<20)))
		if m, err := readHead(a.r); err != nil || m.status() != 413 {
			t.Fatalf("the agent got %q, %v", m.Line, err)
		}
		a.Close()
	}
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := through(t, up, "")
	a := g.dial(t)
	for range 3 {
		a.send(fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(chatRequest)))
		if m := a.head(); m.Line != "HTTP/1.1 100 Continue" || len(m.Fields) > 0 {
			t.Fatalf("interim answer %q %q", m.Line, m.Fields)
		}
		a.send(chatRequest)
		if m := a.read(); m.status() != 200 || up.last().Body != chatRequest {
			t.Fatalf("%s", m.Line)
		}
	}
}

func TestHTTP10Agents(t *testing.T) {
	t.Parallel()
	up := newFake(t, raw(chunks("Content-Type: text/plain\r\n", "ab", "c")))
	g := through(t, up, "")
	for _, connection := range []string{"", "Connection: keep-alive\r\n"} {
		a := g.dial(t)
		a.send("GET /v1/files HTTP/1.0\r\nHost: localhost\r\n" + connection + "\r\n")
		m := a.head()
		rest, _ := io.ReadAll(a.r)
		if m.has("transfer-encoding") || string(rest) != "abc" {
			t.Errorf("%q %q, %q", m.Line, m.Fields, rest)
		}
		if up.last().Line != "GET /v1/files HTTP/1.1" {
			t.Errorf("the upstream got %s", up.last().Line)
		}
	}
}

// Connection: close, however it is spelt, ends the connection after the answer.
func TestAgentsThatAskToClose(t *testing.T) {
	t.Parallel()
	g := through(t, newFake(t, okAnswer), "")
	for _, value := range []string{"close", "Close", "CLOSE", "keep-alive, close", "close, X"} {
		a := g.dial(t)
		a.send(post("/v1/chat/completions", chatRequest, "Connection: "+value))
		if m := a.read(); m.get("connection") != "close" {
			t.Errorf("%q: the answer says %q", value, m.get("connection"))
		}
		if !a.closed() {
			t.Errorf("%q: the connection stays open", value)
		}
	}
}

// Requests that arrive in one packet are answered in their order.
func TestPipelining(t *testing.T) {
	t.Parallel()
	up := newFake(t, func(c *upConn, m *message) bool {
		if strings.Contains(m.Line, "first") {
			time.Sleep(30 * time.Millisecond)
		}
		return c.say(sized("200 OK", "", m.Line))
	})
	g := through(t, up, "")
	a := g.dial(t)
	a.send(get("/v1/first") + post("/v1/second", "{}") + post("/v1/chat/completions?third", chatRequest) + get("/v1/fourth", "Connection: close"))
	for _, want := range []string{"GET /v1/first", "POST /v1/second", "POST /v1/chat/completions?third", "GET /v1/fourth"} {
		if m := a.read(); m.Body != want+" HTTP/1.1" {
			t.Fatalf("got %s %q, want %s", m.Line, m.Body, want)
		}
	}
	if !a.closed() {
		t.Error("the connection stays open")
	}
}

// One connection carries many exchanges, of every kind.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	up := newFake(t, func(c *upConn, m *message) bool {
		switch {
		case strings.Contains(m.Body, "stream"):
			return c.say(chunks("Content-Type: text/event-stream\r\n", "data: {}\n\n", "data: [DONE]\n\n"))
		case strings.HasPrefix(m.Line, "DELETE"):
			return c.say("HTTP/1.1 204 No Content\r\n\r\n")
		}
		return c.say(sized("200 OK", "", okJSON))
	})
	g := through(t, up, "")
	a := g.dial(t)
	for i := range 200 {
		switch i % 4 {
		case 0:
			a.send(post("/v1/chat/completions", chatRequest))
		case 1:
			a.send(post("/v1/chat/completions", `{"stream":true,"model":"m","messages":[]}`))
		case 2:
			a.send("DELETE /v1/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
		case 3:
			a.send(post("/v1/chat/completions", "{bad"))
		}
		if m := a.read(); m.status() != []int{200, 200, 204, 400}[i%4] || m.Cut {
			t.Fatalf("request %d: %s %s", i, m.Line, m.Body)
		}
	}
	if n := up.connections(); n != 1 {
		t.Errorf("%d connections to the upstream, want 1", n)
	}
}

// A body that trickles in is waited for, and an upstream sees it whole.
func TestSlowBodies(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := through(t, up, "")
	a := g.dial(t)
	request := post("/v1/chat/completions", chatRequest)
	for i := 0; i < len(request); i += 7 {
		a.send(request[i:min(i+7, len(request))])
		time.Sleep(2 * time.Millisecond)
	}
	if m := a.read(); m.status() != 200 || up.last().Body != chatRequest {
		t.Errorf("%s", m.Line)
	}
}

// A body that stops half way is given up after limits.idle.
func TestAbandonedBody(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := through(t, up, "limits: {idle: 1s}\n")
	a := g.dial(t)
	a.send("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{\"model\":")
	start := time.Now()
	io.Copy(io.Discard, a.r)
	if d := time.Since(start); d > 4*time.Second {
		t.Errorf("given up after %v", d)
	}
	if up.requests() > 0 {
		t.Error("half a request was sent upstream")
	}
}
