package main

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// ours are the lines that every answer gets behind the upstream's own.
var ours = []string{"server-timing", "x-trapgate-request-id"}

// What an upstream answers reaches the agent with its status line, its header lines and its bytes; nothing is added but ours.
func TestResponsesReachTheAgentAsTheyCame(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := through(t, up, "")
	a := g.dial(t)
	for _, tt := range []struct {
		name, raw string
		line      string
		fields    []string
		body      string
	}{
		{"plain", sized("200 OK", "", "hello"), "HTTP/1.1 200 OK", []string{"Content-Length: 5"}, "hello"},
		{"empty body", sized("200 OK", "X: 1\r\n", ""), "HTTP/1.1 200 OK", []string{"X: 1", "Content-Length: 0"}, ""},
		{"odd reason", sized("200 Everything is  fine; really\xff", "", "x"), "HTTP/1.1 200 Everything is  fine; really\xff", []string{"Content-Length: 1"}, "x"},
		{"empty reason", sized("200 ", "", "x"), "HTTP/1.1 200 ", []string{"Content-Length: 1"}, "x"},
		{"no reason", sized("200", "", "x"), "HTTP/1.1 200 ", []string{"Content-Length: 1"}, "x"},
		{"odd status", sized("299 Hm", "", "x"), "HTTP/1.1 299 Hm", []string{"Content-Length: 1"}, "x"},
		{"status 529", sized("529 Overloaded", "x-should-retry: true\r\n", "x"), "HTTP/1.1 529 Overloaded", []string{"x-should-retry: true", "Content-Length: 1"}, "x"},
		{"case, order, twice", sized("200 OK", "b: 1\r\nSet-Cookie: a=b; Path=/\r\nSET-cookie: c=\"d\"\r\nA: 2\r\nb: 3\r\nset-cookie: a=b\r\n", "x"), "HTTP/1.1 200 OK", []string{"b: 1", "Set-Cookie: a=b; Path=/", "SET-cookie: c=\"d\"", "A: 2", "b: 3", "set-cookie: a=b", "Content-Length: 1"}, "x"},
		{"date, server, type are the upstream's", sized("200 OK", "server: x/1\r\nDATE: never\r\ncontent-Type: a/b;  c=\"d\"\r\n", "x"), "HTTP/1.1 200 OK", []string{"server: x/1", "DATE: never", "content-Type: a/b;  c=\"d\"", "Content-Length: 1"}, "x"},
		{"what clients read", sized("200 OK", "x-request-id: r\r\nrequest-id: q\r\nx-ratelimit-remaining-tokens: 1\r\nopenai-processing-ms: 3\r\nretry-after: 1\r\nretry-after-ms: 10\r\ncf-ray: z\r\n", "x"), "HTTP/1.1 200 OK", []string{"x-request-id: r", "request-id: q", "x-ratelimit-remaining-tokens: 1", "openai-processing-ms: 3", "retry-after: 1", "retry-after-ms: 10", "cf-ray: z", "Content-Length: 1"}, "x"},
		{"hop by hop", sized("200 OK", "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: a\r\nProxy-Authenticate: Basic\r\nUpgrade: h2\r\nX: 1\r\n", "x"), "HTTP/1.1 200 OK", []string{"X: 1", "Content-Length: 1"}, "x"},
		{"connection twice", sized("200 OK", "Connection: keep-alive\r\nConnection: X-Hop\r\nX-Hop: 1\r\n", "x"), "HTTP/1.1 200 OK", []string{"Content-Length: 1"}, "x"},
		{"chunked", chunks("X: 1\r\n", "he", "llo"), "HTTP/1.1 200 OK", []string{"X: 1", "Transfer-Encoding: chunked"}, "hello"},
		{"both lengths", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("hello") + "0\r\n\r\n", "HTTP/1.1 200 OK", []string{"Transfer-Encoding: chunked"}, "hello"},
		{"equal lengths twice", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.1 200 OK", []string{"Content-Length: 1"}, "x"},
		{"chunk extensions and long sizes", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n00005;a=\"b\"\r\nhello\r\n000\r\n\r\n", "HTTP/1.1 200 OK", []string{"Transfer-Encoding: chunked"}, "hello"},
		{"no content", "HTTP/1.1 204 No Content\r\nX: 1\r\n\r\n", "HTTP/1.1 204 No Content", []string{"X: 1"}, ""},
		{"not modified", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 77\r\n\r\n", "HTTP/1.1 304 Not Modified", []string{"ETag: \"a\"", "Content-Length: 77"}, ""},
		{"interim answers are skipped", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + sized("200 OK", "", "x"), "HTTP/1.1 200 OK", []string{"Content-Length: 1"}, "x"},
		{"bare LF in the head", "HTTP/1.1 200 OK\nX: 1\nContent-Length: 1\n\nx", "HTTP/1.1 200 OK", []string{"X: 1", "Content-Length: 1"}, "x"},
		{"redirects are not followed", sized("307 Temporary Redirect", "Location: http://127.0.0.1:1/x\r\n", ""), "HTTP/1.1 307 Temporary Redirect", []string{"Location: http://127.0.0.1:1/x", "Content-Length: 0"}, ""},
		{"a large head", sized("200 OK", "X-Long: "+strings.Repeat("v", 100_000)+"\r\n", "x"), "HTTP/1.1 200 OK", []string{"X-Long: " + strings.Repeat("v", 100_000), "Content-Length: 1"}, "x"},
		{"binary", sized("200 OK", "", "\x00\xff\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), "HTTP/1.1 200 OK", []string{"Content-Length: 25"}, "\x00\xff\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"},
	} {
		for _, path := range []string{"/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/files"} {
			t.Run(tt.name+path, func(t *testing.T) {
				up.answer(raw(tt.raw))
				a.send(post(path, chatRequest))
				m := a.read()
				if m.Line != tt.line || m.Body != tt.body || m.Cut {
					t.Errorf("%q, %.80q", m.Line, m.Body)
				}
				if got := m.without(ours...); !slices.Equal(got, tt.fields) {
					t.Errorf("the agent got %q, want %q", clip(got), clip(tt.fields))
				}
				if !m.has(ours[0]) || !m.has(ours[1]) {
					t.Errorf("without lines of ours: %q", clip(m.Fields))
				}
			})
		}
	}
	if n := up.connections(); n != 1 {
		t.Errorf("%d connections to the upstream, want 1", n)
	}
}

func clip(lines []string) []string {
	out := slices.Clone(lines)
	for i := range out {
		out[i] = out[i][:min(len(out[i]), 60)]
	}
	return out
}

func TestTrailers(t *testing.T) {
	t.Parallel()
	up := newFake(t, raw("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"+chunk("a")+"0\r\nX-Sum: 1\r\nx-other: b \r\n\r\n"))
	g := through(t, up, "")
	a := g.dial(t)
	for range 3 {
		a.send(post("/v1/chat/completions", chatRequest))
		if m := a.read(); !slices.Equal(m.Trailers, []string{"X-Sum: 1", "x-other: b"}) || m.get("trailer") != "X-Sum" {
			t.Errorf("%q %q", m.Trailers, m.Fields)
		}
	}
}

// An answer that lasts until its connection closes is whole; the agent's own connection goes on.
func TestUntilClose(t *testing.T) {
	t.Parallel()
	up := newFake(t, func(c *upConn, m *message) bool {
		c.say("HTTP/1.1 200 OK\r\nX: 1\r\n\r\nhel")
		time.Sleep(5 * time.Millisecond)
		c.say("lo")
		return false
	})
	g := through(t, up, "")
	a := g.dial(t)
	for range 3 {
		a.send(post("/v1/chat/completions", chatRequest))
		if m := a.read(); m.Body != "hello" || m.Cut || !slices.Equal(m.without(ours...), []string{"X: 1", "Transfer-Encoding: chunked"}) {
			t.Errorf("%q %q", m.Fields, m.Body)
		}
	}
}

// HEAD has the head of the answer and no body, whatever its lines promise.
func TestHeadRequests(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := through(t, up, "")
	a := g.dial(t)
	for _, lines := range []string{"Content-Length: 1234\r\n", "Transfer-Encoding: chunked\r\n", "X: 1\r\n", ""} {
		up.answer(raw("HTTP/1.1 200 OK\r\n" + lines + "\r\n"))
		a.send("HEAD /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if m := a.head(); m.status() != 200 {
			t.Errorf("%s", m.Line)
		}
	}
	up.answer(okAnswer)
	a.send(get("/v1/x"))
	if m := a.read(); m.Body != okJSON {
		t.Errorf("the connection is out of step: %q", m.Body)
	}
}

// Long answers pass in every framing without being gathered.
func TestLongAnswers(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := through(t, up, "")
	a := g.dial(t)
	for _, n := range []int{16<<10 - 1, 16 << 10, 16<<10 + 1, 32 << 10, 12 << 20} {
		body := strings.Repeat("0123456789abcde\n", n/16+1)[:n]
		for _, answer := range []string{sized("200 OK", "", body), chunks("", body), chunks("", body[:n/2], body[n/2:])} {
			up.answer(raw(answer))
			a.send(post("/v1/chat/completions", chatRequest))
			if m := a.read(); m.Body != body {
				t.Fatalf("%d bytes became %d", n, len(m.Body))
			}
		}
	}
}

// What is no answer in HTTP/1.1 is told as such, and its connection is never used again.
func TestMalformedAnswers(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := through(t, up, "")
	for _, answer := range []string{
		"SSH-2.0-OpenSSH_9.6\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 099 OK\r\n\r\n", "\x15\x03\x01\x00\x02\x02\x46\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n", "HTTP/1.1 200 OK\r\nX : 1\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: br\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
		strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 50),
	} {
		up.answer(func(c *upConn, m *message) bool { c.say(answer); c.untilClosed(); return false })
		for _, path := range []string{"/v1/chat/completions", "/v1/messages"} {
			m := g.do(t, post(path, chatRequest))
			if m.status() != 502 || m.get("x-trapgate-error") != "upstream_malformed" || !strings.Contains(m.Body, "upstream_malformed") {
				t.Errorf("%.60q: %s %s", answer, m.Line, m.Body)
			}
		}
	}
}

// An upstream that dies without an answer is told as such; the request is not sent again, since it may have been run.
func TestUpstreamDiesBeforeItsHead(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := through(t, up, "")
	for _, part := range []string{"", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nX: 1\r\n"} {
		for _, reset := range []bool{false, true} {
			n := up.requests()
			up.answer(func(c *upConn, m *message) bool {
				c.say(part)
				if reset {
					c.Conn.(*net.TCPConn).SetLinger(0)
				}
				return false
			})
			m := g.do(t, post("/v1/chat/completions", chatRequest))
			if m.status() != 502 || m.get("x-trapgate-error") != "upstream_closed" {
				t.Errorf("%q: %s %s", part, m.Line, m.Body)
			}
			if got := up.requests() - n; got != 1 {
				t.Errorf("%q: sent %d times", part, got)
			}
		}
	}
}

// A sized or chunked JSON answer that breaks off is a cut for the agent, never an end.
func TestCutAnswers(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := through(t, up, "")
	for _, path := range []string{"/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/files"} {
		for name, part := range map[string]string{
			"sized": "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", "nothing of it": "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
			"in a chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhello", "between chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("hello"),
			"a broken chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("hello") + "zz\r\n",
		} {
			up.answer(func(c *upConn, m *message) bool { c.say(part); return false })
			m := g.do(t, post(path, chatRequest))
			want := "hello"
			if name == "nothing of it" {
				want = ""
			}
			if m.status() != 200 || !m.Cut || m.Body != want {
				t.Errorf("%s %s: %s, cut %v, %q", path, name, m.Line, m.Cut, m.Body)
			}
		}
	}
	if o := g.outcomes(t, 20); o["truncated"] != 20 {
		t.Errorf("outcomes %v", o)
	}
}

// Binary downloads pass while they are made, and uploads while they are sent.
func TestBodiesThatNobodyReadsAreStreamed(t *testing.T) {
	t.Parallel()
	for name, part := range map[string]string{"sized": strings.Repeat("\xfe", 20_000), "chunked": strings.Repeat("\xfd", 100)} {
		first, second := make(chan string), make(chan struct{})
		up := newFake(t, func(c *upConn, m *message) bool {
			if m.Chunked {
				io.CopyN(io.Discard, c.r, int64(len(fmt.Sprintf("%x\r\n", len(part)))))
			}
			got := make([]byte, len(part))
			io.ReadFull(c.r, got)
			first <- string(got)
			io.CopyN(io.Discard, c.r, int64(len(part)))
			c.say("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 200\r\n\r\n" + strings.Repeat("\xff", 100))
			<-second
			return c.say(strings.Repeat("\x00", 100)) && !m.Chunked
		})
		g := through(t, up, "")
		a := g.dial(t)
		head, one, two := fmt.Sprintf("Content-Length: %d", 2*len(part)), part, part
		if name == "chunked" {
			head, one, two = "Transfer-Encoding: chunked", chunk(part), chunk(part)+"0\r\n\r\n"
		}
		a.send("POST /v1/files HTTP/1.1\r\nHost: localhost\r\nX-Test: unread body\r\nContent-Type: multipart/form-data; boundary=x\r\n" + head + "\r\n\r\n" + one)
		select {
		case got := <-first:
			if got != part {
				t.Errorf("%s: the upstream got %.20q", name, got)
			}
		case <-time.After(2 * time.Second):
			t.Fatalf("%s: the upstream waits for what the agent has not sent", name)
		}
		a.send(two)
		m := a.head()
		half := make([]byte, 100)
		if _, err := io.ReadFull(a.r, half); err != nil || m.get("content-length") != "200" {
			t.Fatalf("%s: %q %v", name, m.Fields, err)
		}
		close(second)
		if _, err := io.ReadFull(a.r, half); err != nil {
			t.Error(name, err)
		}
	}
}

// Uploads in chunks, longer than any limit on what is read, arrive as they were sent.
func TestLongUploads(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := through(t, up, "limits: {body: 1KiB}\n")
	a := g.dial(t)
	body := strings.Repeat("0123456789\xff\x00\r\n\r\n", 200_000)
	a.send(fmt.Sprintf("PUT /v1/uploads/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	if m := a.read(); m.status() != 200 || up.last().Body != body || up.last().Chunked {
		t.Errorf("by length: %s, %d of %d", m.Line, len(up.last().Body), len(body))
	}
	a.send("PUT /v1/uploads/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(body[:1000]) + chunk(body[1000:]) + "0\r\n\r\n")
	if m := a.read(); m.status() != 200 || up.last().Body != body || !up.last().Chunked {
		t.Errorf("in chunks: %s, %d of %d", m.Line, len(up.last().Body), len(body))
	}
}

// An upstream that answers before it has read everything is heard: the refusal goes out.
func TestUploadRefusedEarly(t *testing.T) {
	t.Parallel()
	up := newFake(t, func(c *upConn, m *message) bool {
		c.say(sized("413 Too Large", "X: 1\r\n", "too large"))
		return false
	})
	g := through(t, up, "")
	a := g.dial(t)
	go io.WriteString(a, "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nX-Test: unread body\r\nContent-Length: 40000000\r\n\r\n"+strings.Repeat("a", 40_000_000))
	if m := a.read(); m.status() != 413 || m.Body != "too large" {
		t.Errorf("%s %q", m.Line, m.Body)
	}
}
