//go:build e2e && unix

package clients

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trapgate/trapgate/e2e/record"
)

const rawLimit = 10 * time.Second // for anything on one connection

// A rig is Trapgate between two recorders, before an upstream that writes exactly the bytes that a test wants.
type rig struct {
	before, behind *record.Recorder
	up             *rawUpstream
	rules          record.Rules
	since          time.Time
}

func newRig(t *testing.T) *rig { return newRigAt(t, "") }

// newRigAt is newRig with a path in the upstream's base URL.
func newRigAt(t *testing.T, path string) *rig {
	t.Helper()
	r := &rig{up: startRaw(t), rules: record.Trapgate()}
	hop := Through(binary)
	if directOnly() {
		hop, r.rules = Direct, record.Relay()
	}
	var err error
	if r.behind, err = record.Start(r.up.addr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.behind.Close() })
	addr, stop, err := hop(r.behind.URL()+path, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	if r.before, err = record.Start(addr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.before.Close() })
	return r
}

// answer sets what the upstream does with each request from now on.
func (r *rig) answer(f answerFunc) {
	r.up.answer.Store(&f)
	r.since = time.Now()
}

// exchanges returns what both recorders saw since answer was called.
func (r *rig) exchanges(t *testing.T) (before, behind []record.Exchange) {
	t.Helper()
	r.before.Settle(20*time.Millisecond, 2*time.Second)
	r.behind.Settle(20*time.Millisecond, 2*time.Second)
	return r.recent(t, r.before), r.recent(t, r.behind)
}

func (r *rig) recent(t *testing.T, rec *record.Recorder) []record.Exchange {
	t.Helper()
	all, err := rec.Exchanges()
	if err != nil {
		t.Error(err)
	}
	var out []record.Exchange
	for _, x := range all {
		if !x.Request.StartAt.Before(r.since) {
			out = append(out, x)
		}
	}
	return out
}

// same fails the test for every difference that Trapgate must not make, and returns the pairs.
func (r *rig) same(t *testing.T) []record.Pair {
	t.Helper()
	before, behind := r.exchanges(t)
	diffs, pairs := record.Compare(before, behind, r.rules)
	for _, d := range diffs {
		t.Errorf("%v", d)
	}
	if len(before) == 0 {
		t.Error("nothing was recorded")
	}
	return pairs
}

// dial opens an agent's connection, closed with the test.
func (r *rig) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", r.before.Addr())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(rawLimit))
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

// send writes a raw request on a new connection.
func (r *rig) send(t *testing.T, raw string) *net.TCPConn {
	t.Helper()
	c := r.dial(t)
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	return c
}

// do sends a raw request and reads the whole response. The error is that of the body.
func (r *rig) do(t *testing.T, raw string) (*http.Response, []byte, error) {
	t.Helper()
	c := r.send(t, raw)
	defer c.Close()
	return readResponse(t, bufio.NewReader(c), raw)
}

func readResponse(t *testing.T, b *bufio.Reader, raw string) (*http.Response, []byte, error) {
	t.Helper()
	method, _, _ := strings.Cut(raw, " ")
	res, err := http.ReadResponse(b, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("no response: %v", err)
	}
	for res.StatusCode == http.StatusContinue {
		if res, err = http.ReadResponse(b, &http.Request{Method: method}); err != nil {
			t.Fatalf("no response after 100: %v", err)
		}
	}
	body, err := io.ReadAll(res.Body)
	return res, body, err
}

// post is a raw request with a body.
func post(target, body string, fields ...string) string {
	head := "POST " + target + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	for _, f := range fields {
		head += f + "\r\n"
	}
	return head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

// answerFunc writes the answer to one request; false closes the connection.
type answerFunc func(c *net.TCPConn, req rawRequest) bool

type rawRequest struct {
	*http.Request
	body []byte
}

type rawUpstream struct {
	addr   string
	answer atomic.Pointer[answerFunc]

	mu    sync.Mutex
	conns map[*net.TCPConn]bool
}

func startRaw(t *testing.T) *rawUpstream {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &rawUpstream{addr: l.Addr().String(), conns: map[*net.TCPConn]bool{}}
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Add(1)
			go func() {
				defer wg.Done()
				u.serve(c.(*net.TCPConn))
			}()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		u.mu.Lock()
		for c := range u.conns {
			_ = c.Close()
		}
		u.mu.Unlock()
		wg.Wait()
	})
	return u
}

func (u *rawUpstream) serve(c *net.TCPConn) {
	u.mu.Lock()
	u.conns[c] = true
	u.mu.Unlock()
	defer func() {
		_ = c.Close()
		u.mu.Lock()
		delete(u.conns, c)
		u.mu.Unlock()
	}()
	_ = c.SetNoDelay(true)
	b := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(b)
		if err != nil {
			return
		}
		if strings.EqualFold(req.Header.Get("Expect"), "100-continue") {
			_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		f := u.answer.Load()
		if f == nil || !(*f)(c, rawRequest{req, body}) {
			return
		}
	}
}

// whole answers every request with the same bytes.
func whole(raw string) answerFunc {
	return func(c *net.TCPConn, _ rawRequest) bool {
		_, err := io.WriteString(c, raw)
		return err == nil
	}
}

const (
	sseHead = "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\nContent-Type: text/event-stream; charset=utf-8\r\n" +
		"x-request-id: req_1\r\nX-RateLimit-Remaining-Tokens: 1\r\nopenai-processing-ms: 12\r\n"
	chunkedHead = sseHead + "Transfer-Encoding: chunked\r\n\r\n"
	lastChunk   = "0\r\n\r\n"
)

func chunk(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }

// events answers with a chunked event stream, each part in a chunk and a write of its own.
func events(parts ...string) answerFunc {
	return func(c *net.TCPConn, _ rawRequest) bool {
		if _, err := io.WriteString(c, chunkedHead); err != nil {
			return false
		}
		for _, p := range parts {
			if _, err := io.WriteString(c, chunk(p)); err != nil {
				return false
			}
		}
		_, err := io.WriteString(c, lastChunk)
		return err == nil
	}
}

// slowly writes the bytes n at a time.
func slowly(c *net.TCPConn, b []byte, n int) error {
	for len(b) > 0 {
		k := min(n, len(b))
		if _, err := c.Write(b[:k]); err != nil {
			return err
		}
		b = b[k:]
		time.Sleep(50 * time.Microsecond)
	}
	return nil
}

func join(parts []string) string { return strings.Join(parts, "") }

func mustEqual(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, tail(got, 400), tail(want, 400))
	}
}
