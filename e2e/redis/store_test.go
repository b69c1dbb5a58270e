//go:build e2e

package redis

import (
	"context"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/trapgate/trapgate/e2e/engine/rig"
	"github.com/trapgate/trapgate/ratelimit/lease"
	"github.com/trapgate/trapgate/ratelimit/lease/leasetest"
)

func start(t *testing.T) *Server {
	t.Helper()
	s, err := Start()
	if err != nil {
		rig.Skip(t, err.Error())
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestStore(t *testing.T) {
	s := start(t)
	client := goredis.NewClient(&goredis.Options{Addr: s.Addr, MaxRetries: -1})
	defer client.Close()
	leasetest.Run(t, func(t *testing.T, now func() time.Time) leasetest.Fixture {
		return leasetest.Fixture{
			Store: lease.NewRedis(client, lease.RedisOptions{Now: now}),
			Lose: func() {
				// A restarted server does not know the script either.
				if err := client.FlushAll(context.Background()).Err(); err != nil {
					t.Error(err)
				}
				if err := client.ScriptFlush(context.Background()).Err(); err != nil {
					t.Error(err)
				}
			},
		}
	})
}
