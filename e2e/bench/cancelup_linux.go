package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The states in which an agent leaves.
const (
	beforeHead = "before headers"
	midStream  = "mid-stream"
	silent     = "silent stream"
	second     = "second request on keep-alive"
	finished   = "finished" // not left at all: an ordinary answer
)

var states = []string{beforeHead, midStream, silent, second}

// A probe is one request whose agent will leave.
type probe struct {
	ready chan struct{}  // the upstream is in the state
	gone  chan time.Time // when it saw its connection closed
}

// A watcher is an upstream in this process that notes when its connection is closed, by the same clock as the agent's.
type watcher struct {
	addr string // host and port, or the path of a Unix socket
	l    net.Listener

	probes sync.Map // id -> *probe
	ids    atomic.Uint64
	active atomic.Int64 // requests that have neither been answered nor seen the close
}

func newWatcher(addr string, conf *tls.Config) (*watcher, error) {
	network := "tcp"
	if addr[0] == '/' {
		network = "unix"
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	w := &watcher{addr: l.Addr().String(), l: l}
	if conf != nil {
		w.l = tls.NewListener(l, conf)
	}
	go func() {
		for {
			c, err := w.l.Accept()
			if err != nil {
				return
			}
			go w.serve(c)
		}
	}()
	return w, nil
}

func (w *watcher) probe() (uint64, *probe) {
	id := w.ids.Add(1)
	p := &probe{ready: make(chan struct{}, 1), gone: make(chan time.Time, 1)}
	w.probes.Store(id, p)
	return id, p
}

func (w *watcher) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		state, id, err := readRequest(in)
		if err != nil {
			return
		}
		if state == finished {
			_, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(unaryAnswer), unaryAnswer)
			if err != nil {
				return
			}
			continue
		}
		found, ok := w.probes.LoadAndDelete(id)
		if !ok {
			return // a repeated request: the agent of the first has gone already
		}
		w.active.Add(1)
		w.act(c, in, state, found.(*probe))
		w.active.Add(-1)
		return
	}
}

// act brings the request into its state and waits for the close.
func (w *watcher) act(c net.Conn, in *bufio.Reader, state string, p *probe) {
	if state == midStream || state == silent {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
		writeToken(c)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	if state == midStream {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
				if writeToken(c) != nil {
					return
				}
			}
		}()
	}
	p.ready <- struct{}{}
	_, _ = in.ReadByte() // an agent sends nothing more: this ends with the connection
	p.gone <- time.Now()
	close(stop)
	wg.Wait()
}

func writeToken(c net.Conn) error {
	event := chunkStart + stampStart + "token" + chunkEnd
	_, err := fmt.Fprintf(c, "%x\r\n%s\r\n", len(event), event)
	return err
}

// readRequest reads one request and returns what its X-Bench header asks for.
func readRequest(in *bufio.Reader) (state string, id uint64, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil || len(line) < 5 {
		return "", 0, errors.Join(err, io.ErrUnexpectedEOF)
	}
	head, err := textproto.NewReader(in).ReadMIMEHeader()
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.Atoi(head.Get("Content-Length"))
	if err != nil {
		return "", 0, err
	}
	if _, err := in.Discard(n); err != nil {
		return "", 0, err
	}
	number, state, _ := strings.Cut(head.Get("X-Bench"), " ")
	id, err = strconv.ParseUint(number, 10, 64)
	return state, id, err
}
