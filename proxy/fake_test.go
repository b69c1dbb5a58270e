package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A fake is an upstream whose every byte a test decides.
type fake struct {
	net.Listener
	tb   testing.TB
	wg   sync.WaitGroup
	gone chan struct{} // one for each connection that has ended

	mu      sync.Mutex
	got     []*message
	dials   int
	open    map[net.Conn]bool
	respond func(c *upConn, m *message) bool
}

// An upConn is the upstream's side of a connection, for one request on it.
type upConn struct {
	net.Conn
	r      *bufio.Reader
	f      *fake
	nth    int // of the connection, from 1
	number int // of the request on the upstream, from 0
}

func (c *upConn) say(s string) bool {
	_, err := io.WriteString(c, s)
	return err == nil
}

// untilClosed waits for the other side to end the connection.
func (c *upConn) untilClosed() {
	c.SetReadDeadline(time.Now().Add(longest))
	io.Copy(io.Discard, c.r)
}

// newFake starts an upstream. respond answers one request and reports whether the connection goes on.
func newFake(tb testing.TB, respond func(c *upConn, m *message) bool) *fake {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	return fakeOn(tb, l, respond)
}

func fakeOn(tb testing.TB, l net.Listener, respond func(c *upConn, m *message) bool) *fake {
	f := &fake{Listener: l, tb: tb, open: map[net.Conn]bool{}, respond: respond, gone: make(chan struct{}, 10_000)}
	f.wg.Add(1)
	go f.accept()
	tb.Cleanup(f.stop)
	return f
}

func (f *fake) stop() {
	f.Close()
	f.mu.Lock()
	for c := range f.open {
		c.Close()
	}
	f.mu.Unlock()
	f.wg.Wait()
}

func (f *fake) accept() {
	defer f.wg.Done()
	for {
		c, err := f.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		f.dials++
		f.open[c] = true
		n := f.dials
		f.mu.Unlock()
		f.wg.Add(1)
		go func() {
			defer f.wg.Done()
			f.serve(&upConn{Conn: c, r: bufio.NewReader(c), f: f, nth: n})
			c.Close()
			f.mu.Lock()
			delete(f.open, c)
			f.mu.Unlock()
			select {
			case f.gone <- struct{}{}:
			default:
			}
		}()
	}
}

func (f *fake) serve(c *upConn) {
	for {
		m, err := readHead(c.r)
		if err != nil {
			return
		}
		if m.get("x-test") != "unread body" {
			if m.readBody(c.r, false) != nil {
				return
			}
		}
		f.mu.Lock()
		c.number = len(f.got)
		f.got = append(f.got, m)
		respond := f.respond
		f.mu.Unlock()
		if !respond(c, m) {
			return
		}
	}
}

// answer replaces what the upstream does from now on.
func (f *fake) answer(respond func(c *upConn, m *message) bool) {
	f.mu.Lock()
	f.respond = respond
	f.mu.Unlock()
}

// last returns the newest request, requests how many there were, and connections how often somebody dialled.
func (f *fake) last() *message {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.got) == 0 {
		f.tb.Error("the upstream got no request")
		return &message{}
	}
	return f.got[len(f.got)-1]
}

func (f *fake) requests() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.got)
}

func (f *fake) connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dials
}

func (f *fake) url() string { return "http://" + f.Addr().String() }

// raw answers every request with the same bytes and keeps the connection.
func raw(s string) func(*upConn, *message) bool {
	return func(c *upConn, _ *message) bool { return c.say(s) }
}

// sized makes an answer with a length; head holds further header lines, each with its line end.
func sized(status, head, body string) string {
	return "HTTP/1.1 " + status + "\r\n" + head + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// chunks makes a chunked answer, one chunk for each piece.
func chunks(head string, pieces ...string) string {
	var b strings.Builder
	b.WriteString("HTTP/1.1 200 OK\r\n" + head + "Transfer-Encoding: chunked\r\n\r\n")
	for _, p := range pieces {
		b.WriteString(chunk(p))
	}
	return b.String() + "0\r\n\r\n"
}

func chunk(p string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(p), p) }

const okJSON = `{"id":"chatcmpl-1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}`

var okAnswer = raw(sized("200 OK", "Content-Type: application/json\r\n", okJSON))
