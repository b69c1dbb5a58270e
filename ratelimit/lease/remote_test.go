package lease

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The other side of a Remote hangs, ends and comes back.
func TestRemoteFailures(t *testing.T) {
	m := NewMemory(time.Now)
	var mode atomic.Pointer[string]
	set := func(s string) { mode.Store(&s) }
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	dial := func(context.Context) (net.Conn, error) {
		near, far := net.Pipe()
		switch *mode.Load() {
		case "gone":
			return nil, errors.New("gone")
		case "hangs":
			wg.Go(func() {
				<-ctx.Done()
				_ = far.Close()
			})
		case "talks nonsense":
			wg.Go(func() {
				_, _ = far.Read(make([]byte, 10_000))
				_, _ = far.Write([]byte("hello\n"))
				_ = far.Close()
			})
		case "serves":
			wg.Go(func() { _ = ServeConn(ctx, far, m) })
		}
		return near, nil
	}
	r := NewRemote(dial)
	defer wg.Wait()
	defer cancel()
	seq := uint64(0)
	exchange := func() ([]Grant, error) {
		seq++
		short, done := context.WithTimeout(context.Background(), 30*time.Millisecond)
		defer done()
		return r.Exchange(short, []Report{{
			Key: "s", Kind: Slots, Limit: 9, Sidecars: 1, Delta: time.Second, TTL: time.Second, Life: time.Hour, Holder: "h", Seq: seq,
			Demands: []Demand{{Weight: 1, Amount: 9}},
		}})
	}
	for _, s := range []string{"gone", "hangs", "talks nonsense"} {
		set(s)
		if _, err := exchange(); !errors.Is(err, ErrStore) {
			t.Errorf("%s: %v", s, err)
		}
		set("serves")
		if g, err := exchange(); err != nil || g[0].Amount != 9 {
			t.Errorf("after it %s: %v, %v", s, g, err)
		}
		r.conn.Close() // as if the other side had ended
		if _, err := exchange(); !errors.Is(err, ErrStore) {
			t.Errorf("on a dead connection: %v", err)
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := exchange(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
