package upstream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/trapgate/trapgate/internal/head"
	"github.com/trapgate/trapgate/internal/watch"
	"github.com/trapgate/trapgate/proxy/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A peer is an upstream whose every byte the test decides.
type peer struct {
	net.Listener
	conns atomic.Int32
	wg    sync.WaitGroup
}

// listenWith serves each connection with f, which gets its number from 1.
func listenWith(t *testing.T, f func(n int, c net.Conn, r *bufio.Reader)) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{Listener: l}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n := int(p.conns.Add(1))
			p.wg.Add(1)
			go func() {
				defer p.wg.Done()
				defer c.Close()
				f(n, c, bufio.NewReader(c))
			}()
		}
	}()
	t.Cleanup(func() { l.Close(); p.wg.Wait() })
	return p
}

// readRequest reads a head and, when it has a content-length, the body.
func readRequest(r *bufio.Reader) (string, error) {
	var b strings.Builder
	length := 0
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return b.String(), err
		}
		b.WriteString(line)
		fmt.Sscanf(strings.ToLower(line), "content-length: %d", &length)
		if line == "\r\n" {
			break
		}
	}
	_, err := io.CopyN(&b, r, int64(length))
	return b.String(), err
}

func newUpstream(t *testing.T, p *peer, change func(*config.Upstream)) *Upstream {
	t.Helper()
	w, err := watch.New()
	if err != nil {
		t.Fatal(err)
	}
	c := &config.Upstream{
		Name: "u", Network: "tcp", Address: p.Addr().String(), Host: p.Addr().String(),
		ConnectTimeout: 2 * time.Second, ResponseTimeout: 2 * time.Second, StreamIdle: 2 * time.Second, IdleConn: time.Second,
	}
	if change != nil {
		change(c)
	}
	set := NewSet(w, &config.Snapshot{Upstreams: []*config.Upstream{c}}, nil)
	t.Cleanup(func() { set.Close(); w.Close() })
	return set.Get(c)
}

// leaver is an agent that leaves when the test says so.
type leaver struct {
	context.Context
	mu   sync.Mutex
	up   interface{ Kill() }
	gone bool
}

func stay() *leaver { return &leaver{Context: context.Background()} }

func (l *leaver) Attach(k interface{ Kill() }) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up = k
	return !l.gone
}

func (l *leaver) Detach() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up = nil
	return !l.gone
}

func (l *leaver) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
	if l.up != nil {
		l.up.Kill()
	}
}

func post(fields string, body string) *Request {
	f, _ := head.Parse(nil, []byte(fields))
	return &Request{Method: "POST", Target: "/v1/chat/completions", Fields: f, Body: []byte(body)}
}

func readAll(r *Response) (string, error) {
	var b strings.Builder
	for {
		piece, err := r.Next()
		b.Write(piece)
		if errors.Is(err, io.EOF) {
			return b.String(), nil
		}
		if err != nil {
			return b.String(), err
		}
	}
}

// framings are the ways in which a body ends, well and badly.
// answering is a peer that answers each request of a connection, or, unless kept, the first one and then closes it.
func answering(t *testing.T, kept bool, answer func(net.Conn)) *peer {
	t.Helper()
	return listenWith(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			if _, err := readRequest(r); err != nil {
				return
			}
			answer(c)
			if !kept {
				return
			}
		}
	})
}

