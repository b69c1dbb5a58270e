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
	known            Limits // as last put in force
}

func newRates(now time.Time) rates {
	return rates{requests: limit.NewAIMD(now, limit.AIMDOptions{}), tokens: limit.NewAIMD(now, limit.AIMDOptions{Step: 1000})}
}

// tokensOf is what a reservation counts for in a learnt token rate.
func tokensOf(c limit.Cost) float64 { return c.Input + c.Output }

// sent tells the learners of t's dispatch.
func (p *Pool) sent(t *Ticket, now time.Time) {
	p.aimd.requests.Sent(now, 1)
	p.aimd.tokens.Sent(now, tokensOf(t.need))
	p.learnt(now)
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

// Throttled tells that the upstream refused t for want of capacity. The pool pauses for as long as it was told, and learns: a
// refusal of a quota takes 30 % of the rate, and growth is slow and stops short of what was refused. Settle, Refund or Keep the
// ticket as for any failure.
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
	if until := now.Add(r.RetryAfter); r.RetryAfter > 0 && until.After(p.pause) {
		p.pause = until
	}
	switch {
	case r.Overload:
		if p.grad != nil {
			p.grad.Refused(now, t.went)
			p.setLimits(fromLatency, Limits{Concurrency: p.grad.Limit()}, now)
		}
	case r.Tokens:
		p.aimd.tokens.Refused(now, t.went, tokensOf(t.need))
	default:
		p.aimd.requests.Refused(now, t.went, 1)
	}
	p.learnt(now)
	p.drain(now)
	p.unlock()
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
