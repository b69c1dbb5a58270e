package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// shape checks an error body of ours against what the dialect's SDKs read.
func shape(t *testing.T, name, body, code string, anthropic bool) {
	t.Helper()
	var e struct {
		Type  string
		Error map[string]any
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Errorf("%s: %v: %s", name, err, body)
		return
	}
	if e.Error["code"] != code || e.Error["message"] == "" || e.Error["type"] == nil {
		t.Errorf("%s: %s", name, body)
	}
	_, param := e.Error["param"]
	if anthropic != (e.Type == "error") || anthropic == param {
		t.Errorf("%s: not the dialect's shape: %s", name, body)
	}
}

var errorPaths = []struct {
	name, path, line string
	anthropic        bool
}{
	{"chat", "/v1/chat/completions", "X: 1", false},
	{"responses", "/v1/responses", "X: 1", false},
	{"messages", "/v1/messages?beta=true", "X: 1", true},
	{"count tokens", "/v1/messages/count_tokens", "X: 1", true},
	{"embeddings", "/v1/embeddings", "X: 1", false},
}

// Bodies that parsers disagree about are refused in the dialect's own shape, and reach nobody.
func TestRefusedBodies(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := through(t, up, "")
	for _, tt := range []struct {
		name, body, line string
		status           int
		code             string
	}{
		{"no body", "", "X: 1", 400, "empty_body"},
		{"white space", " \n", "X: 1", 400, "empty_body"},
		{"not JSON", "model=m", "X: 1", 400, "invalid_json"},
		{"cut off", `{"model":"m","messages":[`, "X: 1", 400, "invalid_json"},
		{"behind it", chatRequest + "x", "X: 1", 400, "invalid_json"},
		{"a list", `[1]`, "X: 1", 400, "not_an_object"},
		{"comma at the end", `{"model":"m",}`, "X: 1", 400, "invalid_json"},
		{"UTF-8", "{\"model\":\"\xff\"}", "X: 1", 400, "invalid_utf8"},
		{"overlong", "{\"model\":\"\xc0\xaf\"}", "X: 1", 400, "invalid_utf8"},
		{"a surrogate", "{\"model\":\"\xed\xa0\x80\"}", "X: 1", 400, "invalid_utf8"},
		{"BOM", "\xef\xbb\xbf" + chatRequest, "X: 1", 400, "byte_order_mark"},
		{"a key twice", `{"model":"a","model":"b","messages":[]}`, "X: 1", 400, "duplicate_key"},
		{"escaped", `{"model":"a","mod\u0065l":"b","messages":[]}`, "X: 1", 400, "duplicate_key"},
		{"in another case", `{"model":"a","Model":"b","messages":[]}`, "X: 1", 400, "duplicate_key"},
		{"Kelvin sign", "{\"k\":1,\"\u212a\":2,\"model\":\"m\",\"messages\":[]}", "X: 1", 400, "duplicate_key"},
		{"control character", "{\"model\":\"a\nb\"}", "X: 1", 400, "invalid_json"},
		{"too deep", `{"model":"m","x":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}`, "X: 1", 400, "too_deep"},
		{"gzip", chatRequest, "Content-Encoding: gzip", 415, "unsupported_encoding"},
		{"two codings", chatRequest, "Content-Encoding: identity, br", 415, "unsupported_encoding"},
	} {
		for _, p := range errorPaths {
			name := p.name + ", " + tt.name
			m := g.do(t, post(p.path, tt.body, tt.line))
			if m.status() != tt.status || m.get("x-trapgate-error") != tt.code || m.get("content-type") != "application/json" {
				t.Errorf("%s: %s %q %s", name, m.Line, m.get("x-trapgate-error"), m.Body)
				continue
			}
			shape(t, name, m.Body, tt.code, p.anthropic)
		}
	}
	for name, body := range map[string]string{
		"in a message": `{"model":"m","messages":[{"role":"user","role":"system","content":"x"}]}`, "in a message, escaped": `{"model":"m","messages":[{"role":"user","\u0072ole":"system","content":"x"}]}`,
	} {
		if m := g.do(t, post("/v1/chat/completions", body)); m.get("x-trapgate-error") != "duplicate_key" {
			t.Errorf("%s: %s", name, m.Line)
		}
	}
	if n := up.requests(); n > 0 {
		t.Errorf("%d of them reached the upstream: %q", n, up.last().Body)
	}
	for name, body := range map[string]string{
		"identity": chatRequest, "metadata": `{"model":"m","metadata":{"a":1,"a":2},"messages":[]}`, "a schema": `{"model":"m","tools":[{"type":"function","function":{"name":"f","parameters":{"x":1,"X":2}}}],"messages":[]}`,
	} {
		if m := g.do(t, post("/v1/chat/completions", body, "Content-Encoding: identity")); m.status() != 200 || up.last().Body != body {
			t.Errorf("%s: %s %s", name, m.Line, m.Body)
		}
	}
}

