package watch

import (
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type hook struct{ n atomic.Int32 }

func (h *hook) PeerGone() { h.n.Add(1) }

func (h *hook) wait(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); h.n.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never told that the peer has gone")
		}
	}
}

func pair(t *testing.T, network, addr string) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func start(t *testing.T) *Watcher {
	t.Helper()
	w, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func TestPeerGone(t *testing.T) {
	for _, tt := range []struct {
		name  string
		leave func(net.Conn)
	}{
		{"close", func(c net.Conn) { c.Close() }},
		{"half close", func(c net.Conn) { c.(interface{ CloseWrite() error }).CloseWrite() }},
		{"unread bytes do not hide it", func(c net.Conn) { c.Write([]byte("x")); c.Close() }},
		{"reset", func(c net.Conn) {
			if tcp, ok := c.(*net.TCPConn); ok {
				tcp.SetLinger(0)
			}
			c.Close()
		}},
	} {
		for _, network := range []string{"tcp", "unix"} {
			t.Run(network+" "+tt.name, func(t *testing.T) {
				addr := "127.0.0.1:0"
				if network == "unix" {
					addr = t.TempDir() + "/s"
				}
				w := start(t)
				a, b := pair(t, network, addr)
				var h hook
				token, err := w.Add(b.(syscall.Conn), &h)
				if err != nil {
					t.Fatal(err)
				}
				tt.leave(a)
				h.wait(t)
				w.Remove(token)
			})
		}
	}
}

func TestRemovedSocketIsNotTold(t *testing.T) {
	w := start(t)
	a, b := pair(t, "tcp", "127.0.0.1:0")
	var removed, kept hook
	token, err := w.Add(b.(syscall.Conn), &removed)
	if err != nil {
		t.Fatal(err)
	}
	w.Remove(token)
	w.Remove(token) // a second removal hits nobody
	c, d := pair(t, "tcp", "127.0.0.1:0")
	if _, err := w.Add(d.(syscall.Conn), &kept); err != nil {
		t.Fatal(err)
	}
	a.Close()
	c.Close()
	kept.wait(t)
	if n := removed.n.Load(); n != 0 {
		t.Errorf("a removed socket was told %d times", n)
	}
}

// A number that was closed and reused must not receive what was meant for its predecessor.
func TestReusedDescriptors(t *testing.T) {
	w := start(t)
	for range 200 {
		a, b := pair(t, "tcp", "127.0.0.1:0")
		var first, second hook
		token, err := w.Add(b.(syscall.Conn), &first)
		if err != nil {
			t.Fatal(err)
		}
		go a.Close()
		w.Remove(token)
		b.Close()
		c, d := pair(t, "tcp", "127.0.0.1:0")
		token, err = w.Add(d.(syscall.Conn), &second)
		if err != nil {
			t.Fatal(err)
		}
		if second.n.Load() != 0 {
			t.Fatal("the new owner of a number was told of the old one's peer")
		}
		w.Remove(token)
		c.Close()
		d.Close()
	}
}
