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

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

// An addedRun is what the section costs where there is room for all: microseconds, by round.
type addedRun struct {
	p50, p99     []float64 // with it less without
	off50, off99 []float64
}

// addedBlock is how many requests go one way before the other's turn.
const addedBlock = 25

// added measures whole exchanges, one at a time, with the section and without, in turn.
func added(p *plan, r *report) error {
	m, err := startModels(modelSpec{Instant: true})
	if err != nil {
		return err
	}
	defer m.close()
	up := upstream{name: "bench", base: m.base(0), pool: "concurrency: 64, requests_per_minute: 100_000_000, tokens_per_minute: 100_000_000_000"}
	var conns [2]*wire
	for i := range conns {
		s := setup{upstreams: []upstream{up}, off: i == 0}
		g, err := s.start()
		if err != nil {
			return err
		}
		defer func() { _ = g.Close() }()
		if conns[i], err = dial(g.Addr(), i); err != nil {
			return err
		}
		defer conns[i].Close()
	}
	var run addedRun
	for round := range p.addedRounds + 1 {
		var took [2][]float64
		for len(took[1]) < p.addedEach {
			for turn := range 2 {
				side := (turn + round) % 2
				for range addedBlock {
					us, err := conns[side].ask()
					if err != nil {
						return err
					}
					took[side] = append(took[side], us)
				}
			}
		}
		if round == 0 {
			continue // warms up
		}
		off50, off99 := benchkit.Percentile(took[0], 0.5), benchkit.Percentile(took[0], 0.99)
		run.off50, run.off99 = append(run.off50, off50), append(run.off99, off99)
		run.p50, run.p99 = append(run.p50, benchkit.Percentile(took[1], 0.5)-off50), append(run.p99, benchkit.Percentile(took[1], 0.99)-off99)
	}
	r.added(p, &run)
	return nil
}

// A wire is a connection that costs the same on every request: no client library stands between the clock and the socket.
type wire struct {
	net.Conn
	in   *bufio.Reader
	host string
	side int
	nth  int
	out  []byte
}

func dial(addr string, side int) (*wire, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("turns: %w", err)
	}
	return &wire{Conn: c, in: bufio.NewReader(c), host: addr, side: side}, nil
}

// ask sends a small request, a new one each time, and returns the microseconds until its answer was whole.
func (w *wire) ask() (float64, error) {
	w.nth++
	body := fmt.Sprintf(`{"model":"bench-1","max_tokens":64,"messages":[{"role":"system","content":"You open gates."},{"role":"user","content":"Who came as number %09d?"}]}`, w.nth)
	w.out = fmt.Appendf(w.out[:0], "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer sk-bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", w.host, len(body), body)
	began := time.Now()
	if _, err := w.Write(w.out); err != nil {
		return 0, err
	}
	length := -1
	for first := true; ; first = false {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if first && !bytes.Contains(line, []byte(" 200 ")) {
			return 0, fmt.Errorf("turns: %s", line)
		}
		if len(line) == 0 {
			break
		}
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(name, []byte("content-length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, err
			}
		}
	}
	if length < 0 {
		return 0, errors.New("turns: an answer without a length")
	}
	if _, err := io.CopyN(io.Discard, w.in, int64(length)); err != nil {
		return 0, err
	}
	return float64(time.Since(began)) / 1e3, nil
}
