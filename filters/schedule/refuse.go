package schedule

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

// The codes of this filter's refusals.
const (
	codeQueueFull  = "queue_full"          // 429: the pool's queue
	codeTenantFull = "tenant_queue_full"   // 429: what the tenant may have waiting
	codeFlowFull   = "flow_queue_full"     // 429: what one program may have waiting
	codeWait       = "wait_too_long"       // 429: it would wait longer than its agent does
	codeExpired    = "wait_expired"        // 429: it did, for a place or for what others had reserved of a budget
	codeBroken     = "upstream_overloaded" // 503: the same, because the upstream has asked everybody to stay away
	codeStopping   = "shutting_down"       // 503
	codeBudget     = "budget_exceeded"     // 429
	codeUnpriced   = "model_unpriced"      // 403: a hard budget of money cannot tell what the call would cost
)

// refusal makes the agent's answer of why the engine gave no place. Other errors stay what they are.
func (s *stream) refusal(err error) error {
	var r *ratelimit.Rejected
	if !errors.As(err, &r) {
		return err
	}
	s.x.Trail.Append(Name, "refused", filters.Attr{Key: "pool", Value: r.Pool}, filters.Attr{Key: "reason", Value: string(r.Reason)})
	reply := &filters.Reply{Status: 429, RetryAfter: later(r.RetryAfter)}
	up := s.x.Attempt.Upstream
	switch r.Reason {
	case ratelimit.QueueFull:
		reply.Code, reply.Local = codeQueueFull, true
		reply.Message = fmt.Sprintf("the queue of upstream %s is full: send fewer requests at a time, or raise schedule.queue", up)
	case ratelimit.TenantFull:
		reply.Code = codeTenantFull
		reply.Message = fmt.Sprintf("tenant %s has as much waiting for upstream %s as it may: send fewer requests at a time, or raise schedule.queue", s.x.Identity.Tenant, up)
	case ratelimit.FlowFull:
		reply.Code = codeFlowFull
		reply.Message = fmt.Sprintf("this program has as many requests waiting for upstream %s as it may: send fewer at a time, or raise schedule.queue", up)
	case ratelimit.Closed:
		reply.Status, reply.Code = 503, codeStopping
		reply.Message = "trapgate is stopping: send the request again in a moment"
	case ratelimit.WaitTooLong:
		reply.Code, reply.Local = codeWait, true
		reply.Message = fmt.Sprintf("upstream %s would be free later than this agent waits (%s): raise its timeout, or come back", up, s.patience.declared)
	default:
		reply.Code, reply.Local = codeExpired, true
		reply.Message = fmt.Sprintf("no place at upstream %s came free in the time that this agent waits (%s): raise its timeout, or come back", up, s.patience.declared)
	}
	if (r.Reason == ratelimit.WaitTooLong || r.Reason == ratelimit.Expired) && s.p.isBroken(s.now()) {
		reply.Status, reply.Code = 503, codeBroken
		reply.Message = fmt.Sprintf("upstream %s has said that it is overloaded, and asked to be left alone: come back later", up)
	}
	return reply
}

// elsewhere is the answer to an attempt at an upstream that has asked everybody to stay away for that long, when another one may
// have room.
func (s *stream) elsewhere(pause time.Duration) error {
	s.x.Trail.Append(Name, "refused", filters.Attr{Key: "pool", Value: s.p.name}, filters.Attr{Key: "reason", Value: "paused"})
	return &filters.Reply{
		Status: 503, Code: codeBroken, RetryAfter: later(pause), Local: true,
		Message: fmt.Sprintf("upstream %s has asked to be left alone: come back later", s.x.Attempt.Upstream),
	}
}

// overspent is the answer to an attempt that a hard budget has no room for.
func (s *stream) overspent(e *budget.Exceeded) error {
	s.x.Trail.Append(Name, "refused", filters.Attr{Key: "reason", Value: codeBudget}, filters.Attr{Key: "budget", Value: e.Budget.String()})
	what := "ask again then, or have schedule.tenants raised"
	if e.Never {
		what = "this request would not fit an unused one either: ask for fewer tokens, or have schedule.tenants raised"
	}
	return &filters.Reply{
		Status: 429, Code: codeBudget, NoRetry: true, RetryAfter: max(e.Reset.Sub(s.now()), time.Second),
		Message: fmt.Sprintf("the budget of %s (%s) is used up; it resets at %s: %s", whose(e), e.Budget, e.Reset.UTC().Format(time.RFC3339), what),
	}
}

// whose says whose budget it is.
func whose(e *budget.Exceeded) string {
	if e.Budget.Per != budget.PerTenant {
		return e.Budget.Per.String() + " " + e.Subject
	}
	return "tenant " + e.Tenant
}

// outwaited is the answer to an attempt whose budget was reserved by others for as long as its agent waits.
func (s *stream) outwaited(e *budget.Exceeded) error {
	s.x.Trail.Append(Name, "refused", filters.Attr{Key: "reason", Value: codeExpired}, filters.Attr{Key: "budget", Value: e.Budget.String()})
	return &filters.Reply{
		Status: 429, Code: codeExpired, RetryAfter: later(0),
		Message: fmt.Sprintf("what is left of the budget of %s (%s) stayed reserved for requests under way in the time that this agent waits (%s): "+
			"send fewer at a time, or come back", whose(e), e.Budget, s.patience.declared),
	}
}

// crowded is the answer when too many of a tenant wait for its budgets already.
func (s *stream) crowded(e *budget.Exceeded) error {
	if !e.Reserved {
		return s.overspent(e)
	}
	s.x.Trail.Append(Name, "refused", filters.Attr{Key: "reason", Value: codeTenantFull}, filters.Attr{Key: "budget", Value: e.Budget.String()})
	return &filters.Reply{
		Status: 429, Code: codeTenantFull, RetryAfter: later(0),
		Message: fmt.Sprintf("as many requests as may wait for the budget of %s (%s): send fewer at a time", whose(e), e.Budget),
	}
}

// worthless is the answer when err is that a hard budget of money meets a model without a price; other errors stay what they are.
func (s *stream) worthless(err error) error {
	var e *budget.Unpriced
	if !errors.As(err, &e) {
		return err
	}
	s.x.Trail.Append(Name, "refused", filters.Attr{Key: "reason", Value: codeUnpriced}, filters.Attr{Key: "model", Value: e.Model}, filters.Attr{Key: "budget", Value: e.Budget.String()})
	which, add := fmt.Sprintf("model %q", e.Model), "add it to schedule.prices"
	if e.Model == "" {
		which, add = "a request without a model", `name the model, or add "*" to schedule.prices`
	}
	return &filters.Reply{
		Status: 403, Code: codeUnpriced, NoRetry: true,
		Message: fmt.Sprintf("%s has no price, and tenant %s has a budget of money (%s): %s", which, e.Tenant, e.Budget, add),
	}
}

// later is a time to come back that is never before d, and not the same for all who were told one.
func later(d time.Duration) time.Duration {
	d = min(max(d, time.Second), 365*24*time.Hour)
	return d + time.Duration(rand.Int64N(int64(d)/8+1))
}
