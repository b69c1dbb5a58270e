package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
)

// An upstream is a model API of this process: it reads a request and writes at once what answer returns. The body is the upstream's
// until answer returns. Connections answer side by side.
type upstream struct {
	listener net.Listener
	answer   func(head http.Header, body []byte) []byte

	mu    sync.Mutex
	conns map[net.Conn]bool
	all   sync.WaitGroup
}

func startUpstream(answer func(http.Header, []byte) []byte) (*upstream, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("context: %w", err)
	}
	u := &upstream{listener: l, answer: answer, conns: map[net.Conn]bool{}}
	u.all.Go(u.accept)
	return u, nil
}

// base is the URL with /v1.
func (u *upstream) base() string { return "http://" + u.listener.Addr().String() + "/v1" }

func (u *upstream) close() {
	_ = u.listener.Close()
	u.mu.Lock()
	for c := range u.conns {
		_ = c.Close()
	}
	u.mu.Unlock()
	u.all.Wait()
}

func (u *upstream) accept() {
	for {
		c, err := u.listener.Accept()
		if err != nil {
			return
		}
		u.mu.Lock()
		u.conns[c] = true
		u.mu.Unlock()
		u.all.Go(func() {
			_ = u.serve(c)
			_ = c.Close()
			u.mu.Lock()
			delete(u.conns, c)
			u.mu.Unlock()
		})
	}
}

func (u *upstream) serve(c net.Conn) error {
	in := bufio.NewReaderSize(c, 64<<10)
	var body, out []byte
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return err
		}
		if body, err = readBody(body, req); err != nil {
			return err
		}
		answer := u.answer(req.Header, body)
		out = append(out[:0], "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "...)
		out = strconv.AppendInt(out, int64(len(answer)), 10)
		out = append(append(out, "\r\n\r\n"...), answer...)
		if _, err := c.Write(out); err != nil {
			return err
		}
	}
}

// readBody reads into old if it is large enough.
func readBody(old []byte, req *http.Request) ([]byte, error) {
	if req.ContentLength < 0 {
		return io.ReadAll(req.Body)
	}
	if int64(cap(old)) < req.ContentLength {
		old = make([]byte, req.ContentLength+req.ContentLength/2)
	}
	old = old[:req.ContentLength]
	if _, err := io.ReadFull(req.Body, old); err != nil {
		return old, err
	}
	if n, err := req.Body.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		return old, errors.New("context: a body longer than its length")
	}
	return old, nil
}
