package top

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/trapgate/trapgate/ratelimit"
)

// queue draws the scheduler's pools: what is free, what blocks, and who waits for how long and why.
func queue(s *ratelimit.State) (out []string) {
	if s == nil {
		return nil
	}
	for i := range s.Pools {
		p := &s.Pools[i]
		out = append(out, poolLine(p))
		out = append(out, waiters(p)...)
	}
	return out
}

func poolLine(p *ratelimit.PoolState) string {
	var b strings.Builder
	fmt.Fprintf(&b, "pool %s (%s): %d queued, %d in flight", plain(p.Name), p.Policy, p.Queued, p.Inflight)
	if n := p.Limits.Concurrency; n > 0 {
		fmt.Fprintf(&b, " of %d", n)
	}
	if p.Limits.Requests > 0 {
		fmt.Fprintf(&b, ", %s requests/min", count(p.Limits.Requests))
	}
	if p.Limits.Tokens > 0 {
		fmt.Fprintf(&b, ", %s tokens/min", count(p.Limits.Tokens))
	}
	if p.Blocked != ratelimit.NoWait {
		fmt.Fprintf(&b, ", waits for %s", p.Blocked)
		if p.Until > 0 {
			fmt.Fprintf(&b, " (%s)", age(p.Until))
		}
	}
	warm := 0
	for i := range p.Warm {
		if p.Warm[i].Held {
			warm++
		}
	}
	if warm > 0 {
		fmt.Fprintf(&b, ", %d kept for a program about to return", warm)
	}
	return b.String()
}

// maxWaiters is how many of a pool's waiting calls are shown: the longest.
const maxWaiters = 8

func waiters(p *ratelimit.PoolState) []string {
	if len(p.Waiting) == 0 {
		return nil
	}
	rows := [][]string{{"WAITED", "FOR", "CLASS", "TENANT", "AGENT", "PROGRAM", "MODEL", "ID"}}
	for i := range p.Waiting[:min(len(p.Waiting), maxWaiters)] {
		w := &p.Waiting[i]
		rows = append(rows, []string{
			age(w.Wait.Round(100 * time.Millisecond)), plain(string(w.Cause)), plain(w.Class), plain(w.Tenant), plain(w.Agent),
			plain(w.Program), plain(w.Model), plain(w.Exchange),
		})
	}
	out := aligned(rows)
	for i := range out {
		out[i] = "  " + out[i]
	}
	if more := p.Queued - maxWaiters; more > 0 {
		out = append(out, "  and "+strconv.Itoa(more)+" more")
	}
	return out
}