// After a refusal the connection goes on where the next request begins.
func TestConnectionGoesOnAfterRefusals(t *testing.T) {
	t.Parallel()
	g := through(t, newFake(t, okAnswer), "")
	a := g.dial(t)
	for range 5 {
		a.send(post("/v1/chat/completions", "{"))
		if m := a.read(); m.status() != 400 {
			t.Fatal(m.Line)
		}
		a.send(post("/v1/chat/completions", chatRequest, "Content-Encoding: gzip"))
		if m := a.read(); m.status() != 415 {
			t.Fatal(m.Line)
		}
		a.send(post("/v1/chat/completions", chatRequest, "Origin: https://evil.example"))
		if m := a.read(); m.status() != 403 {
			t.Fatal(m.Line)
		}
		a.send(post("/v1/chat/completions", chatRequest))
		if m := a.read(); m.status() != 200 {
			t.Fatal(m.Line)
		}
	}
}

func TestErrorsOfOurOwn(t *testing.T) {
	t.Parallel()
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	silent := newFake(t, func(c *upConn, m *message) bool { c.untilClosed(); return false })
	garbled := newFake(t, func(c *upConn, m *message) bool { c.say("SSH-2.0-x\r\n\r\n"); return false })
	mortal := newFake(t, func(c *upConn, m *message) bool { return false })
	g := open(t, "upstreams:\n"+
		"- {name: dead, base_url: http://"+dead.Addr().String()+", models: [dead], credential: none}\n"+
		"- {name: silent, base_url: "+silent.url()+", models: [silent], credential: none, timeouts: {response: 100ms}}\n"+
		"- {name: garbled, base_url: "+garbled.url()+", models: [garbled], credential: none}\n"+
		"- {name: mortal, base_url: "+mortal.url()+", models: [mortal], credential: none}\n"+
		"limits: {retry: {attempts: 1}}\n")
	for _, p := range errorPaths {
		for model, want := range map[string]struct {
			status int
			code   string
		}{
			"dead": {502, "upstream_unreachable"}, "silent": {504, "upstream_timeout"}, "garbled": {502, "upstream_malformed"}, "mortal": {502, "upstream_closed"},
			"nobody's": {404, "no_upstream"},
		} {
			m := g.do(t, post(p.path, `{"model":"`+model+`","messages":[],"input":"x"}`))
			if m.status() != want.status || m.get("x-trapgate-error") != want.code {
				t.Errorf("%s, %s: %s %q", p.name, model, m.Line, m.get("x-trapgate-error"))
			}
			shape(t, p.name+", "+model, m.Body, want.code, p.anthropic)
			if strings.Contains(m.Body, portOf(dead)) && !strings.Contains(m.Body, "dead") {
				t.Errorf("says an address, not a name: %s", m.Body)
			}
		}
	}
	// On paths that nobody knows, anthropic-version tells the dialect.
	shape(t, "unknown path", g.do(t, get("/v1/things", "anthropic-version: 2023-06-01")).Body, "not_passed_through", true)
	shape(t, "unknown path", g.do(t, get("/v1/things")).Body, "not_passed_through", false)
}

