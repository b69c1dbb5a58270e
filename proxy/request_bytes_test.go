package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// What an agent sends reaches the upstream line by line, in its order and spelling; only what belongs to a hop changes.
func TestRequestHeadsReachTheUpstreamAsTheyCame(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := through(t, up, "")
	host := "Host: " + up.Addr().String()
	body := chatRequest
	length := fmt.Sprintf("Content-Length: %d", len(body))
	for _, tt := range []struct {
		name     string
		in, want []string // header lines, without those of the body
	}{
		{"case and order", []string{"x-B: 1", "HOST: localhost", "X-a: 2", "CONTENT-type: application/json", "x-b: 3"}, []string{"x-B: 1", "HOST: " + up.Addr().String(), "X-a: 2", "CONTENT-type: application/json", "x-b: 3"}},
		{"a name twice, apart", []string{"Host: localhost", "A: 1", "B: 2", "a: 1", "A: 1"}, []string{host, "A: 1", "B: 2", "a: 1", "A: 1"}},
		{"cookies and lists", []string{"Host: localhost", "Cookie: a=b; c=d", "Cookie: e=\"f\"", "Accept: a, b;q=0.5,c"}, []string{host, "Cookie: a=b; c=d", "Cookie: e=\"f\"", "Accept: a, b;q=0.5,c"}},
		{"white space inside", []string{"Host: localhost", "X: a \t b  c"}, []string{host, "X: a \t b  c"}},
		{"empty and one byte", []string{"Host: localhost", "X-Empty: ", "X: ;", "Y: :"}, []string{host, "X-Empty: ", "X: ;", "Y: :"}},
		{"bytes above ASCII", []string{"Host: localhost", "X: \xe4\xff ü"}, []string{host, "X: \xe4\xff ü"}},
		{"odd names", []string{"Host: localhost", "!#$%&'*+.^_`|~-1: v"}, []string{host, "!#$%&'*+.^_`|~-1: v"}},
		{"no User-Agent is added", []string{"Host: localhost"}, []string{host}},
		{"a long value", []string{"Host: localhost", "X: " + strings.Repeat("v", 30_000)}, []string{host, "X: " + strings.Repeat("v", 30_000)}},
		{"many lines", append([]string{"Host: localhost"}, numbered(300)...), append([]string{host}, numbered(300)...)},
		{"encoding is replaced in its place", []string{"A: 1", "accept-Encoding: gzip, br;q=1", "Host: localhost", "B: 2"}, []string{"A: 1", "accept-Encoding: identity", host, "B: 2"}},
		{"every encoding line", []string{"Host: localhost", "Accept-Encoding: gzip", "Accept-Encoding: br"}, []string{host, "Accept-Encoding: identity", "Accept-Encoding: identity"}},
		{"ours stay here", []string{"Host: localhost", "X-Trapgate-User: u", "x-trapgate-anything: 1", "X-TRAPGATE-Session: s", "x-trapgat: 1", "x-trapgate: 1"}, []string{host, "x-trapgat: 1", "x-trapgate: 1"}},
		{"connection and what it names", []string{"Host: localhost", "Connection: X-Hop, keep-alive", "X-Hop: 1", "Keep-Alive: timeout=1", "Proxy-Connection: x", "TE: trailers", "Upgrade: h2c", "X: 1"}, []string{host, "Connection: keep-alive", "X: 1"}},
		{"connection twice", []string{"Host: localhost", "Connection: keep-alive", "Connection: X-Hop", "X-Hop: 1"}, []string{host, "Connection: keep-alive", "Connection: keep-alive"}},
		{"connection: close is ours", []string{"Host: localhost", "Connection: close", "X: 1"}, []string{host, "Connection: keep-alive", "X: 1"}},
		{"credentials in all forms", []string{"authorization: Bearer a", "Host: localhost", "X-API-Key: b", "Api-Key: c", "OpenAI-Organization: o"}, []string{"authorization: Bearer a", host, "X-API-Key: b", "Api-Key: c", "OpenAI-Organization: o"}},
		{"trace of the agent's own", []string{"Host: localhost", "TraceParent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate: a=b", "baggage: c=d"}, []string{host, "TraceParent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate: a=b", "baggage: c=d"}},
		{"forwarding lines of others", []string{"Host: localhost", "X-Forwarded-For: 1.2.3.4", "Via: 1.1 x", "Forwarded: for=x", "X-Real-IP: 9.9.9.9"}, []string{host, "X-Forwarded-For: 1.2.3.4", "Via: 1.1 x", "Forwarded: for=x", "X-Real-IP: 9.9.9.9"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := g.dial(t)
			defer a.Close()
			a.send("POST /v1/chat/completions HTTP/1.1\r\n" + strings.Join(tt.in, "\r\n") + "\r\n" + length + "\r\n\r\n" + body)
			if m := a.read(); m.status() != 200 {
				t.Fatalf("%s: %s", m.Line, m.Body)
			}
			got := up.last()
			if want := append(tt.want, length); !slices.Equal(got.Fields, want) {
				t.Errorf("the upstream got\n%q\nwant\n%q", got.Fields, want)
			}
			if got.Body != body || got.Line != "POST /v1/chat/completions HTTP/1.1" {
				t.Errorf("%s, %q", got.Line, got.Body)
			}
		})
	}
}

