//go:build e2e && unix

package clients

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/e2e/record"
)

// readFinal reads a response head, past interim ones.
func readFinal(t *testing.T, c net.Conn) *http.Response {
	t.Helper()
	b := bufio.NewReader(c)
	for {
		res, err := http.ReadResponse(b, &http.Request{Method: http.MethodPost})
		if err != nil {
			t.Fatalf("no response: %v", err)
		}
		if res.StatusCode >= 200 {
			return res
		}
	}
}

// TestFlush: the head reaches the agent before the first event is made, and each event before the next.
func TestFlush(t *testing.T) {
	r := newRig(t)
	for _, d := range dialects() {
		for _, how := range []string{"chunked", "until close", "with a length"} {
			t.Run(d.name+"/"+how, func(t *testing.T) {
				parts := d.events()
				next := make(chan struct{})
				r.answer(func(c *net.TCPConn, _ rawRequest) bool {
					head, frame, end := chunkedHead, chunk, lastChunk
					switch how {
					case "until close":
						head, frame, end = sseHead+"\r\n", plain, ""
					case "with a length":
						head, frame, end = sseHead+lengthOf(join(parts))+"\r\n", plain, ""
					}
					_, _ = io.WriteString(c, head)
					for _, p := range parts {
						<-next
						if _, err := io.WriteString(c, frame(p)); err != nil {
							return false
						}
					}
					_, _ = io.WriteString(c, end)
					return how != "until close"
				})
				c := r.send(t, post(d.target, d.body))
				res := readFinal(t, c)
				for i, p := range parts {
					next <- struct{}{}
					buf := make([]byte, len(p))
					if _, err := io.ReadFull(res.Body, buf); err != nil {
						t.Fatalf("event %d is not passed on before the next is made: %v", i, err)
					}
					mustEqual(t, "event", buf, []byte(p))
				}
				if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
					t.Errorf("after the last event: %q, %v", rest, err)
				}
				r.same(t)
			})
		}
	}
}

func plain(s string) string { return s }

func lengthOf(s string) string { return "Content-Length: " + strconv.Itoa(len(s)) + "\r\n" }

// TestCut: a stream that the upstream cuts is cut for the agent, after the same bytes and with none of ours.
func TestCut(t *testing.T) {
	r := newRig(t)
	ends := []struct {
		name string
		head string
		last string // after the complete events
		end  func(*net.TCPConn)
	}{
		{"closed between chunks", chunkedHead, "", func(*net.TCPConn) {}},
		{"closed inside a chunk", chunkedHead, "40\r\ndata: {\"id\"", func(*net.TCPConn) {}},
		{"closed inside a chunk size", chunkedHead, "4", func(*net.TCPConn) {}},
		{"closed before the last line end", chunkedHead, "0\r\n", func(*net.TCPConn) {}},
		{"reset between chunks", chunkedHead, "", func(c *net.TCPConn) { _ = c.SetLinger(0) }},
		{"short of its length", sseHead + "Content-Length: 100000\r\n\r\n", "data: {\"id\"", func(*net.TCPConn) {}},
		{"reset while read until close", sseHead + "\r\n", "data: {\"id\"", func(c *net.TCPConn) { _ = c.SetLinger(0) }},
	}
	for _, d := range dialects() {
		for _, e := range ends {
			t.Run(d.name+"/"+e.name, func(t *testing.T) {
				parts := d.events()[:3]
				frame := chunk
				if e.head != chunkedHead {
					frame = plain
				}
				r.answer(func(c *net.TCPConn, _ rawRequest) bool {
					_, _ = io.WriteString(c, e.head)
					for _, p := range parts {
						_, _ = io.WriteString(c, frame(p))
					}
					_, _ = io.WriteString(c, e.last)
					time.Sleep(50 * time.Millisecond) // a reset must not overtake the bytes
					e.end(c)
					return false
				})
				_, body, err := r.do(t, post(d.target, d.body))
				if err == nil {
					t.Error("the agent sees a clean end, want a cut")
				}
				if !strings.HasPrefix(string(body), join(parts)) {
					t.Errorf("events before the cut are lost: %q", body)
				}
				r.same(t)
			})
		}
	}
}

// TestCloseAfterTerminal: an agent that hangs up at the terminal event, before the end of the body, has ended cleanly. The
// upstream connection is kept and the next request goes over it.
func TestCloseAfterTerminal(t *testing.T) {
	if directOnly() {
		t.Skip("SKIP: needs a proxy that pools connections")
	}
	r := newRig(t)
	for _, d := range dialects() {
		for _, late := range []time.Duration{0, 30 * time.Millisecond} {
			t.Run(d.name+"/end after "+late.String(), func(t *testing.T) {
				r.answer(func(c *net.TCPConn, _ rawRequest) bool {
					_, _ = io.WriteString(c, chunkedHead)
					for _, p := range d.events() {
						_, _ = io.WriteString(c, chunk(p))
					}
					time.Sleep(late)
					_, err := io.WriteString(c, lastChunk)
					return err == nil
				})
				for range 3 {
					c := r.send(t, post(d.target, d.body))
					res := readFinal(t, c)
					buf := make([]byte, len(join(d.events())))
					if _, err := io.ReadFull(res.Body, buf); err != nil {
						t.Fatal(err)
					}
					_ = c.Close()
					time.Sleep(late + 50*time.Millisecond)
				}
				conns := map[int]bool{}
				for _, p := range r.same(t) {
					conns[p.Behind.Conn] = true
					if p.Behind.Response.Ending != record.Complete {
						t.Errorf("upstream's answer is %v", p.Behind.Response.Ending)
					}
				}
				if len(conns) != 1 {
					t.Errorf("3 requests took %d upstream connections, want 1", len(conns))
				}
			})
		}
	}
}

// TestAgentLeaves: an agent that goes away in mid-stream, or before the head, takes the upstream connection with it.
func TestAgentLeaves(t *testing.T) {
	r := newRig(t)
	for _, d := range dialects() {
		for _, when := range []string{"before the head", "in mid-stream"} {
			t.Run(d.name+"/"+when, func(t *testing.T) {
				gone := make(chan error, 1)
				got := make(chan struct{}, 1)
				r.answer(func(c *net.TCPConn, _ rawRequest) bool {
					if when == "in mid-stream" {
						_, _ = io.WriteString(c, chunkedHead+chunk(d.events()[0]))
					}
					got <- struct{}{}
					_ = c.SetReadDeadline(time.Now().Add(3 * time.Second))
					_, err := c.Read(make([]byte, 1))
					gone <- err
					return false
				})
				c := r.send(t, post(d.target, d.body))
				<-got
				if when == "in mid-stream" {
					if _, err := io.ReadFull(readFinal(t, c).Body, make([]byte, 1)); err != nil {
						t.Fatal(err)
					}
				}
				left := time.Now()
				_ = c.Close()
				err := <-gone
				if took := time.Since(left); errors.Is(err, os.ErrDeadlineExceeded) || took > time.Second {
					t.Errorf("upstream saw %v after %v, want the end of the connection at once", err, took)
				}
			})
		}
	}
}
