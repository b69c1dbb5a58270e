package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/filters"
)

// idle is a piece that does nothing.
type idle string

func (i idle) Name() string { return string(i) }

func (idle) Open(context.Context, *filters.Exchange) (filters.Stream, error) { return nil, nil }

// As soon as a piece is on, WebSockets on model routes are refused at once, so that agents fall back to POST; others pass.
func TestUpgradesWhileAPieceIsOn(t *testing.T) {
	t.Parallel()
	up := newFake(t, raw(sized("404 Not Found", "", "nobody here")))
	g := start(t, snapshot(t, "upstreams: [{name: u, base_url: "+up.url()+", credential: agent}]\n"), filters.NewChain(idle("identity"), idle("piece")), filters.NewInnerChain())
	at := &gateway{listener: g.listener}
	for _, path := range []string{"/v1/responses", "/v1/responses?model=m", "/openai/v1/responses", "/v1/chat/completions", "/v1/messages"} {
		a := at.dial(t)
		begin := time.Now()
		a.send(strings.Replace(upgradeRequest, "/v1/responses", path, 1))
		m := a.read()
		if m.status() != 426 || m.get("x-trapgate-error") != "websocket_not_supported" || up.requests() > 0 || time.Since(begin) > time.Second {
			t.Errorf("%s: %s, %d requests", path, m.Line, up.requests())
		}
		shape(t, path, m.Body, "websocket_not_supported", path == "/v1/messages")
		a.send(post("/v1/responses", `{"model":"m","input":"x"}`))
		if m := a.read(); m.Body != "nobody here" {
			t.Errorf("%s: the connection does not go on: %s", path, m.Line)
		}
		up.mu.Lock()
		up.got = nil
		up.mu.Unlock()
	}
	a := at.dial(t)
	a.send(strings.Replace(upgradeRequest, "/v1/responses", "/v1/elsewhere", 1))
	if m := a.read(); m.Body != "nobody here" {
		t.Errorf("elsewhere: %s", m.Line)
	}
}

// An upstream that answers and closes while an upload pauses is heard at once, not when the agent goes on.
func TestUploadThatPausesHearsItsUpstream(t *testing.T) {
	t.Parallel()
	up := newFake(t, func(c *upConn, m *message) bool {
		io.CopyN(io.Discard, c.r, 20_000)
		c.say(sized("401 No", "", "no"))
		return false
	})
	g := through(t, up, "")
	a := g.dial(t)
	a.send("POST /v1/files HTTP/1.1\r\nHost: localhost\r\nX-Test: unread body\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("a", 20_000))
	a.SetReadDeadline(time.Now().Add(2 * time.Second))
	m, err := readHead(a.r)
	if err != nil || m.status() != 401 {
		t.Errorf("%s, %v", m.Line, err)
	}
}
