package server

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/trapgate/trapgate/internal/head"
	"github.com/trapgate/trapgate/internal/watch"
)

// ErrGone says that the agent has closed, or half-closed, its connection. TCP shows both as one FIN.
var ErrGone = errors.New("server: agent gone")

// agentConn is one connection of an agent. fasthttp reads through it; its writes are discarded (see doc.go).
type agentConn struct {
	net.Conn          // what is spoken: TCP, Unix, or TLS over raw
	raw      net.Conn // the socket itself
	owner    *Server
	token    watch.Token
	out      []byte      // answer bytes not written yet
	fields   head.Fields // reused
	remote   string
	spoken   atomic.Bool // a request has come
	heard    bool        // any byte has come; belongs to the reading goroutine
	agent    Agent       // of the exchange under way, and of those before
	readBy   time.Time

	mu      sync.Mutex
	gone    bool
	current *Agent // the exchange under way
	writeBy time.Time
	closed  bool
}

// Read notes that something has come.
func (c *agentConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.heard = true
	}
	return n, err
}

// Write throws away what fasthttp makes of an answer that has been sent already.
func (c *agentConn) Write(p []byte) (int, error) { return len(p), nil }

// SetWriteDeadline is called by fasthttp when it takes a connection over; writes have deadlines of their own.
func (c *agentConn) SetWriteDeadline(time.Time) error { return nil }

// SetReadDeadline skips calls that would move the deadline by less than an eighth of the idle limit.
func (c *agentConn) SetReadDeadline(t time.Time) error {
	if !c.readBy.IsZero() && !t.IsZero() {
		if d := t.Sub(c.readBy); d >= 0 && d < c.owner.opts.Idle/8 {
			return nil
		}
	}
	if c.owner.draining.Load() && !c.spoken.Load() {
		t = past
	}
	c.readBy = t
	return c.Conn.SetReadDeadline(t)
}

func (c *agentConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// PeerGone is the watcher's call: the agent has left, so whoever works for it stops now.
func (c *agentConn) PeerGone() { c.leave(ErrGone) }

func (c *agentConn) leave(cause error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.gone = true
	a := c.current
	// A write that blocks on an agent that does not read would outlive it.
	c.raw.SetWriteDeadline(past)
	c.mu.Unlock()
	if a != nil {
		a.leave(cause)
	}
}

var past = time.Unix(1, 0)

// Close is called by the owner only: fasthttp's worker, or the tunnel.
func (c *agentConn) Close() error {
	c.owner.watcher.Remove(c.token)
	c.mu.Lock()
	already := c.closed
	c.closed = true
	c.mu.Unlock()
	if already {
		return nil
	}
	c.owner.forget(c)
	if c.Conn != c.raw {
		// tls.Conn.Close may wait 5 s for a peer that does not read to take its alert.
		c.raw.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	}
	return c.Conn.Close()
}

// arm sets the deadline of the next write, unless the agent has gone.
func (c *agentConn) arm() error {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return ErrGone
	}
	limit := c.owner.opts.WriteTimeout
	if c.writeBy.Sub(now) < limit-limit/8 {
		c.writeBy = now.Add(limit)
		return c.raw.SetWriteDeadline(c.writeBy)
	}
	return nil
}

// send writes the bytes gathered in out followed by body, in one system call where the connection allows it.
func (c *agentConn) send(body []byte) error {
	if len(c.out)+len(body) == 0 {
		return nil
	}
	if err := c.arm(); err != nil {
		return err
	}
	var err error
	switch {
	case len(body) == 0:
		_, err = c.Conn.Write(c.out)
	case c.Conn == c.raw:
		bufs := net.Buffers{c.out, body}
		_, err = bufs.WriteTo(c.raw)
	default:
		if _, err = c.Conn.Write(c.out); err == nil {
			_, err = c.Conn.Write(body)
		}
	}
	c.out = c.out[:0]
	if err != nil {
		// The write learns it before the watcher does; and an agent that takes nothing for so long is as good as gone.
		c.leave(ErrGone)
		return ErrGone
	}
	return nil
}

func (c *agentConn) isGone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

// sysConn is what the watcher needs of a socket.
func sysConn(c net.Conn) syscall.Conn {
	sc, _ := c.(syscall.Conn)
	return sc
}