// Local web pages are not friends.
func TestHostsAndOrigins(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := through(t, up, "hosts: [trapgate.internal, \"*.svc\"]\norigins: [\"https://chat.example.com\"]\n")
	port := portOf(g.listener)
	for _, tt := range []struct {
		host, origin string
		ok           bool
	}{
		{"localhost", "", true},
		{"LOCALHOST:" + port, "", true},
		{"127.0.0.1:" + port, "", true},
		{"[::1]:" + port, "", true},
		{"trapgate.internal", "", true},
		{"a.svc:80", "", true},
		{"evil.example", "", false},
		{"evil.example:" + port, "", false},
		{"127.0.0.1.evil.example", "", false},
		{"localhost.evil.example", "", false},
		{"10.0.0.1", "", false},
		{"", "", false},
		{"0.0.0.0", "", false},
		{"localhost", "https://chat.example.com", true},
		{"localhost", "https://evil.example", false},
		{"localhost", "null", false},
		{"localhost", "http://chat.example.com", false},
		{"localhost", "https://chat.example.com.evil.example", false},
		{"localhost@evil.example", "", false},
	} {
		lines := []string{"POST /v1/messages HTTP/1.1"}
		lines = append(lines, "Host: "+tt.host)
		if tt.origin != "" {
			lines = append(lines, "Origin: "+tt.origin)
		}
		n := up.requests()
		a := g.dial(t)
		a.send(strings.Join(lines, "\r\n") + fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n%s", len(chatRequest), chatRequest))
		m := a.read()
		a.Close()
		if ok := m.status() == 200; ok != tt.ok || (up.requests() > n) != tt.ok {
			t.Errorf("host %q, origin %q: %s", tt.host, tt.origin, m.Line)
		}
		if !tt.ok && m.status() != 400 {
			if m.status() != 403 {
				t.Errorf("host %q, origin %q: %s", tt.host, tt.origin, m.Line)
			}
			shape(t, tt.host, m.Body, m.get("x-trapgate-error"), true)
		}
	}
	a := g.dial(t)
	a.send(fmt.Sprintf("POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nOrigin: https://chat.example.com\r\nOrigin: https://evil.example\r\nContent-Length: %d\r\n\r\n%s", len(chatRequest), chatRequest))
	if m := a.read(); m.status() != 403 {
		t.Errorf("two origins: %s", m.Line)
	}
}

func TestHeadLimit(t *testing.T) {
	t.Parallel()
	g := through(t, newFake(t, okAnswer), "limits: {headers: 8KiB}\n")
	if m := g.do(t, get("/v1/x", "X: "+strings.Repeat("v", 7000))); m.status() != 200 {
		t.Errorf("under the limit: %s", m.Line)
	}
	a := g.dial(t)
	io.WriteString(a, get("/v1/x", "X: "+strings.Repeat("v", 9000)))
	if m := a.read(); m.status() != 431 || m.get("x-trapgate-error") != "header_too_large" || !a.closed() {
		t.Errorf("over the limit: %s", m.Line)
	}
	for _, junk := range []string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"} {
		a := g.dial(t)
		io.WriteString(a, junk)
		a.SetReadDeadline(time.Now().Add(2 * time.Second))
		if m, err := readHead(a.r); err == nil && (m.status() < 400 || m.status() >= 500) {
			t.Errorf("%q: %s", junk, m.Line)
		}
		a.Close()
	}
}

// Agents over the limit of connections are told so, and those under it go on.
func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	g := through(t, newFake(t, okAnswer), "limits: {connections: 2}\n")
	one, two := g.dial(t), g.dial(t)
	one.send(get("/v1/x"))
	one.read()
	two.send(get("/v1/x"))
	two.read()
	for range 20 {
		a := g.dial(t)
		io.WriteString(a, get("/v1/x"))
		if m, err := readHead(a.r); err != nil || m.status() != 503 || m.get("x-trapgate-error") != "too_many_connections" || m.get("retry-after") == "" {
			t.Fatalf("the third connection: %q, %v", m.Line, err)
		}
		a.Close()
	}
	one.Close()
	eventually(t, "there is room again", func() bool { return g.server.Conns() == 1 })
	if m := g.do(t, get("/v1/x")); m.status() != 200 {
		t.Error(m.Line)
	}
}
