// Package schedule makes calls wait for their turn at an upstream, and holds tenants to their budgets. It adapts the engines
// ratelimit (whose turn, how much) and ratelimit/budget (may it at all) to the filter contract.
//
// The filter has two halves. The one of the inner ring, Filter, runs once an attempt: it reserves, waits, tops up while the
// answer streams, settles, and gives the slot back in Close. The one of the outer ring, Filter.Outer, runs once an exchange: it
// holds what one attempt leaves to the next, and gives back what none has taken up. Without it places in the queue still
// carry over, reservations do not.
//
// The one rule: what an attempt took is settled exactly once and its slot is free again when Close has returned, whatever way
// the attempt ended.
//
// With capacity free nothing here waits, starts a goroutine or sets a timer. Not for: deciding where a call goes, retrying it.
package schedule
