package ratelimit

import (
	"fmt"
	"time"
)

// A Call describes one attempt that wants a place. The strings are kept by reference.
type Call struct {
	Exchange string // id of the exchange
	RetryOf  string // id of an exchange of the same tenant that this one repeats: its place in the queue is taken over
	// Prior is the failed attempt that this one follows, ended by Ticket.Keep: its place and, in the same pool, its unused
	// reservation are taken over.
	Prior *Ticket

	Class, Tenant, User, Agent, Program, Session, Model string

	Input     int64 // tokens of the request, estimated
	Cached    int64 // of them expected to be read from the prompt cache; with a cache configured the engine knows better
	MaxOutput int64 // the call's own limit; 0 when it has none
	KV        int64 // tokens of memory held upstream; 0 means input and estimated output

	// Chains are the prefix chain's hashes after each message, the last one covering the whole request. A call without a
	// session finds a warm prefix by them. Read during Submit only.
	Chains []uint64
	Chain  uint64 // the last of them; may be given alone

	Bytes   int64         // memory that the call holds while it waits
	Timeout time.Duration // how long its agent waits for an answer; 0 when unknown. No grant comes later than that.
	Stream  bool
}

// Usage is what a call used, in tokens.
type Usage struct {
	Input     int64 // all input, cached input included
	Cached    int64 // of it, read from the prompt cache
	Output    int64
	Estimated bool // the upstream did not say
	Final     bool // the answer asks for no tool: its program is not expected back soon
}

// A Reason says why a call was refused.
type Reason string

// The reasons.
const (
	QueueFull   Reason = "queue_full"    // the pool's cap
	TenantFull  Reason = "tenant_full"   // the tenant's cap
	FlowFull    Reason = "flow_full"     // the program's cap (the agent's under Fair)
	WaitTooLong Reason = "wait_too_long" // it would outlive its agent's patience
	Expired     Reason = "expired"       // it did
	Closed      Reason = "closed"        // the scheduler is shutting down
)

// Rejected is the error of a call that gets no place.
type Rejected struct {
	Pool   string
	Reason Reason
	// RetryAfter is when the same call would find room: never less than the time that the pool's buckets need to refill for it.
	RetryAfter time.Duration
}

func (r *Rejected) Error() string {
	return fmt.Sprintf("ratelimit: pool %s: %s, retry after %s", r.Pool, r.Reason, r.RetryAfter)
}

// A Cause says what a call waited for.
type Cause string

// The causes.
const (
	NoWait      Cause = ""
	ForSlot     Cause = "slot"
	ForRequests Cause = "requests"
	ForTokens   Cause = "tokens"
	ForKV       Cause = "kv"
	ForPause    Cause = "pause" // the upstream asked for one
	ForCache    Cause = "cache" // a slot was kept for a program about to return
)
