package ratelimit

import "time"

// An Observer hears what happens. Every field may be nil. The functions are called with no lock held, on the goroutine that
// moved the pool; they must not block and may call back into the engine. Tickets are theirs to read during the call.
type Observer struct {
	// Granted: a call was dispatched, after a wait (0 when there was room) for a cause.
	Granted func(p *Pool, t *Ticket, wait time.Duration, cause Cause)
	// Dispatch: one decision took that long by the injected clock.
	Dispatch func(p *Pool, d time.Duration)
	// Settled: a call ended. est is the output that was reserved, in tokens.
	Settled func(p *Pool, t *Ticket, u Usage, est int64)
	// Promoted: the starvation bound, not the order, chose the call.
	Promoted func(p *Pool, t *Ticket)
	// Rejected: a call was refused or expired.
	Rejected func(p *Pool, c *Call, r *Rejected)
	// Cancelled: a call left the queue on its own, after a wait.
	Cancelled func(p *Pool, t *Ticket, wait time.Duration)
	// Held: a slot was kept idle for d; hit says whether the program that it was kept for came back.
	Held func(p *Pool, d time.Duration, hit bool)
}
