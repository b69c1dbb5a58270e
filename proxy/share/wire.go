package share

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/trapgate/trapgate/proxy/admin"
	"github.com/trapgate/trapgate/ratelimit/lease"
)

// Protocol is the upgrade that a guest asks for on the holder's socket. On Path + "leases" it is then what lease.ServeConn speaks,
// on Path + "usage" a line of JSON each way: a Batch, and an ack when it is written for good.
const Protocol = "trapgate-share"

const (
	leasesPath = admin.SharePath + "leases"
	usagePath  = admin.SharePath + "usage"
)

// maxLine bounds a batch, in bytes.
const maxLine = 64 << 20

type ack struct {
	Seq   uint64 `json:"seq"`
	Known bool   `json:"known,omitempty"` // it was written before
	Error string `json:"error,omitempty"`
}

// dial connects to the holder of a data directory.
func dial(ctx context.Context, dir, path string) (net.Conn, error) {
	conn, err := admin.Upgrade(ctx, dir, path, Protocol)
	if err != nil {
		return nil, fmt.Errorf("share: %w", err)
	}
	return conn, nil
}

// ServeHTTP lets guests in. The host has checked who they are.
func (s *Sharing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	serve := map[string]func(context.Context, net.Conn){leasesPath: s.serveLeases, usagePath: s.serveUsage}[r.URL.Path]
	switch {
	case serve == nil:
		http.NotFound(w, r)
		return
	case r.Header.Get("Upgrade") != Protocol:
		w.Header().Set("Upgrade", Protocol)
		http.Error(w, "share: this is for other Trapgates of the data directory", http.StatusUpgradeRequired)
		return
	}
	ctx, ok := s.admit()
	if !ok {
		http.Error(w, "share: not the holder any more", http.StatusServiceUnavailable)
		return
	}
	defer s.guests.Done()
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "share: "+err.Error(), http.StatusInternalServerError)
		return
	}
	_ = conn.SetDeadline(time.Time{})
	if rw.Reader.Buffered() > 0 { // it spoke before it was let in
		_ = conn.Close()
		return
	}
	if _, err := fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", Protocol); err != nil {
		_ = conn.Close()
		return
	}
	serve(ctx, conn)
}

func (s *Sharing) serveLeases(ctx context.Context, conn net.Conn) {
	s.begin() // from here on this process is one of several
	if s.purse == nil {
		_ = conn.Close() // leases come from a Redis
		return
	}
	if err := lease.ServeConn(ctx, conn, s.purse); err != nil && ctx.Err() == nil {
		s.o.Log.Warn("share: a guest's leases", "error", err)
	}
}

// serveUsage writes down what a guest has used.
func (s *Sharing) serveUsage(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		stop()
		_ = conn.Close()
	}()
	s.count(1)
	defer s.count(-1)
	in := bufio.NewReader(conn)
	for {
		var b Batch
		if err := readLine(in, &b); err != nil {
			if !errors.Is(err, io.EOF) && ctx.Err() == nil {
				s.o.Log.Warn("share: a guest's usage", "error", err)
			}
			return
		}
		answer := ack{Seq: b.Seq}
		var err error
		if answer.Known, err = s.record(ctx, &b); err != nil {
			answer.Error = err.Error()
		}
		if writeLine(conn, &answer) != nil {
			return
		}
	}
}

func (s *Sharing) record(ctx context.Context, b *Batch) (known bool, err error) {
	if b.Sender == "" || b.Seq == 0 {
		return false, errors.New("share: a batch without sender or number")
	}
	return b.write(ctx, s.db)
}

func writeLine(conn net.Conn, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("share: %w", err)
	}
	_, err = conn.Write(append(line, '\n'))
	return err
}

// readLine reads one line of JSON of at most maxLine bytes. io.EOF: there is none.
func readLine(in *bufio.Reader, v any) error {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine:
			return fmt.Errorf("share: a line of more than %d bytes", maxLine)
		case err == nil:
			return json.Unmarshal(line, v)
		case errors.Is(err, bufio.ErrBufferFull):
		case len(line) > 0 && errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		default:
			return err
		}
	}
}
