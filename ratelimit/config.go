package ratelimit

import (
	"time"

	"github.com/trapgate/trapgate/ratelimit/limit"
)

// A Policy says in which order a pool's calls go.
type Policy string

// The policies. Under each of them the class "background" waits until nobody else does.
const (
	// FIFO: by arrival.
	FIFO Policy = "fifo"
	// Priority: by arrival, where each rank that a class stands above another is worth QueueConfig.Ageing of arrival time.
	Priority Policy = "priority"
	// Fair: start-time fair queueing of cost between classes, tenants and agents; by arrival inside an agent.
	Fair Policy = "fair"
	// Program: start-time fair queueing of cost between classes and tenants; inside a tenant programs share by the order
	// that order.go describes. The default.
	Program Policy = "program"
)

// Background is the name of the class that is strictly last.
const Background = "background"

// Config is what an operator may set. The zero value of each field means its default.
type Config struct {
	Policy  Policy // of pools that name none; default Program
	Pools   []PoolConfig
	Tenants []TenantConfig // a tenant that is not named has the weight of "*", else 1
	Classes []ClassConfig  // in order of rank, highest first; an unknown class counts as "default"
	Queue   QueueConfig
	Cost    Cost
}

// A PoolConfig is one pool's capacity as configured.
type PoolConfig struct {
	Name   string
	Policy Policy
	Limits Limits
	Rules  limit.Rules // what the provider counts
	Cache  CacheConfig
	// Learn finds the concurrency that the upstream keeps up with from the time to first token, below any other limit. Request
	// and token rates are always learnt once the upstream refuses: see Ticket.Throttled.
	Learn bool
}

// CacheConfig switches affinity and anticipation on.
type CacheConfig struct {
	Slots int // conversations whose prefix the upstream keeps warm; 0 switches both off
	// Ahead bounds what keeping turns together may cost a tenant: it falls behind by at most Ahead times the cost of the
	// warm prefix that is kept, above the bound of fair queueing. Default 2.
	Ahead float64
	// Run is the same inside a tenant, where a whole run may go first: default 8.
	Run float64
}

// TenantConfig is a tenant's share.
type TenantConfig struct {
	Name   string
	Weight float64 // default 1
}

// ClassConfig is a class's share. Under Priority its place in the list is its rank.
type ClassConfig struct {
	Name   string
	Weight float64 // default 1
}

// QueueConfig bounds what waits, for each pool. A cap of 0 is the default; a negative one is none.
type QueueConfig struct {
	Calls, TenantCalls, FlowCalls int   // defaults 10,000; 5,000; 1,000
	Bytes, TenantBytes            int64 // defaults 1 GiB; 512 MiB
	// Ageing is what one rank is worth under Priority; default 30 s.
	Ageing time.Duration
}

// Limits is an amount of capacity. Zero means no limit.
type Limits struct {
	Concurrency int
	Requests    int64 // a minute
	Tokens      int64 // a minute, input and output together
	Input       int64 // tokens a minute
	Output      int64 // tokens a minute
	KV          int64 // tokens: calls are dispatched while those in flight hold less
}

// Cost weighs tokens for fairness. The zero value means 1 for uncached input, 0 for cached input, 2 for output.
type Cost struct{ Input, Cached, Output int64 }

func (c Cost) of(uncached, cached, output int64) int64 {
	return c.Input*uncached + c.Cached*cached + c.Output*output
}
