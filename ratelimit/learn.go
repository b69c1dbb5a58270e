package ratelimit

import (
	"time"

	"github.com/trapgate/trapgate/ratelimit/limit"
)

// Names of the engine's own sources of limits, beside the configuration.
const (
	fromHeaders = "headers"
	fromRefusal = "learnt"
	fromLatency = "latency"
)

// rates learn request and token rates that nobody states, from refusals.
type rates struct {
	requests, tokens *limit.AIMD
	known            Limits        // as last put in force
	pause            time.Duration // the last one that nobody asked for
	hasty            int           // refusals for less than leastWindow, less what went well; bounded
}

func newRates(now time.Time) rates {
	return rates{requests: limit.NewAIMD(now, limit.AIMDOptions{}), tokens: limit.NewAIMD(now, limit.AIMDOptions{Step: 1000})}
}

// tokensOf is what a cost counts for in a learnt token rate: the same as in the bucket that holds it.
func (p *Pool) tokensOf(c limit.Cost) float64 {
	if p.set.Rules.CachedFree {
		c.Input -= c.Cached
	}
	return c.Input + c.Output
}

// sent tells the learners of t's dispatch.
func (p *Pool) sent(t *Ticket, now time.Time) {
	p.aimd.requests.Sent(now, 1, p.waitedFor(t, ForRequests, p.limits.Requests, p.aimd.known.Requests))
	p.aimd.tokens.Sent(now, p.tokensOf(t.need), p.waitedFor(t, ForTokens, p.limits.Tokens, p.aimd.known.Tokens))
	p.learnt(now)
}

// waitedFor is how long t waited for a learnt limit: not for another one, nor for one that somebody else states.
func (p *Pool) waitedFor(t *Ticket, what Cause, inForce, learnt int64) time.Duration {
	if t.cause != ForPause && (t.cause != what || inForce != learnt) {
		return 0
	}
	return t.went.Sub(t.came)
}

// learnt puts in force what the learners of rates know by now.
func (p *Pool) learnt(now time.Time) {
	l := Limits{Requests: int64(p.aimd.requests.Limit()), Tokens: int64(p.aimd.tokens.Limit())}
	if l != p.aimd.known {
		p.aimd.known = l
		p.setLimits(fromRefusal, l, now)
	}
}

// A Refusal is an upstream's answer that it has no capacity: 429, 529 or their like.
type Refusal struct {
	RetryAfter time.Duration // 0 when it did not say
	// Tokens: its message is about tokens. Overload: it is about the upstream being busy, not about a quota. Neither: requests.
	Tokens, Overload bool
}

// Throttled tells that the upstream refused t for want of capacity. The pool pauses for as long as it was told, and one of its
// learners learns: that of concurrency from an overload, when the configuration has one (PoolConfig.Learn), else that of the rate
// that was refused. A refusal takes 30 %, and growth is slow and stops short of what was refused. One before which nothing has
// passed teaches nothing: the pool pauses then, for a second and each time for twice as long when it was not told for how long.
// Nor does one for less than a second, as long as most calls pass: that is about what runs at once, and no rate by the minute.
// Settle, Refund or Keep the ticket as for any failure.
func (t *Ticket) Throttled(r Refusal) {
	p := t.pool
	if p == nil {
		return
	}
	p.mu.Lock()
	if t.went.IsZero() {
		p.mu.Unlock()
		return
	}
	now := p.s.clock.Now()
	pause := r.RetryAfter
	if pause > 0 && pause < leastWindow {
		p.aimd.hasty = min(p.aimd.hasty+1, 2*mostHasty)
	}
	if !p.refusal(t, r, now) && pause <= 0 {
		p.aimd.pause = min(max(2*p.aimd.pause, leastPause), mostPause)
		pause = p.aimd.pause
	}
	if until := now.Add(pause); pause > 0 && until.After(p.pause) {
		p.pause = until
	}
	p.learnt(now)
	p.drain(now)
	p.unlock()
}

// Bounds of pauses that nobody asked for.
const (
	leastPause = time.Second
	mostPause  = time.Minute
)

const (
	leastWindow = time.Second // a shorter wait is not that for a minute's rate
	mostHasty   = 32          // but so many more of them than calls that went well make one
)