func numbered(n int) (lines []string) {
	for i := range n {
		lines = append(lines, fmt.Sprintf("X-%d: %d", i, i))
	}
	return lines
}

// Paths and queries are nobody's business but the upstream's.
func TestTargetsReachTheUpstreamAsTheyCame(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := through(t, up, "")
	for _, target := range []string{
		"/v1/chat/completions", "/v1/chat/completions?a=b&a=c&=&&", "/v1/chat/completions?q=%20+ü\xff", "/v1/chat/completions?", "/v1/chat/completions?a=/../b?c#",
		"/chat/completions", "/api/v1/chat/completions", "/v1beta/chat/completions", "/v1/chat%2Fcompletions", "/v1/./chat/completions", "/v1/x/../chat/completions",
		"//v1//chat/completions", "/v1/chat/completions/", "/V1/Chat/Completions",
		"/openai/deployments/gpt%204/chat/completions?api-version=2025-01-01", "/openai/deployments/a/b/chat/completions?api-version=x", "/openai/v1/responses",
		"/v1/responses?include[]=a", "/v1/completions", "/v1/embeddings", "/v1/files/a%2fb%2E%2e/content;x=1",
		"/v1/unknown/~!$&'()*+,;=:@", "/", "/?", "/%", "/%zz",
	} {
		m := g.do(t, post(target, chatRequest))
		if want := "POST " + target + " HTTP/1.1"; m.status() != 200 || up.last().Line != want {
			t.Errorf("%q became %q (%s %s)", want, up.last().Line, m.Line, m.Body)
		}
	}
}

// A target in absolute form, which every server must take, is the upstream's own path.
func TestAbsoluteTargets(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := open(t, "upstreams: [{name: u, base_url: "+up.url()+"/base/v1, credential: agent}]\n")
	for _, tt := range [][2]string{
		{"http://localhost/v1/chat/completions?a=b", "/base/v1/chat/completions?a=b"},
		{"HTTP://LOCALHOST:1/v1/chat/completions", "/base/v1/chat/completions"},
		{"http://localhost", "/base/"},
	} {
		m := g.do(t, post(tt[0], chatRequest))
		if want := "POST " + tt[1] + " HTTP/1.1"; m.status() != 200 || up.last().Line != want {
			t.Errorf("%q became %q (%s)", tt[0], up.last().Line, m.Line)
		}
	}
	n := up.requests()
	if m := g.do(t, post("http://evil.example/v1/chat/completions", chatRequest)); m.status() != 403 || up.requests() != n {
		t.Errorf("another authority in the target: %s", m.Line)
	}
}

// Methods and requests without body pass, and none is invented.
func TestMethods(t *testing.T) {
	t.Parallel()
	up := newFake(t, func(c *upConn, m *message) bool {
		if strings.HasPrefix(m.Line, "HEAD") {
			return c.say("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nX: 1\r\n\r\n")
		}
		return c.say(sized("200 OK", "X: 1\r\n", "ok"))
	})
	g := through(t, up, "")
	a := g.dial(t)
	for _, method := range []string{"GET", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH", "PROPFIND", "X-Odd"} {
		a.send(method + " /v1/things/1 HTTP/1.1\r\nHost: localhost\r\nX: 1\r\n\r\n")
		m := a.head()
		if method != "HEAD" {
			m.readBody(a.r, false)
		} else if m.get("content-length") != "1234" {
			t.Errorf("HEAD: %q", m.Fields)
		}
		got := up.last()
		if m.status() != 200 || got.Line != method+" /v1/things/1 HTTP/1.1" || !slices.Equal(got.Fields, []string{"Host: " + up.Addr().String(), "X: 1"}) {
			t.Errorf("%s: %s; upstream got %s %q", method, m.Line, got.Line, got.Fields)
		}
	}
	a.send("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if m := a.read(); up.last().Line != "OPTIONS * HTTP/1.1" {
		t.Errorf("OPTIONS *: %s, upstream got %s", m.Line, up.last().Line)
	}
	a.send(post("/v1/files", "", "X: 1"))
	if a.read(); up.last().get("content-length") != "0" {
		t.Errorf("a body of no bytes: %q", up.last().Fields)
	}
	if n := up.connections(); n != 1 {
		t.Errorf("%d connections to the upstream, want 1", n)
	}
}

