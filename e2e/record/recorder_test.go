package record

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

func start(t *testing.T, target string) *Recorder {
	t.Helper()
	r, err := Start(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// TestForwardsEnds: what ends a direction on one side must end it the same way on the other.
func TestForwardsEnds(t *testing.T) {
	t.Run("half close", func(t *testing.T) {
		r := start(t, listen(t, func(c net.Conn) {
			b, _ := io.ReadAll(c)
			_, _ = c.Write(append(b, '!'))
		}))
		c := dial(t, r.Addr())
		_, _ = c.Write([]byte("abc"))
		_ = c.CloseWrite()
		if b, err := io.ReadAll(c); string(b) != "abc!" || err != nil {
			t.Fatalf("%q, %v", b, err)
		}
		r.Settle(10*time.Millisecond, time.Second)
		got := r.Conns()[0]
		if string(got.Up.Data) != "abc" || string(got.Down.Data) != "abc!" || got.Up.End != Closed || got.Down.End != Closed {
			t.Fatalf("%+v", got)
		}
	})
	t.Run("reset", func(t *testing.T) {
		r := start(t, listen(t, func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1))
			_ = c.(*net.TCPConn).SetLinger(0)
		}))
		c := dial(t, r.Addr())
		_, _ = c.Write([]byte("a"))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("agent read: %v, want a reset", err)
		}
		r.Settle(10*time.Millisecond, time.Second)
		if got := r.Conns()[0].Down.End; got != Reset {
			t.Fatalf("recorded as %v", got)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		c, err := net.Dial("tcp", start(t, l.Addr().String()).Addr())
		if err != nil {
			return // the reset came before the connection was ours
		}
		defer c.Close()
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Fatal("an answer from nobody")
		}
	})
}

// TestForwardsAtOnce: the first piece must pass before the second is written.
func TestForwardsAtOnce(t *testing.T) {
	next := make(chan struct{})
	r := start(t, listen(t, func(c net.Conn) {
		_, _ = c.Write([]byte("first"))
		<-next
		_, _ = c.Write([]byte("second"))
	}))
	c := dial(t, r.Addr())
	buf := make([]byte, 5)
	if _, err := io.ReadFull(c, buf); err != nil {
		t.Fatal(err)
	}
	close(next)
	if b, err := io.ReadAll(c); string(b) != "second" || err != nil {
		t.Fatalf("%q, %v", b, err)
	}
}

func TestCloseCutsWhatIsOpen(t *testing.T) {
	hold := make(chan struct{})
	r := start(t, listen(t, func(net.Conn) { <-hold }))
	c := dial(t, r.Addr())
	_, _ = c.Write([]byte("a"))
	r.Settle(10*time.Millisecond, time.Second)
	done := make(chan struct{})
	go func() {
		_ = r.Close()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(3 * time.Second):
		t.Error("Close hangs on an open connection")
	}
	close(hold)
}
