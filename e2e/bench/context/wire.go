package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// A wire is a connection that costs the same on every request: no client library stands between the clock and the socket.
type wire struct {
	net.Conn
	in   *bufio.Reader
	host string
	head []byte

	context []byte // the last answer's x-trapgate-context
	timing  []byte // and its Server-Timing
}

func dial(addr string) (*wire, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("context: %w", err)
	}
	return &wire{Conn: c, in: bufio.NewReader(c), host: addr}, nil
}

// ask sends a body in two pieces and returns the microseconds until its answer was whole.
func (w *wire) ask(body, end []byte) (float64, error) {
	w.head = fmt.Appendf(w.head[:0], "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer sk-bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		w.host, len(body)+len(end))
	pieces := net.Buffers{w.head, body, end}
	began := time.Now()
	if _, err := pieces.WriteTo(w.Conn); err != nil {
		return 0, err
	}
	length, err := w.readHead()
	if err != nil {
		return 0, err
	}
	if _, err := io.CopyN(io.Discard, w.in, int64(length)); err != nil {
		return 0, err
	}
	return float64(time.Since(began)) / 1e3, nil
}

func (w *wire) readHead() (length int, err error) {
	length, w.context, w.timing = -1, w.context[:0], w.timing[:0]
	for first := true; ; first = false {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if first && !bytes.Contains(line, []byte(" 200 ")) {
			return 0, fmt.Errorf("context: %s", line)
		}
		if len(line) == 0 {
			break
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		switch value = bytes.TrimSpace(value); {
		case !ok:
		case bytes.EqualFold(name, []byte("content-length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, err
			}
		case bytes.EqualFold(name, []byte("x-trapgate-context")):
			w.context = append(w.context, value...)
		case bytes.EqualFold(name, []byte("server-timing")):
			w.timing = append(append(w.timing, value...), ',')
		}
	}
	if length < 0 {
		return 0, errors.New("context: an answer without a length")
	}
	return length, nil
}

// spent is what Server-Timing says that a filter took, in microseconds; ok is false when it does not name it.
func spent(timing []byte, filter string) (us float64, ok bool) {
	for entry := range bytes.SplitSeq(timing, []byte(",")) {
		name, rest, _ := bytes.Cut(bytes.TrimSpace(entry), []byte(";"))
		dur, found := bytes.CutPrefix(bytes.TrimSpace(rest), []byte("dur="))
		if string(name) != filter || !found {
			continue
		}
		ms, err := strconv.ParseFloat(string(dur), 64)
		return ms * 1e3, err == nil
	}
	return 0, false
}
