package upstream

import (
	"bufio"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/trapgate/trapgate/internal/watch"
)

// readBuffer is the size in bytes of a connection's read buffer.
const readBuffer = 16 << 10

// conn is one connection to an upstream.
type conn struct {
	net.Conn           // what is spoken: TCP, Unix, or TLS over raw
	raw       net.Conn // the socket itself
	br        *bufio.Reader
	token     watch.Token
	pool      *pool
	reused    bool
	killed    atomic.Bool
	hurried   atomic.Bool            // the read deadline was shortened behind readBy's back
	interrupt atomic.Pointer[func()] // ends the reading of an upload's next piece
	deaf      atomic.Bool            // the upstream reads no more
	sent      countedBytes           // raw bytes written, for TCP_INFO
	readBy    time.Time
	writeBy   time.Time
	since     time.Time // idle since
	head      []byte    // reused for response heads
	resp      Response  // reused: one answer at a time
	out       []byte    // reused for request heads
}

// countedBytes counts what has been handed to the socket. Owned by the goroutine that writes.
type countedBytes struct{ n uint64 }

// counted is the socket under TLS, whose records are longer than what is written to it.
type counted struct {
	net.Conn
	c *conn
}

func (w counted) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	w.c.sent.n += uint64(n)
	return n, err
}

// Kill ends the connection at once, from any goroutine: whoever reads or writes it fails.
func (c *conn) Kill() {
	c.killed.Store(true)
	if sc, ok := c.raw.(syscall.Conn); ok {
		if rc, err := sc.SyscallConn(); err == nil {
			rc.Control(func(fd uintptr) { syscall.Shutdown(int(fd), syscall.SHUT_RDWR) })
		}
	}
}

// PeerGone is the watcher's call: an idle connection that the upstream has closed is dropped at once, and an upload on one in
// use stops, since nobody reads it any more.
func (c *conn) PeerGone() {
	c.deaf.Store(true) // the watcher tells only once
	if interrupt := c.interrupt.Load(); interrupt != nil {
		(*interrupt)()
		return
	}
	c.pool.drop(c)
}

// close is for the owner.
func (c *conn) close() {
	c.pool.watcher.Remove(c.token)
	if c.Conn != c.raw {
		// The alert of a TLS close must not wait for a peer that does not read.
		c.raw.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	}
	c.Conn.Close()
}

// readWithin sets the read deadline, unless the one that stands is late enough.
func (c *conn) readWithin(d time.Duration) {
	if c.hurried.Load() {
		return
	}
	now := time.Now()
	if left := c.readBy.Sub(now); left > d-d/8 && left <= d {
		return
	}
	c.readBy = now.Add(d)
	c.Conn.SetReadDeadline(c.readBy)
}

// write sends a head and a body, in one system call where the connection allows it.
func (c *conn) write(head, body []byte, d time.Duration) error {
	if now := time.Now(); c.writeBy.Sub(now) < d-d/8 || c.writeBy.Sub(now) > d {
		c.writeBy = now.Add(d)
		c.raw.SetWriteDeadline(c.writeBy)
	}
	var err error
	switch {
	case len(body) < 8<<10:
		head = append(head, body...)
		err = c.count(c.Conn.Write(head))
		c.out = head[:0]
	case c.Conn == c.raw:
		bufs := net.Buffers{head, body}
		var n int64
		n, err = bufs.WriteTo(c.raw)
		c.sent.n += uint64(n)
	default:
		if err = c.count(c.Conn.Write(head)); err == nil {
			err = c.count(c.Conn.Write(body))
		}
	}
	return err
}

func (c *conn) count(n int, err error) error {
	if c.Conn == c.raw {
		c.sent.n += uint64(n)
	}
	return err
}