var framings = []struct {
	name, answer, body string
	fails, kept        bool
}{
	{"sized", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", false, true},
	{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n", "hello", false, true},
	{"chunked with trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n", "hello", false, true},
	{"until close", "HTTP/1.1 200 OK\r\n\r\nhello", "hello", false, false},
	{"connection: close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", "hello", false, false},
	{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", false, false},
	{"no body", "HTTP/1.1 204 No Content\r\n\r\n", "", false, true},
	{"interim answers are skipped", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", false, true},
	{"sized, cut", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "hello", true, false},
	{"chunked, cut in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello", "hello", true, false},
	{"chunked, cut between chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "hello", true, false},
	{"bad chunk size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n", "", true, false},
	{"bad chunk end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n", "hello", true, false},
	{"bytes behind the answer", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200", "hello", false, false},
}

func TestFramings(t *testing.T) {
	for _, tt := range framings {
		t.Run(tt.name, func(t *testing.T) {
			p := answering(t, tt.kept, func(c net.Conn) { io.WriteString(c, tt.answer) })
			u := newUpstream(t, p, nil)
			for round := range 2 {
				l := stay()
				resp, err := u.Do(l, post("Content-Length: 2\r\n", "{}"))
				if err != nil {
					t.Fatal(err)
				}
				body, err := readAll(resp)
				l.Detach()
				resp.Close()
				if body != tt.body || (err != nil) != tt.fails {
					t.Fatalf("round %d: %q, %v", round, body, err)
				}
			}
			want := int32(2)
			if tt.kept {
				want = 1
			}
			if n := p.conns.Load(); n != want {
				t.Errorf("%d connections, want %d", n, want)
			}
		})
	}
}

// What has been looked at is still returned, once, with the end or the error behind it.
func TestPeek(t *testing.T) {
	for _, tt := range framings {
		for _, most := range []int{0, 1, 3, 5, 64} {
			t.Run(fmt.Sprintf("%s/%d", tt.name, most), func(t *testing.T) {
				p := answering(t, false, func(c net.Conn) { io.WriteString(c, tt.answer) })
				l := stay()
				resp, err := newUpstream(t, p, nil).Do(l, post("Content-Length: 2\r\n", "{}"))
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Close()
				defer l.Detach()
				seen, whole := resp.Peek(most)
				if !strings.HasPrefix(tt.body, string(seen)) || len(seen) < min(most, len(tt.body)) {
					t.Fatalf("sees %q", seen)
				}
				if whole && (tt.fails || len(seen) < len(tt.body)) || most > len(tt.body) && whole == tt.fails {
					t.Errorf("whole = %v with %q", whole, seen)
				}
				if again, w := resp.Peek(most); !bytes.Equal(again, seen) || w != whole {
					t.Errorf("a second look sees %q, whole = %v", again, w)
				}
				if resp.Complete() != (tt.body == "" && !tt.fails) {
					t.Errorf("complete = %v before the body was taken", resp.Complete())
				}
				body, err := readAll(resp)
				if body != tt.body || (err != nil) != tt.fails || resp.Complete() == tt.fails {
					t.Errorf("%q, %v, complete = %v", body, err, resp.Complete())
				}
			})
		}
	}
}

func TestMalformedHeads(t *testing.T) {
	for _, answer := range []string{
		"garbage\r\n\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", maxHead) + "\r\n\r\n",
	} {
		p := listenWith(t, func(_ int, c net.Conn, r *bufio.Reader) {
			readRequest(r)
			io.WriteString(c, answer)
			io.Copy(io.Discard, r)
		})
		_, err := newUpstream(t, p, nil).Do(stay(), post("", "{}"))
		var e *Error
		if !errors.As(err, &e) || e.Kind != Malformed {
			t.Errorf("%.40q: %v", answer, err)
		}
	}
}

// The agent's lines arrive in their order and spelling; what belongs to a hop is replaced in its place.
func TestRequestHead(t *testing.T) {
	seen := make(chan string, 1)
	p := listenWith(t, func(_ int, c net.Conn, r *bufio.Reader) {
		s, _ := readRequest(r)
		seen <- s
		io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
	})
	u := newUpstream(t, p, nil)
	r := post("accept: */*\r\nHOST: localhost:1\r\nAccept-Encoding: gzip, br\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nx-trapgate-user: me\r\n"+
		"authorization: Bearer k\r\nTE: trailers\r\nX-Odd:   a  b\r\ncontent-length: 2\r\nX-Odd: c\r\n", "{}")
	resp, err := u.Do(stay(), r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Close()
	want := "POST /v1/chat/completions HTTP/1.1\r\naccept: */*\r\nHOST: " + p.Addr().String() + "\r\nAccept-Encoding: identity\r\nConnection: keep-alive\r\n" +
		"authorization: Bearer k\r\nX-Odd: a  b\r\ncontent-length: 2\r\nX-Odd: c\r\n\r\n{}"
	if got := <-seen; got != want {
		t.Errorf("upstream saw\n%s\nwant\n%s", got, want)
	}
}

// A kept connection that the upstream has closed costs nothing but a dial; the request is run once.
func TestStaleKeepAlive(t *testing.T) {
	var served atomic.Int32
	p := listenWith(t, func(_ int, c net.Conn, r *bufio.Reader) {
		if _, err := readRequest(r); err != nil {
			return
		}
		served.Add(1)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
	})
	u := newUpstream(t, p, nil)
	for i := range 50 {
		l := stay()
		resp, err := u.Do(l, post("Content-Length: 2\r\n", "{}"))
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		if _, err := readAll(resp); err != nil {
			t.Fatal(err)
		}
		l.Detach()
		resp.Close()
		if i%2 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	if n := served.Load(); n != 50 {
		t.Errorf("served %d requests, want 50", n)
	}
}

// An upstream that has taken the request and dies is not asked again.
func TestTakenRequestIsNotRepeated(t *testing.T) {
	var served atomic.Int32
	p := listenWith(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for i := 0; ; i++ {
			if _, err := readRequest(r); err != nil {
				return
			}
			served.Add(1)
			if i == 1 {
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		}
	})
	u := newUpstream(t, p, nil)
	l := stay()
	resp, err := u.Do(l, post("Content-Length: 2\r\n", "{}"))
	if err != nil {
		t.Fatal(err)
	}
	readAll(resp)
	l.Detach()
	resp.Close()
	_, err = u.Do(stay(), post("Content-Length: 2\r\n", "{}"))
	var e *Error
	if !errors.As(err, &e) || e.Kind != Closed {
		t.Errorf("got %v, want a closed connection", err)
	}
	if n := served.Load(); n != 2 {
		t.Errorf("the upstream ran %d requests, want 2", n)
	}
}

func TestTimeouts(t *testing.T) {
	p := listenWith(t, func(_ int, c net.Conn, r *bufio.Reader) {
		s, _ := readRequest(r)
		if strings.Contains(s, "half") {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")
		}
		io.Copy(io.Discard, r)
	})
	u := newUpstream(t, p, func(c *config.Upstream) { c.ResponseTimeout, c.StreamIdle = 50*time.Millisecond, 50*time.Millisecond })
	var e *Error
	if _, err := u.Do(stay(), post("Content-Length: 2\r\n", "{}")); !errors.As(err, &e) || e.Kind != Timeout {
		t.Errorf("no head: %v", err)
	}
	resp, err := u.Do(stay(), post("Content-Length: 4\r\n", "half"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Close()
	if _, err := readAll(resp); !errors.As(err, &e) || e.Kind != Timeout {
		t.Errorf("silent in the middle: %v", err)
	}
}

func TestAgentLeaves(t *testing.T) {
	closed := make(chan struct{})
	reached := make(chan struct{})
	p := listenWith(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readRequest(r)
		close(reached)
		io.Copy(io.Discard, r)
		close(closed)
	})
	u := newUpstream(t, p, nil)
	l := stay()
	go func() { <-reached; l.leave() }()
	_, err := u.Do(l, post("Content-Length: 2\r\n", "{}"))
	var e *Error
	if !errors.As(err, &e) || e.Kind != Agent {
		t.Errorf("got %v", err)
	}
	select {
	case <-closed:
	case <-time.After(time.Second):
		t.Error("the upstream's connection was not closed")
	}
}

func TestConnectFails(t *testing.T) {
	p := listenWith(t, func(int, net.Conn, *bufio.Reader) {})
	u := newUpstream(t, p, nil)
	p.Close()
	var e *Error
	if _, err := u.Do(stay(), post("", "{}")); !errors.As(err, &e) || e.Kind != Connect {
		t.Errorf("got %v", err)
	}
}

func FuzzParseHead(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n"))
	f.Fuzz(func(t *testing.T, block []byte) {
		var r Response
		err := r.parseHead(block, "POST")
		if err == nil && (r.Status < 100 || r.Length < -2 || r.left < 0) {
			t.Fatalf("accepted %d %d", r.Status, r.Length)
		}
	})
}

func FuzzChunkSize(f *testing.F) {
	f.Add([]byte("1a;x\r\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		if n, ok := chunkSize(line); ok && n < 0 {
			t.Fatalf("%q gave %d", line, n)
		}
	})
}

// A head with bare line feeds is read too, and nothing behind it is taken for a part of it.
func TestHeadWithBareLineFeeds(t *testing.T) {
	p := listenWith(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readRequest(r)
		io.WriteString(c, "HTTP/1.1 200 OK\nContent-Length: 14\n\ndata: a\r\n\r\nend")
	})
	l := stay()
	resp, err := newUpstream(t, p, nil).Do(l, post("Content-Length: 2\r\n", "{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Close()
	if body, err := readAll(resp); body != "data: a\r\n\r\nend" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
}

// An upstream that hangs up while its last answer is still being read is not asked on that connection again.
func TestPeerThatLeftIsNotPooled(t *testing.T) {
	p := listenWith(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readRequest(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
	})
	u := newUpstream(t, p, nil)
	for range 5 {
		l := stay()
		resp, err := u.Do(l, post("Content-Length: 2\r\n", "{}"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond) // the watcher has told by now
		readAll(resp)
		l.Detach()
		resp.Close()
	}
	if s := u.State(); s.Redials != 0 || s.Idle != 0 || s.Dials != 5 {
		t.Errorf("%+v", s)
	}
}
