package top

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/ratelimit"
)

// The pools stand between upstreams and what is in flight, and what agents sent is as harmless there.
func TestQueueGolden(t *testing.T) {
	s := state()
	s.Reasons, s.Upstreams, s.InFlight, s.Context, s.Memory = nil, nil, nil, nil, nil
	gpu := ratelimit.PoolState{
		Name: "gpu", Policy: ratelimit.Program, Limits: ratelimit.Limits{Concurrency: 4, KV: 150_000}, Inflight: 3, Queued: 10,
		Blocked: ratelimit.ForCache, Until: 1500 * time.Millisecond,
		Warm: []ratelimit.WarmState{{Tenant: "team-a", Busy: true}, {Tenant: "team-b", Held: true}, {Tenant: "team-b"}},
	}
	for i := range gpu.Queued {
		gpu.Waiting = append(gpu.Waiting, ratelimit.WaitState{
			Exchange: fmt.Sprint("x", i), Class: "default", Tenant: "team-a", Agent: "evil\x1b[2J\nagent", Program: "p-1", Model: "qwen3",
			Wait: time.Duration(75_040-i*9_000) * time.Millisecond, Cause: ratelimit.ForSlot,
		})
	}
	s.Schedule = &ratelimit.State{Pools: []ratelimit.PoolState{
		gpu,
		{Name: "openai", Policy: ratelimit.Fair, Limits: ratelimit.Limits{Requests: 500, Tokens: 200_000}, Inflight: 1, Blocked: ratelimit.ForSlot},
		{Name: "idle", Policy: ratelimit.FIFO},
	}}
	list, _ := lines(&s, rates{})
	golden(t, "queue.golden", strings.Join(list, "\n")+"\n")
	for _, line := range list {
		if strings.ContainsAny(line, "\x1b\n") {
			t.Errorf("obeyed, not shown: %q", line)
		}
	}
}
