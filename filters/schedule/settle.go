package schedule

import (
	"errors"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

// Close settles the attempt with what it used, and gives its slot back.
func (s *stream) Close(cause error) {
	if s.t == nil {
		return // closed before
	}
	s.learn(cause)
	switch how := s.ending(cause); how {
	case budget.Done, budget.Aborted, budget.Failed:
		s.settle(how)
	default:
		s.refund(cause)
	}
	s.t.Release()
	s.e.doubted = s.doubted
	s.e.pause()
	s.recycle()
}

// ending says how the attempt's accounting ends. Refunded: nothing of an answer was made.
func (s *stream) ending(cause error) budget.Outcome {
	left := errors.Is(cause, filters.ErrAgentGone) || errors.Is(cause, filters.ErrShutdown)
	switch {
	case s.status >= 300:
		return budget.Refunded
	case cause == nil && s.status != 0:
		return budget.Done
	case left && (s.status != 0 || s.x.Attempt.Sent): // also before the head: the upstream was at work on the prompt
		return budget.Aborted
	case s.status != 0:
		return budget.Failed
	}
	return budget.Refunded
}

// settle pays for what the attempt used.
func (s *stream) settle(how budget.Outcome) {
	a := s.x.Answer
	s.chars = max(s.chars, a.OutputChars)
	s.output = max(s.output, int64(float64(s.chars)*s.guess.perChar+0.5))
	u := a.Usage
	estimated := !u.Known
	switch {
	case !u.Known:
		u = wire.Usage{Input: s.guess.input, Output: s.output}
		if s.x.View.Background && s.chars == 0 {
			u.Output = s.t.Reserved() // the answer is still being made, and its usage will not pass here
		}
	case how != budget.Done && s.output > u.Output: // what came behind the last report
		u.Output, estimated = s.output, true
	}
	engine := ratelimit.Usage{Input: u.Input, Cached: u.CachedInput, Output: u.Output, Estimated: estimated, Final: s.final()}
	if how == budget.Done {
		s.t.Settle(engine)
		if u.Known {
			s.f.sizes.learn(s.x.Identity.Tenant, s.x.Identity.Agent, s.x.Attempt.Model, s.size, s.choices, s.chars, &u)
		}
	} else {
		s.t.Abort(engine)
		s.e.prior = s.t // if the host tries again: its place is the next one's, what it had reserved is spent
	}
	s.e.failed = how != budget.Done || a.Failed()
	s.settleBudgets(how, budget.Usage{Input: u.Input, Cached: u.CachedInput, Write: u.CacheWrite, Output: u.Output, Estimated: estimated})
}

// final reports whether the answer is whole and asks for no tool: its agent is not expected to be back with a result.
func (s *stream) final() bool {
	a := s.x.Answer
	if len(a.Finish) == 0 || a.ToolCalls > 0 || a.Failed() {
		return false
	}
	for _, why := range a.Finish {
		switch why {
		case "tool_calls", "function_call", "tool_use", "pause_turn", "queued", "in_progress":
			return false
		case "length", "max_tokens", "max_output_tokens", "incomplete": // cut by its limit: no end of anything
			return false
		}
	}
	return true
}

// refund ends an attempt that brought nothing. Its place, and what it had reserved, are the next attempt's if there is one; else
// the exchange's end gives it back.
func (s *stream) refund(cause error) {
	s.e.failed = true
	if cause != nil && s.e.held {
		s.t.Keep()
	} else {
		s.t.Refund()
	}
	if cause != nil {
		s.e.prior = s.t
	}
	s.settleBudgets(budget.Refunded, budget.Usage{})
}

// settleBudgets does the same in the budgets.
func (s *stream) settleBudgets(how budget.Outcome, u budget.Usage) {
	if !s.reserved {
		return
	}
	s.reserved = false
	if how != budget.Refunded {
		s.e.counted = true
	}
	st, _ := s.e.account.Settle(s.e.tries, u, how)
	s.standing(st)
}