// refusal tells one of the learners, and whether that taught it something.
func (p *Pool) refusal(t *Ticket, r Refusal, now time.Time) bool {
	switch {
	case r.Overload && p.grad != nil:
		p.grad.Refused(now, t.went)
		p.setLimits(fromLatency, Limits{Concurrency: p.grad.Limit()}, now)
		return true
	case r.RetryAfter > 0 && r.RetryAfter < leastWindow && p.aimd.hasty < mostHasty:
		p.aimd.requests.Used(now, t.went, -1)
		return false
	case r.Tokens && !r.Overload:
		a, n := p.aimd.tokens, p.tokensOf(t.need)
		t.need = limit.Cost{} // the learner takes it back: the end must not do so again
		return a.Refused(now, t.went, n, p.unsure(t, a.From(now), p.tokensOf))
	}
	a := p.aimd.requests
	return a.Refused(now, t.went, 1, p.unsure(t, a.From(now), func(limit.Cost) float64 { return 1 }))
}

// unsure is what was sent since then, and of which nobody knows yet whether it will be refused; t itself left out.
func (p *Pool) unsure(t *Ticket, since time.Time, amount func(limit.Cost) float64) (n float64) {
	for x := range p.live.all() {
		if x != t && !x.began && !x.paid && !x.went.Before(since) {
			n += amount(x.need)
		}
	}
	return n
}

// told puts in force the limits that response headers stated.
func (p *Pool) told(now time.Time) {
	r := p.set.Told()
	l := Limits{
		Requests: int64(r.Requests.PerMinute), Tokens: int64(r.Tokens.PerMinute),
		Input: int64(r.Input.PerMinute), Output: int64(r.Output.PerMinute),
	}
	if l != p.sources[fromHeaders] {
		p.setLimits(fromHeaders, l, now)
	}
}

func (p *Pool) configureLearner(on bool, now time.Time) {
	switch {
	case !on:
		p.grad = nil
		p.setLimits(fromLatency, Limits{}, now)
	case p.grad == nil:
		p.grad = limit.NewGradient(limit.GradientOptions{})
		p.setLimits(fromLatency, Limits{Concurrency: p.grad.Limit()}, now)
	}
}

// learn teaches the estimators from a call that ended well.
func (p *Pool) learn(t *Ticket, u Usage, now time.Time) {
	c := &t.Call
	p.aimd.pause, p.aimd.hasty = 0, max(0, p.aimd.hasty-1)
	p.used(t, limit.Cost{Input: float64(u.Input), Cached: float64(u.Cached), Output: float64(u.Output)}, now)
	if !u.Estimated {
		p.learned++
		p.est.Observe(limit.Key{Tenant: c.Tenant, Model: c.Model, Agent: c.Agent}, int(u.Output))
	}
	uncached := u.Input - u.Cached
	if t.first.IsZero() || uncached <= 0 || (u.Cached == 0 && t.need.Cached > 0) {
		return // an upstream that does not say what was cached would make prefill look fast
	}
	took := t.first.Sub(t.went).Seconds()
	p.addPrefill(c.Model, float64(uncached), took)
	if p.grad == nil {
		p.ttft.Observe(c.Model, int(uncached), took)
		return
	}
	observe := p.ttft.Observe
	if p.grad.Busy(t.load) {
		observe = p.ttft.ObserveBusy
	}
	if ratio, ok := observe(c.Model, int(uncached), took); ok {
		p.grad.Observe(ratio, t.load)
		p.setLimits(fromLatency, Limits{Concurrency: p.grad.Limit()}, now)
	}
}

// used tells the learner of tokens what t came to instead of what was expected: nothing at all, unless an answer began.
func (p *Pool) used(t *Ticket, c limit.Cost, now time.Time) {
	p.aimd.tokens.Used(now, t.went, p.tokensOf(c)-p.tokensOf(t.need))
}

// A prefill is a line through the origin: seconds to the first token for each uncached token, good from the first call on. Large
// prompts decide it, so a fixed overhead hardly counts.
type prefill struct{ xy, xx float64 }

const (
	prefillKeep = 0.95
	maxPrefills = 256 // models
)

func (p *Pool) addPrefill(model string, uncached, seconds float64) {
	f, ok := p.prefill[model]
	if !ok && len(p.prefill) >= maxPrefills {
		clear(p.prefill)
	}
	f.xy = f.xy*prefillKeep + uncached*seconds
	f.xx = f.xx*prefillKeep + uncached*uncached
	p.prefill[model] = f
}

// perToken is the time that the upstream needs for each token of a cold prompt, in seconds; 0 while it is not known.
func (p *Pool) perToken(model string) float64 {
	if each, ok := p.ttft.PerToken(model); ok {
		return each
	}
	if f := p.prefill[model]; f.xx > 0 {
		return f.xy / f.xx
	}
	return 0
}
