package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/trapgate/trapgate/internal/head"
	"github.com/trapgate/trapgate/internal/watch"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// startServer serves on a Unix socket until the test ends: a fuzzer would use up the machine's ports.
func startServer(tb testing.TB, handler func(*Agent)) (addr string) {
	tb.Helper()
	dir, err := os.MkdirTemp("", "tg")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	w, err := watch.New()
	if err != nil {
		tb.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		tb.Fatal(err)
	}
	refuse := func(a *Agent, status int, code, msg string) { reply(a, status, code+"\n") }
	s := New(Options{Handler: handler, Refuse: refuse, Watcher: w, HeaderLimit: 8 << 10, Idle: time.Second})
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.Shutdown(ctx)
		if err := <-served; err != nil {
			tb.Error(err)
		}
		w.Close()
	})
	return l.Addr().String()
}

func reply(a *Agent, status int, body string) {
	a.Head(status, []byte("R"), head.Fields{{Name: []byte("Content-Length"), Value: strconv.AppendInt(nil, int64(len(body)), 10)}}, Sized)
	a.Write([]byte(body))
	a.Finish(nil)
}

// FuzzServer feeds arbitrary bytes to a live server: it answers in HTTP, never panics, and lets go of the connection.
func FuzzServer(f *testing.F) {
	var panics atomic.Int32
	addr := startServer(f, func(a *Agent) {
		defer func() {
			if v := recover(); v != nil {
				panics.Add(1)
			}
		}()
		body, err := a.ReadBody(1 << 16)
		if errors.Is(err, ErrBodyTooLarge) {
			reply(a, 413, "")
			return
		}
		if err != nil {
			a.Abort()
			return
		}
		reply(a, 200, string(body))
	})
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: 1\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
		"GET http://a/b?c HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "\r\n\r\n\x00\xff", "GET / HTTP/1.1\r\nX: " + string(bytes.Repeat([]byte("x"), 9000)),
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		c, err := net.Dial("unix", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		go func() {
			c.Write(in)
			c.(*net.UnixConn).CloseWrite()
		}()
		out, err := io.ReadAll(c)
		var e net.Error
		if errors.As(err, &e) && e.Timeout() {
			t.Fatalf("the connection stays open after %q", in)
		}
		if panics.Load() > 0 {
			t.Fatalf("panic on %q", in)
		}
		if err != nil {
			return // reset: it had bytes that nobody wanted
		}
		for r := bufio.NewReader(bytes.NewReader(out)); ; {
			if _, err := r.Peek(1); err != nil {
				return
			}
			method := "GET"
			if bytes.HasPrefix(in, []byte("HEAD")) {
				return
			}
			resp, err := http.ReadResponse(r, &http.Request{Method: method})
			if err != nil {
				t.Fatalf("%q was answered with %q", in, out)
			}
			io.Copy(io.Discard, resp.Body)
		}
	})
}

// What fasthttp would write is thrown away, whatever it finds wrong: each refusal is ours, whole, and closes.
func TestRefusalsAreOurs(t *testing.T) {
	addr := startServer(t, func(a *Agent) { reply(a, 200, "ok") })
	for in, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: a\r\nX: " + string(bytes.Repeat([]byte("x"), 9000)) + "\r\n\r\n": "431", "GARBAGE\r\n\r\n": "400", "GET / HTTP/1.1\r\nHost: a\r\n bad\r\n\r\n": "400", "GET / HTTP/1.1\r\nHost: a\r\nX\x01: 1\r\n\r\n": "400",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n": "400",
	} {
		c, err := net.Dial("unix", addr)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(5 * time.Second))
		io.WriteString(c, in)
		r := bufio.NewReader(c)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Errorf("%.40q: %v", in, err)
			c.Close()
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		if strconv.Itoa(resp.StatusCode) != want || len(body) == 0 || !resp.Close || resp.Header.Get("Server")+resp.Header.Get("Date") != "" {
			t.Errorf("%.40q: %s %v %q", in, resp.Status, resp.Header, body)
		}
		if _, err := r.ReadByte(); err == nil {
			t.Errorf("%.40q: bytes behind the refusal", in)
		}
		c.Close()
	}
}

// An answer that was begun and not finished cuts the connection, also when the handler says nothing at all.
func TestUnfinishedAnswersCut(t *testing.T) {
	for name, handler := range map[string]func(*Agent){
		"nothing said": func(*Agent) {},
		"head only": func(a *Agent) {
			a.Head(200, nil, head.Fields{{Name: []byte("Transfer-Encoding"), Value: []byte("chunked")}}, Chunked)
		},
		"a piece": func(a *Agent) {
			a.Head(200, nil, head.Fields{{Name: []byte("Transfer-Encoding"), Value: []byte("chunked")}}, Chunked)
			a.Write([]byte("x"))
		},
	} {
		addr := startServer(t, handler)
		c, err := net.Dial("unix", addr)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(5 * time.Second))
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		out, err := io.ReadAll(c)
		if err != nil || bytes.HasSuffix(out, []byte("0\r\n\r\n")) {
			t.Errorf("%s: %q, %v", name, out, err)
		}
		c.Close()
	}
}
