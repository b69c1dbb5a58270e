package schedule

import (
	"strconv"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/head"
)

// defaultTimeout is how long an agent waits for an answer that says nothing of it: what the SDKs have as their default.
const defaultTimeout = 600 * time.Second

// timeouts are what agents wait that do not say so in a header, by identity's label: Codex gives up a stream that is silent for
// 300 s (stream_idle_timeout_ms), and so do the fetch of Node (undici's headersTimeout) and Bun, on which the AI SDK runs.
var timeouts = map[string]time.Duration{
	"codex": 300 * time.Second, "opencode": 300 * time.Second, "ai-sdk": 300 * time.Second, "node": 300 * time.Second,
}

// timeoutNames are the header lines in which SDKs say how long they wait, the more exact one first.
var timeoutNames = [...]string{"x-stainless-read-timeout", "x-stainless-timeout"}

// readTimeout is how long the agent waits for the next byte of an answer.
func readTimeout(x *filters.Exchange) time.Duration {
	var found [len(timeoutNames)]time.Duration
	for i := range x.Fields {
		if n := len(x.Fields[i].Name); n != len(timeoutNames[0]) && n != len(timeoutNames[1]) {
			continue
		}
		for k, name := range timeoutNames {
			if found[k] == 0 && head.Is(x.Fields[i].Name, name) {
				found[k] = parseTimeout(x.Fields[i].Value)
			}
		}
	}
	for _, d := range found {
		if d > 0 {
			return d
		}
	}
	if d, ok := timeouts[x.Identity.Agent]; ok {
		return d
	}
	return defaultTimeout
}

// leastMillis is the number from which on a timeout is in milliseconds: 20 s are plausible, 20,000 s are not.
const leastMillis = 20_000

// parseTimeout reads seconds ("600", "600.0") or milliseconds ("600000"); 0 for anything that is no time to wait.
func parseTimeout(v []byte) time.Duration {
	n, err := strconv.ParseFloat(string(v), 64)
	if err != nil || !(n > 0) || n > 1e9 {
		return 0
	}
	if n >= leastMillis {
		n /= 1000
	}
	return time.Duration(n * float64(time.Second))
}

// A patience is how long an attempt may wait, and how its agent is kept awake meanwhile.
type patience struct {
	longest  time.Duration
	declared time.Duration // the same before what has passed was taken off: what messages tell
	comment  time.Duration // between two comments; 0: the agent gets none
}

// patienceOf says how long x may wait from now on. An agent that is sent comments goes on waiting behind its timeout; to all
// others the time that the exchange has taken already counts, unless it is in a later call, whose agent has seen bytes.
func (c *settings) patienceOf(x *filters.Exchange, now time.Time) patience {
	timeout := readTimeout(x)
	if x.KeepAlive != nil {
		if every := c.keepAliveAfter(timeout); every > 0 && every < timeout {
			longest := max(timeout, c.queue.StreamWait)
			return patience{longest: longest, declared: longest, comment: every}
		}
	}
	declared := timeout
	if x.Call == 0 && !x.Start.IsZero() {
		timeout = max(timeout-now.Sub(x.Start), time.Second)
	}
	return patience{longest: timeout, declared: declared}
}
