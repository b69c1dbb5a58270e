package ratelimit

import "time"

// State is a copy of everything an operator may ask about, for /debug/state and `trapgate top`.
type State struct {
	Pools []PoolState `json:"pools"`
}

// PoolState is one pool.
type PoolState struct {
	Name     string            `json:"name"`
	Policy   Policy            `json:"policy"`
	Limits   Limits            `json:"limits"`  // in force
	Sources  map[string]Limits `json:"sources"` // of them
	Inflight int               `json:"inflight"`
	KV       int64             `json:"kv_tokens"`
	Queued   int               `json:"queued"`
	Bytes    int64             `json:"queued_bytes"`
	Attained int64             `json:"attained"`        // cost charged ever
	Reserved int64             `json:"reserved_cost"`   // charged to calls in flight, not settled yet
	Rate     float64           `json:"cost_per_second"` // learnt while calls waited
	Blocked  Cause             `json:"blocked,omitempty"`
	Until    time.Duration     `json:"blocked_for,omitempty"`
	Buckets  []BucketState     `json:"buckets,omitempty"`
	Classes  []ClassState      `json:"classes,omitempty"`
	Warm     []WarmState       `json:"warm,omitempty"`
	Waiting  []WaitState       `json:"waiting,omitempty"` // the longest, at most 64
}

// BucketState is one of a pool's rate limits.
type BucketState struct {
	Name  string  `json:"name"`
	Level float64 `json:"level"` // negative: debt
	Burst float64 `json:"burst"`
	Rate  float64 `json:"per_second"`
}

// ClassState and TenantState are nodes of the tree.
type ClassState struct {
	NodeState
	Tenants []TenantState `json:"tenants,omitempty"`
}

// TenantState is a tenant within a class.
type TenantState struct {
	NodeState
	Agents   []NodeState    `json:"agents,omitempty"`
	Programs []ProgramState `json:"programs,omitempty"` // those with work, at most 256
}

// NodeState is what every level has. Costs are fairness cost.
type NodeState struct {
	Name     string  `json:"name"`
	Weight   float64 `json:"weight,omitempty"`
	Attained int64   `json:"attained"`
	Lag      float64 `json:"lag"`               // cost ahead of (above 0) or behind the level's virtual time
	Penalty  float64 `json:"penalty,omitempty"` // factor on the weight, when below 1
	Queued   int     `json:"queued"`
	Inflight int     `json:"inflight"`
}

// ProgramState is a program within a tenant.
type ProgramState struct {
	NodeState
	Level   int           `json:"level"` // of the order, 0 first
	Debt    time.Duration `json:"debt"`  // how long its head has waited
	Arrived time.Duration `json:"age"`   // since its first call
}

// WarmState is a prefix that the upstream is believed to hold.
type WarmState struct {
	Tenant  string        `json:"tenant"`
	Session string        `json:"session"`
	Tokens  int64         `json:"tokens"`
	Busy    bool          `json:"busy"`
	Held    bool          `json:"held"` // a slot is kept for it
	Idle    time.Duration `json:"idle"`
}

// WaitState is one waiting call.
type WaitState struct {
	Exchange string        `json:"exchange"`
	Class    string        `json:"class"`
	Tenant   string        `json:"tenant"`
	Agent    string        `json:"agent"`
	Program  string        `json:"program"`
	Model    string        `json:"model"`
	Wait     time.Duration `json:"wait"`
	Cause    Cause         `json:"cause"`
}
