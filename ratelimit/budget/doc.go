// Package budget holds tenants to what they may spend, in tokens, requests or money, and remembers what was spent.
//
// The rule that must hold: a hard budget is never exceeded by more than what running answers turned out to cost above their
// estimate. Everything is therefore reserved before it is dispatched (Account.Reserve), topped up while it streams
// (Account.TopUp) and settled once with what the upstream counted (Account.Settle); Account.Close gives back the rest.
//
// Windows are calendar windows in UTC: a minute, an hour, a day or a month begins when the clock shows it, and an attempt
// belongs to the window in which it was reserved, for all of its tokens. A clock that goes back frees nothing.
//
// Nothing here does I/O on a request's path. What is spent, and what is reserved, is handed to a Store; the one in this package
// writes to internal/state (see NewStore for what a kill or a power loss can take). The reservations of a process that was
// killed count as spent when the next one starts, since nobody knows what the upstream billed.
//
// Money is counted in whole nano-dollars, and prices in whole pico-dollars for a token, so no sum drifts.
//
// It is not a rate limiter for upstreams (ratelimit/limit is), and it does not wait: who wants to hold a request until a budget
// resets finds the time in Exceeded.
package budget
