package server

import (
	"io"
	"net"
	"time"
)

// lastWords is how long one side of a tunnel may still talk once the other has ended.
const lastWords = 100 * time.Millisecond

// Tunnel hands the connection over once the exchange is over: bytes go both ways between the agent and up until one side has
// ended and the other was told. The answer to the upgrade must have been written and flushed before. idle bounds the silence
// in both directions together; Tunnel owns up. Shutdown waits for tunnels as for exchanges.
func (a *Agent) Tunnel(up net.Conn, upRead io.Reader, idle time.Duration) {
	c, s := a.conn, a.server
	a.answer.complete = true
	t := &tunnel{agent: c.Conn, up: up, idle: idle}
	if !s.addTunnel(t) {
		up.Close()
		a.answer.close = true
		return
	}
	a.ctx.HijackSetNoResponse(true)
	a.ctx.Hijack(func(agent net.Conn) {
		defer s.tunnels.Done()
		defer s.removeTunnel(t)
		defer up.Close()
		t.touch()
		done := make(chan struct{})
		go func() {
			defer close(done)
			t.pipe(c.Conn, upRead)
			closeWrite(c.raw)
			c.Conn.SetReadDeadline(time.Now().Add(lastWords))
		}()
		t.pipe(up, agent)
		closeWrite(up)
		up.SetReadDeadline(time.Now().Add(lastWords))
		<-done
	})
}

// A tunnel is a connection that has been switched to another protocol.
type tunnel struct {
	agent, up net.Conn
	idle      time.Duration
}

func (t *tunnel) touch() {
	by := time.Now().Add(t.idle)
	t.agent.SetDeadline(by)
	t.up.SetDeadline(by)
}

// cut ends both directions at once.
func (t *tunnel) cut() {
	t.agent.Close()
	t.up.Close()
}

// pipe copies until either side fails.
func (t *tunnel) pipe(dst io.Writer, src io.Reader) {
	buf := make([]byte, 16<<10)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if err == nil {
				t.touch()
			}
			if _, werr := dst.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func closeWrite(c net.Conn) {
	if w, ok := c.(interface{ CloseWrite() error }); ok {
		w.CloseWrite()
	}
}

// addTunnel reports false once the server is shutting down.
func (s *Server) addTunnel(t *tunnel) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	s.tunnels.Add(1)
	s.open[t] = struct{}{}
	return true
}

func (s *Server) removeTunnel(t *tunnel) {
	s.mu.Lock()
	delete(s.open, t)
	s.mu.Unlock()
}
