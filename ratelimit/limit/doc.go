// Package limit holds the pure pieces of capacity: token buckets with a provider's view beside them, parsers of rate limit
// headers, learners of limits that nobody states, and estimators of what a call will need.
//
// The one rule: nothing here has a clock, a timer, a goroutine or a lock. Every method that depends on time takes now, and the
// caller serialises the calls to one value. Time that runs backwards is taken as no time.
//
//	Bucket, Set     what may be sent, and when: rate, burst, debt, and the provider's own count
//	Parse           limit headers and Retry-After, as every provider spells them
//	AIMD, Gradient  limits learnt from refusals, and from the time to the first token
//	Estimator       output tokens of a call before it runs, and input tokens of a body
//	TTFT, Gaps      seconds for each uncached token, tool times; Anticipate weighs one against the other
//
// Units are requests and tokens (as float64, because shares and decays make fractions), seconds as float64 where they are
// regressed on, and time.Duration elsewhere. It is no limiter by itself: the scheduler (package ratelimit) decides who goes.
package limit
