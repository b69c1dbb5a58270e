package limit

import (
	"bytes"
	"time"

	"github.com/trapgate/trapgate/internal/head"
)

// A Quota is what a response said about one limit. Only what was said and can be believed is marked as present.
type Quota struct {
	HasLimit, HasRemaining, HasReset bool

	Limit     float64
	Remaining float64
	Reset     time.Duration // from now until the quota is full, or its window ends
	Period    time.Duration // where the name says it (…-minute, …-day), else 0
}

func (q Quota) known() bool { return q.HasLimit || q.HasRemaining }

// An Observation is what the header lines of one response said about limits.
type Observation struct {
	Known                           bool // anything at all
	Requests, Tokens, Input, Output Quota
	RetryAfter                      time.Duration // 0: not said
}

// The parts of a limit header's name.
const (
	dimNone = iota
	dimRequests
	dimTokens
	dimInput
	dimOutput
	dims
)

const (
	partNone = iota
	partLimit
	partRemaining
	partReset
)

// maxName bounds the names that are looked at; the longest in use is anthropic-ratelimit-output-tokens-remaining.
const maxName = 64

// word is what one word of a name means. A name with any other word is not about a limit of ours.
var words = map[string]struct {
	dim, part int
	period    time.Duration
}{
	"limit": {part: partLimit}, "remaining": {part: partRemaining}, "reset": {part: partReset},
	"requests": {dim: dimRequests}, "request": {dim: dimRequests}, "req": {dim: dimRequests},
	"tokens": {dim: dimTokens}, "token": {dim: dimTokens},
	"input": {dim: dimInput}, "prompt": {dim: dimInput},
	"output": {dim: dimOutput}, "generated": {dim: dimOutput}, "completion": {dim: dimOutput},
	"second": {period: time.Second}, "minute": {period: time.Minute}, "hour": {period: time.Hour},
	"day": {period: 24 * time.Hour}, "month": {period: 30 * 24 * time.Hour},
}

// prefixes of limit headers and what they are about where no word says it.
var prefixes = []struct {
	name string
	dim  int
}{
	{"x-ratelimit-", dimRequests},
	{"anthropic-ratelimit-", dimRequests},
	{"ratelimit-", dimRequests},
	{"x-ratelimitbysize-", dimTokens},
	{"x-tokenlimit-", dimTokens},
}

// Parse reads the limit headers of a response. Names are taken apart by words, because providers put the same words into
// every order: {x-ratelimit | anthropic-ratelimit | ratelimit} with limit, remaining or reset, what (requests, tokens, input or
// prompt, output or generated) and sometimes a period. That covers OpenAI, Azure, Anthropic, Groq, Cerebras, Mistral,
// Fireworks, Together, OpenRouter and the IETF draft. A value may be a number, a Go-like duration (1s, 6m0s, 20ms), seconds, Unix
// time, RFC 3339 or an HTTP date. What is absurd, negative or cannot be read is taken as not said; so is Azure's 0 for
// "remaining" without a reset. h is not kept.
func Parse(now time.Time, h head.Fields) Observation {
	var short, long [dims]Quota
	var o Observation
	for i := range h {
		dim, part, period := name(h[i].Name)
		if part == partNone {
			continue
		}
		q := &short[dim]
		if period > time.Minute {
			q = &long[dim]
		}
		q.Period = period
		v := bytes.TrimSpace(h[i].Value)
		switch part {
		case partLimit:
			q.Limit, q.HasLimit = amount(v)
			q.HasLimit = q.HasLimit && q.Limit > 0
		case partRemaining:
			q.Remaining, q.HasRemaining = amount(v)
		case partReset:
			q.Reset, q.HasReset = span(now, v)
		}
	}
	for dim := range dims {
		q := short[dim].sane()
		if !q.known() {
			q = long[dim].sane()
		}
		switch dim {
		case dimRequests:
			o.Requests = q
		case dimTokens:
			o.Tokens = q
		case dimInput:
			o.Input = q
		case dimOutput:
			o.Output = q
		default:
			continue
		}
		o.Known = o.Known || q.known()
	}
	if d, ok := RetryAfter(now, h); ok {
		o.RetryAfter, o.Known = d, true
	}
	return o
}

// sane drops what cannot be meant.
func (q Quota) sane() Quota {
	if q.HasRemaining && q.Remaining == 0 && (!q.HasReset || q.Reset <= 0) {
		q.HasRemaining = false
	}
	if q.HasLimit && q.HasRemaining && q.Remaining > q.Limit {
		q.Remaining = q.Limit
	}
	if !q.HasLimit {
		q.Limit = 0
	}
	if !q.HasRemaining {
		q.Remaining = 0
	}
	return q
}

// name takes a header's name apart.
func name(n []byte) (dim, part int, period time.Duration) {
	if len(n) > maxName || len(n) < len("ratelimit-x") {
		return 0, 0, 0
	}
	var buf [maxName]byte
	low := buf[:len(n)]
	for i, c := range n {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		low[i] = c
	}
	for _, p := range prefixes {
		rest, ok := bytes.CutPrefix(low, []byte(p.name))
		if !ok {
			continue
		}
		for more := true; more; { // by hand: an iterator would put the name on the heap
			w := rest
			if i := bytes.IndexByte(rest, '-'); i >= 0 {
				w, rest = rest[:i], rest[i+1:]
			} else {
				more = false
			}
			m, ok := words[string(w)]
			if !ok {
				return 0, 0, 0
			}
			// "tokens" beside input or output says nothing more.
			if m.dim != dimNone && (dim == dimNone || dim == dimTokens) {
				dim = m.dim
			}
			part, period = max(part, m.part), max(period, m.period)
		}
		if dim == dimNone {
			dim = p.dim
		}
		return dim, part, period
	}
	return 0, 0, 0
}

// maxRetry bounds what is believed of Retry-After. It covers a month's quota and a year's: a wait that is not believed counts as
// none, and then a call is tried again at once that has no chance. For how long to really stay away is the caller's to bound.
const maxRetry = 366 * 24 * time.Hour

// RetryAfter reads how long a response asks to wait: retry-after-ms (and Azure's x-ms-retry-after-ms), which is the more exact,
// else Retry-After in seconds or as an HTTP date (RFC 9110, section 10.2.3). Dates in the past are a wait of 0.
func RetryAfter(now time.Time, h head.Fields) (time.Duration, bool) {
	for _, n := range []string{"retry-after-ms", "x-ms-retry-after-ms"} {
		if ms, ok := number(bytes.TrimSpace(h.Get(n))); ok && ms*float64(time.Millisecond) <= float64(maxRetry) {
			return time.Duration(ms * float64(time.Millisecond)), true
		}
	}
	v := bytes.TrimSpace(h.Get("retry-after"))
	if s, ok := number(v); ok {
		if s > maxRetry.Seconds() {
			return 0, false
		}
		return time.Duration(s * float64(time.Second)), true
	}
	if t, ok := date(v); ok {
		if d := max(0, t.Sub(now)); d <= maxRetry {
			return d, true
		}
	}
	return 0, false
}
