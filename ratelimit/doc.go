// Package ratelimit decides which model call goes to an upstream next.
//
// A Pool is one upstream's capacity: slots, requests and tokens per minute, and optional KV memory. Calls that do not fit
// wait in a tree (pool, class, tenant, agent, program) until their turn comes. Every call is charged an estimate when it is
// dispatched, more while it streams beyond that, and the difference once at its end, in two ledgers: the fairness cost, which
// decides whose turn it is, and the provider's buckets, which decide when there is room.
//
// The one rule: whatever way a call ends, its place, its slot and its unused reservation are free again before the method that
// ended it returns, and what it was charged equals what it used.
//
// The engine is event driven. It has no goroutine, no tick and no sleep: Submit, Release, Settle, Cancel, SetLimits and the
// timers of the injected Clock move it, and it calls back on the goroutine of whatever moved it, with no lock held. So a
// simulator in virtual time drives the same code that serves real agents.
//
// Not for: budgets over hours and days (package budget), sharing between sidecars (package lease), HTTP.
package ratelimit
