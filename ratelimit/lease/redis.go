package lease

import (
	"context"
	_ "embed" // the script
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/trapgate/trapgate/internal/redisconn"
)

//go:embed exchange.lua
var exchangeLua string

var exchangeScript = redis.NewScript(exchangeLua)

// Redis is a store in Redis 5 or later, for sidecars on several machines. One exchange is one round trip whatever the
// number of resources; the server's clock is the only one that counts. Each resource is one key.
type Redis struct {
	client redis.UniversalClient
	prefix string
	now    func() time.Time
}

var _ Store = (*Redis)(nil)

// RedisOptions are a Redis store's.
type RedisOptions struct {
	Prefix string           // of all keys; default "trapgate:lease:"
	Now    func() time.Time // replaces the server's clock; for tests only
}

// NewRedis makes a store of a Redis that client reaches. The client stays the caller's, who closes it. Its retries must be
// off, its timeouts at most the Client's, and ContextTimeoutEnabled on, or a slow server holds renewals up for longer than
// a failure of it; OpenRedis sees to that.
func NewRedis(client redis.UniversalClient, o RedisOptions) *Redis {
	if o.Prefix == "" {
		o.Prefix = "trapgate:lease:"
	}
	return &Redis{client: client, prefix: o.Prefix, now: o.Now}
}

// OpenRedis makes a store of the Redis at url (redis://, rediss:// or unix://; see redis.ParseURL) that gives up on a
// command after timeout. It silences the logger of go-redis, which is one for the process. Close it.
func OpenRedis(url string, timeout time.Duration, o RedisOptions) (*Redis, error) {
	client, err := redisconn.Open(url, timeout)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStore, err)
	}
	return NewRedis(client, o), nil
}

// Close closes the connections.
func (s *Redis) Close() error { return s.client.Close() }

// Exchange sends all reports in one pipeline. When the server does not know the script yet, those that it refused go
// once more with the script itself.
func (s *Redis) Exchange(ctx context.Context, reports []Report) ([]Grant, error) {
	if err := check(reports); err != nil {
		return nil, err
	}
	grants := make([]Grant, len(reports))
	all := make([]int, len(reports))
	for i := range all {
		all[i] = i
	}
	unknown, err := s.send(ctx, reports, grants, all, false)
	if err == nil && len(unknown) > 0 {
		_, err = s.send(ctx, reports, grants, unknown, true)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: redis: %w", ErrStore, err)
	}
	return grants, nil
}

// send exchanges the reports at places, and returns the places that need the script first.
func (s *Redis) send(ctx context.Context, reports []Report, grants []Grant, places []int, whole bool) (unknown []int, err error) {
	now := ""
	if s.now != nil {
		now = strconv.FormatFloat(float64(s.now().UnixMicro())/1e6, 'f', 6, 64)
	}
	cmds := make([]*redis.Cmd, len(places))
	_, err = s.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, at := range places {
			p := reports[at]
			if p.Demands == nil {
				p.Demands = []Demand{}
			}
			body, err := json.Marshal(&p)
			if err != nil {
				return err
			}
			keys := []string{s.prefix + p.Key}
			if whole {
				cmds[i] = exchangeScript.Eval(ctx, pipe, keys, body, now)
			} else {
				cmds[i] = exchangeScript.EvalSha(ctx, pipe, keys, body, now)
			}
		}
		return nil
	})
	if err != nil && !redis.HasErrorPrefix(err, "NOSCRIPT") {
		return nil, err
	}
	for i, at := range places {
		answer, err := cmds[i].StringSlice()
		if redis.HasErrorPrefix(err, "NOSCRIPT") && !whole {
			unknown = append(unknown, at)
			continue
		}
		if err != nil {
			return nil, err
		}
		if grants[at], err = parseGrant(answer); err != nil {
			return nil, err
		}
	}
	return unknown, nil
}

var errAnswer = errors.New("the script's answer makes no sense")

// parseGrant reads what exchange.lua answers.
func parseGrant(answer []string) (g Grant, err error) {
	if len(answer) < 5 {
		return g, fmt.Errorf("%w: %d strings", errAnswer, len(answer))
	}
	g.Gen = answer[0]
	var n [4]float64
	for i := range n {
		if n[i], err = strconv.ParseFloat(answer[1+i], 64); err != nil || !(n[i] >= -2*maxUnits && n[i] <= 1e18) {
			return g, fmt.Errorf("%w: %.40q", errAnswer, answer[1+i])
		}
	}
	g.Amount, g.Share, g.Total, g.Retry = int64(n[0]), n[1], int64(n[2]), time.Duration(n[3])
	for _, part := range answer[5:] {
		x, err := strconv.ParseFloat(part, 64)
		if err != nil {
			return g, fmt.Errorf("%w: %.40q", errAnswer, part)
		}
		g.Tenants = append(g.Tenants, x)
	}
	return g, nil
}
