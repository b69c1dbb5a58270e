package upstream

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// What is read ahead, piece by piece and wherever the bytes were parted on their way, is all returned by Next in its order.
func TestAhead(t *testing.T) {
	for _, tt := range framings {
		t.Run(tt.name, func(t *testing.T) {
			p := answering(t, tt.kept, func(c net.Conn) {
				head, body, _ := strings.Cut(tt.answer, "\r\n\r\n")
				io.WriteString(c, head+"\r\n\r\n")
				for i := range len(body) {
					time.Sleep(50 * time.Microsecond) // parts the bytes
					io.WriteString(c, body[i:i+1])
				}
			})
			for pieces := range len(tt.body) + 2 {
				l := stay()
				resp, err := newUpstream(t, p, nil).Do(l, post("Content-Length: 2\r\n", "{}"))
				if err != nil {
					t.Fatal(err)
				}
				seen := ""
				for range pieces {
					piece, ok := resp.Ahead(time.Now().Add(time.Second))
					if !ok {
						break
					}
					seen += string(piece)
				}
				if !strings.HasPrefix(tt.body, seen) || len(seen) < min(pieces, len(tt.body)) {
					t.Errorf("%d pieces ahead are %q", pieces, seen)
				}
				if more, _ := resp.Peek(pieces + 2); !strings.HasPrefix(string(more), seen) || !strings.HasPrefix(tt.body, string(more)) {
					t.Errorf("behind %q a look sees %q", seen, more)
				}
				if body, err := readAll(resp); body != tt.body || (err != nil) != tt.fails {
					t.Errorf("behind %d pieces: %q, %v", pieces, body, err)
				}
				l.Detach()
				resp.Close()
			}
		})
	}
}

// A wait that was too short loses nothing, also in the middle of a chunk's frame.
func TestAheadIsBounded(t *testing.T) {
	const body = "data: 1\n\n"
	for at := range len("9\r\n" + body + "\r\n") {
		further := make(chan struct{})
		p := listenWith(t, func(_ int, c net.Conn, r *bufio.Reader) {
			if _, err := readRequest(r); err != nil {
				return
			}
			all := "9\r\n" + body + "\r\n0\r\n\r\n"
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+all[:at])
			<-further
			io.WriteString(c, all[at:])
		})
		l := stay()
		resp, err := newUpstream(t, p, nil).Do(l, post("Content-Length: 2\r\n", "{}"))
		if err != nil {
			t.Fatal(err)
		}
		for began := time.Now(); ; {
			if _, ok := resp.Ahead(began.Add(30 * time.Millisecond)); !ok {
				if d := time.Since(began); d < 30*time.Millisecond || d > time.Second {
					t.Errorf("%d bytes: waited %v", at, d)
				}
				break
			}
		}
		close(further)
		if got, err := readAll(resp); got != body || err != nil || !resp.Complete() {
			t.Errorf("%d bytes: %q, %v", at, got, err)
		}
		l.Detach()
		resp.Close()
	}
}

// An answer whose end is that the connection closes has none when the connection is reset.
func TestAheadOfAReset(t *testing.T) {
	read := make(chan struct{})
	p := answering(t, false, func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\ndata")
		<-read // a reset overtakes bytes that have not been read
		c.(*net.TCPConn).SetLinger(0)
	})
	l := stay()
	resp, err := newUpstream(t, p, nil).Do(l, post("Content-Length: 2\r\n", "{}"))
	if err != nil {
		close(read)
		t.Fatal(err)
	}
	defer resp.Close()
	defer l.Detach()
	for n, ok := 0, true; ok && n < len("data"); {
		var piece []byte
		piece, ok = resp.Ahead(time.Now().Add(2 * time.Second))
		n += len(piece)
	}
	close(read)
	for ok := true; ok; {
		_, ok = resp.Ahead(time.Now().Add(2 * time.Second))
	}
	var e *Error
	if body, err := readAll(resp); body != "data" || !errors.As(err, &e) || resp.Complete() {
		t.Errorf("%q, %v", body, err)
	}
}
