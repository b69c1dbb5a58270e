// Package redisconn opens Redis clients that fail fast: for state that a call must never wait long for.
package redisconn

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// quiet drops what go-redis would print to stderr for each dial that fails: commands return the error.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// The logger is one for the process, and clients read it without a lock: it is set once, before the first of them.
var hush = sync.OnceFunc(func() { redis.SetLogger(quiet{}) })

// Open makes a client of the Redis at url (redis://, rediss:// or unix://; see redis.ParseURL) that tries a command once, gives up
// on it after timeout or with its context, and prints nothing. It connects with the first command. Close it. An error may show the
// url.
func Open(url string, timeout time.Duration) (*redis.Client, error) {
	hush()
	opt, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	opt.MaxRetries, opt.DialerRetries = -1, 1
	opt.DialTimeout, opt.ReadTimeout, opt.WriteTimeout, opt.PoolTimeout = timeout, timeout, timeout, timeout
	opt.ContextTimeoutEnabled = true
	return redis.NewClient(opt), nil
}