func bodyOf(n int) string {
	const head, tail = `{"model":"m","messages":[{"role":"user","content":"`, `"}]}`
	return head + strings.Repeat("x", n-len(head)-len(tail)) + tail
}

// Bodies of every awkward size arrive whole, by length and in chunks, one after the other on one connection.
func TestBodySizes(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := through(t, up, "")
	a := g.dial(t)
	for _, n := range []int{100, 2047, 2048, 2049, 4096, 8191, 8192, 8193, 16 << 10, 64<<10 - 1, 64 << 10, 64<<10 + 1, 1 << 20, 1<<20 + 1} {
		body := bodyOf(n)
		a.send(post("/v1/chat/completions", body))
		if m := a.read(); m.status() != 200 || up.last().Body != body || up.last().Chunked {
			t.Fatalf("%d bytes by length: %s; the upstream got %d", n, m.Line, len(up.last().Body))
		}
		a.send("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\ntransfer-encoding: Chunked\r\nX: 1\r\n\r\n")
		for rest := body; len(rest) > 0; {
			k := min(len(rest), 1+n/3)
			a.send(chunk(rest[:k]))
			rest = rest[k:]
		}
		a.send("0\r\n\r\n")
		m, got := a.read(), up.last()
		if m.status() != 200 || got.Body != body || !got.Chunked || got.has("content-length") {
			t.Fatalf("%d bytes in chunks: %s; the upstream got %d, %q", n, m.Line, len(got.Body), got.Fields)
		}
	}
}

// A message with two lengths is how requests are smuggled: it is refused, or leaves with one.
func TestAmbiguousLengths(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := through(t, up, "")
	for _, tt := range []struct{ name, lines, body string }{
		{"length and chunked", "Content-Length: 57\r\nTransfer-Encoding: chunked\r\n", chunk(chatRequest) + "0\r\n\r\n"},
		{"chunked and length", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", chunk(chatRequest) + "0\r\n\r\n"},
		{"identity", "Transfer-Encoding: identity\r\nContent-Length: 57\r\n", chatRequest},
		{"two lengths", "Content-Length: 57\r\nContent-Length: 57\r\n", chatRequest},
		{"a list of lengths", "Content-Length: 57, 57\r\n", chatRequest},
		{"signed", "Content-Length: +57\r\n", chatRequest},
		{"two encodings", "Transfer-Encoding: gzip, chunked\r\n", chunk(chatRequest) + "0\r\n\r\n"},
		{"chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunk(chatRequest) + "0\r\n\r\n"},
		{"space before the colon", "Content-Length : 57\r\n", chatRequest},
		{"bare CR", "X: a\rContent-Length: 0\r\nContent-Length: 57\r\n", chatRequest},
		{"folded", "X: a\r\n b\r\nContent-Length: 57\r\n", chatRequest},
		{"NUL", "X: a\x00b\r\nContent-Length: 57\r\n", chatRequest},
		{"two hosts", "Host: evil.example\r\nContent-Length: 57\r\n", chatRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := up.requests()
			a := g.dial(t)
			defer a.Close()
			a.send("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n" + tt.lines + "\r\n" + tt.body)
			m := a.read()
			if up.requests() == n {
				if m.status() < 400 || !m.has("x-trapgate-error") {
					t.Errorf("neither sent nor refused: %s", m.Line)
				}
				if !a.closed() {
					t.Error("the connection goes on, although nobody knows where the next request begins")
				}
				return
			}
			got := up.last()
			if got.Chunked && got.has("content-length") {
				t.Errorf("the upstream got both: %q", got.Fields)
			}
			if got.Body != chatRequest {
				t.Errorf("the upstream got %q", got.Body)
			}
		})
	}
}
