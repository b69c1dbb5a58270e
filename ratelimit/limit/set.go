package limit

import "time"

// A Cost is what one call takes, or by what it changes.
type Cost struct {
	Requests float64
	Input    float64 // tokens, cached ones included
	Cached   float64 // of Input
	Output   float64 // tokens
	// MaxOutput is what the call may produce at most; 0 means Output. Only Rules.GateOnMax looks at it.
	MaxOutput float64
}

// Rules tell how a provider counts.
type Rules struct {
	// CachedFree: cached input counts nowhere (Anthropic's input tokens, Groq).
	CachedFree bool
	// GateOnMax: a call is admitted only when its max_tokens would fit too (Cerebras says so; OpenAI is reported to).
	GateOnMax bool
}

// Rates are the limits of a set. A zero Rate is none.
type Rates struct{ Requests, Tokens, Input, Output Rate }

// A Set is all that limits one pool by the minute. A call must fit everywhere. A Set may be copied; the copy has a ledger of
// its own.
type Set struct {
	Requests, Tokens, Input, Output Bucket
	Rules                           Rules
}

// NewSet returns full buckets.
func NewSet(now time.Time, r Rates, rules Rules) Set {
	s := Set{Rules: rules}
	s.Requests.init(now, r.Requests, true)
	s.Tokens.init(now, r.Tokens, false)
	s.Input.init(now, r.Input, false)
	s.Output.init(now, r.Output, false)
	return s
}

// SetRates changes the limits and keeps the ledgers.
func (s *Set) SetRates(now time.Time, r Rates) {
	s.Requests.SetRate(now, r.Requests)
	s.Tokens.SetRate(now, r.Tokens)
	s.Input.SetRate(now, r.Input)
	s.Output.SetRate(now, r.Output)
}

// amounts are a cost as the four buckets see it.
type amounts struct{ requests, tokens, input, output, gateTokens, gateOutput float64 }

func (s *Set) split(c Cost) amounts {
	if s.Rules.CachedFree {
		c.Input -= c.Cached
	}
	a := amounts{requests: c.Requests, tokens: c.Input + c.Output, input: c.Input, output: c.Output}
	if s.Rules.GateOnMax {
		a.gateTokens, a.gateOutput = c.Input+c.MaxOutput, c.MaxOutput
	}
	return a
}

// Fits reports whether c may be reserved now.
func (s *Set) Fits(now time.Time, c Cost) bool {
	a := s.split(c)
	return s.Requests.Fits(now, a.requests, 0) && s.Tokens.Fits(now, a.tokens, a.gateTokens) &&
		s.Input.Fits(now, a.input, 0) && s.Output.Fits(now, a.output, a.gateOutput)
}

// RefillAt returns when c fits, if nothing else happens (see Bucket.RefillAt).
func (s *Set) RefillAt(now time.Time, c Cost) time.Time {
	a := s.split(c)
	at := later(now, s.Requests.RefillAt(now, a.requests, 0))
	at = later(at, s.Tokens.RefillAt(now, a.tokens, a.gateTokens))
	at = later(at, s.Input.RefillAt(now, a.input, 0))
	return later(at, s.Output.RefillAt(now, a.output, a.gateOutput))
}

// Await is RefillAt for the call at the head: what it needs beyond a burst may then be saved for it (see Bucket.Save).
func (s *Set) Await(now time.Time, c Cost) time.Time {
	a := s.split(c)
	s.Requests.Save(now, a.requests)
	s.Tokens.Save(now, a.tokens)
	s.Input.Save(now, a.input)
	s.Output.Save(now, a.output)
	return s.RefillAt(now, c)
}

// Delays reports whether reserving c now would put off the time at which head fits.
func (s *Set) Delays(now time.Time, c, head Cost) bool {
	a, h := s.split(c), s.split(head)
	at := s.RefillAt(now, head)
	return s.Requests.refillAt(h.requests, 0, a.requests).After(at) ||
		s.Tokens.refillAt(h.tokens, h.gateTokens, a.tokens).After(at) ||
		s.Input.refillAt(h.input, 0, a.input).After(at) ||
		s.Output.refillAt(h.output, h.gateOutput, a.output).After(at)
}

// Reserve takes c, whether it fits or not.
func (s *Set) Reserve(now time.Time, c Cost) {
	a := s.split(c)
	s.Requests.Reserve(now, a.requests)
	s.Tokens.Reserve(now, a.tokens)
	s.Input.Reserve(now, a.input)
	s.Output.Reserve(now, a.output)
}

// Adjust changes a reservation by delta, up or down.
func (s *Set) Adjust(now time.Time, delta Cost) {
	a := s.split(delta)
	s.Requests.Adjust(now, a.requests)
	s.Tokens.Adjust(now, a.tokens)
	s.Input.Adjust(now, a.input)
	s.Output.Adjust(now, a.output)
}

// Settle ends a reservation, once: reserved is all that Reserve and Adjust took for it, actual what it came to.
func (s *Set) Settle(now time.Time, reserved, actual Cost) {
	r, a := s.split(reserved), s.split(actual)
	s.Requests.Settle(now, r.requests, a.requests)
	s.Tokens.Settle(now, r.tokens, a.tokens)
	s.Input.Settle(now, r.input, a.input)
	s.Output.Settle(now, r.output, a.output)
}

// A Mark is a call's place in the ledgers.
type Mark struct{ requests, tokens, input, output float64 }

// Mark is taken right after a call's Reserve and handed to Sync with its response.
func (s *Set) Mark() Mark {
	return Mark{s.Requests.Mark(), s.Tokens.Mark(), s.Input.Mark(), s.Output.Mark()}
}

// Sync takes the provider's counts from a response; older ones than the last are ignored. Where a provider counts input and
// output apart, its joint figure is left out: it is their sum, and wrong as a limit where cached input is free.
func (s *Set) Sync(now time.Time, o Observation, m Mark) {
	s.Requests.Sync(now, o.Requests, m.requests)
	s.Input.Sync(now, o.Input, m.input)
	s.Output.Sync(now, o.Output, m.output)
	if !o.Input.HasRemaining && !o.Output.HasRemaining {
		s.Tokens.Sync(now, o.Tokens, m.tokens)
	}
}

// Told returns the limits by the minute that responses stated, zero where they stated none or one for a longer time, which
// is kept by the provider's count alone.
func (s *Set) Told() Rates {
	r := func(b *Bucket) Rate { return Rate{PerMinute: b.theirs.perMinute()} }
	return Rates{r(&s.Requests), r(&s.Tokens), r(&s.Input), r(&s.Output)}
}
