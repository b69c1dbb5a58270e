package lease_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/trapgate/trapgate/ratelimit/lease"
	"github.com/trapgate/trapgate/ratelimit/lease/leasetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) {
	leasetest.Run(t, func(_ *testing.T, now func() time.Time) leasetest.Fixture {
		m := lease.NewMemory(now)
		return leasetest.Fixture{Store: m, Lose: m.Forget}
	})
}

func TestRemote(t *testing.T) {
	leasetest.Run(t, func(t *testing.T, now func() time.Time) leasetest.Fixture {
		m := lease.NewMemory(now)
		return leasetest.Fixture{Store: remote(t, m), Lose: m.Forget}
	})
}

// remote serves store on a Unix socket for the length of the test.
func remote(t *testing.T, store lease.Store) *lease.Remote {
	ln, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { _ = lease.ServeConn(ctx, conn, store) })
		}
	})
	r := lease.NewRemote(func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", ln.Addr().String())
	})
	t.Cleanup(func() {
		_ = r.Close()
		_ = ln.Close()
		cancel()
		wg.Wait()
	})
	return r
}
