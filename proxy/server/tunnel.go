package server

import (
	"io"
	"net"
	"time"
)

// Tunnel hands the connection over once the exchange is over: bytes go both ways between the agent and up until one side has
// ended and the other was told. The answer to the upgrade must have been written and flushed before. idle bounds the silence
// in both directions together; Tunnel owns up.
func (a *Agent) Tunnel(up net.Conn, upRead io.Reader, idle time.Duration) {
	c := a.conn
	a.answer.complete = true
	a.ctx.HijackSetNoResponse(true)
	a.ctx.Hijack(func(agent net.Conn) {
		defer up.Close()
		touch := func() {
			by := time.Now().Add(idle)
			c.Conn.SetDeadline(by)
			up.SetDeadline(by)
		}
		touch()
		done := make(chan struct{})
		go func() {
			defer close(done)
			pipe(c.Conn, upRead, touch)
			closeWrite(c.raw)
		}()
		pipe(up, agent, touch)
		closeWrite(up)
		<-done
	})
}

// pipe copies until either side fails, and tells touch of every piece.
func pipe(dst io.Writer, src io.Reader, touch func()) {
	buf := make([]byte, 16<<10)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			touch()
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
		return
	}
	c.SetReadDeadline(time.Now())
}
