package admin

import (
	"time"

	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

// A State is what /debug/state shows: what `trapgate top` reads.
type State struct {
	Version    string                   `json:"version"`
	PID        int                      `json:"pid"`
	Started    time.Time                `json:"started"`
	Now        time.Time                `json:"now"`
	Listen     string                   `json:"listen"`
	Generation uint64                   `json:"generation"` // of the configuration, from 1
	Ready      bool                     `json:"ready"`
	Reasons    []string                 `json:"reasons,omitempty"` // why it is not ready, or a bad configuration file
	InFlight   []telemetry.InFlightInfo `json:"in_flight"`         // oldest first
	Upstreams  []Upstream               `json:"upstreams"`
	Schedule   *ratelimit.State         `json:"schedule,omitempty"`
	Budgets    []budget.State           `json:"budgets,omitempty"`
	Sharing    any                      `json:"sharing,omitempty"` // a share.State
	Context    *Context                 `json:"context,omitempty"`
	Memory     *Memory                  `json:"memory,omitempty"`
	Totals     telemetry.LedgerTotals   `json:"totals"`
}

// An Upstream is what /debug/state shows of an upstream.
type Upstream struct {
	Name    string `json:"name"`
	Breaker string `json:"breaker"` // closed, half-open, open
	Busy    int64  `json:"busy"`    // attempts under way
	Idle    int    `json:"idle"`    // pooled connections
	Dials   int64  `json:"dials"`   // since the configuration was loaded
	Redials int64  `json:"redials"` // stale kept connections that were replaced
}

// A Memory is what /debug/state shows of memory.
type Memory struct {
	Mode   string                 `json:"mode"`  // on, observe, off
	Store  string                 `json:"store"` // where it is kept
	Counts telemetry.MemoryCounts `json:"counts"`
}

// A Context is what /debug/state shows of context rewriting.
type Context struct {
	Sessions int                     `json:"sessions"` // in memory
	Counts   telemetry.ContextCounts `json:"counts"`
}
