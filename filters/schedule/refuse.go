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
	codeExpired    = "wait_expired"        // 429: it did
	codeBroken     = "upstream_overloaded" // 503: the same, because the upstream has asked everybody to stay away
	codeStopping   = "shutting_down"       // 503
	codeBudget     = "budget_exceeded"     // 429
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
		reply.Code = codeQueueFull
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
		reply.Code = codeWait
		reply.Message = fmt.Sprintf("upstream %s would be free later than this agent waits (%s): raise its timeout, or come back", up, round(s.patience.longest))
	default:
		reply.Code = codeExpired
		reply.Message = fmt.Sprintf("no place at upstream %s came free in the time that this agent waits (%s): raise its timeout, or come back", up, round(s.patience.longest))
	}
	if (r.Reason == ratelimit.WaitTooLong || r.Reason == ratelimit.Expired) && s.p.isBroken(s.now()) {
		reply.Status, reply.Code = 503, codeBroken
		reply.Message = fmt.Sprintf("upstream %s has said that it is overloaded, and asked to be left alone: come back later", up)
	}
	return reply
}

// overspent is the answer to an attempt that a hard budget has no room for.
func (s *stream) overspent(e *budget.Exceeded) error {
	s.x.Trail.Append(Name, "refused", filters.Attr{Key: "reason", Value: codeBudget}, filters.Attr{Key: "budget", Value: e.Budget.String()})
	whose := "tenant " + e.Tenant
	if e.Budget.Per != budget.PerTenant {
		whose = e.Budget.Per.String() + " " + e.Subject
	}
	what := "ask again then, or have schedule.tenants raised"
	if e.Never {
		what = "this request would not fit an unused one either: ask for fewer tokens, or have schedule.tenants raised"
	}
	return &filters.Reply{
		Status: 429, Code: codeBudget, NoRetry: true, RetryAfter: max(e.Reset.Sub(s.now()), time.Second),
		Message: fmt.Sprintf("the budget of %s (%s) is used up; it resets at %s: %s", whose, e.Budget, e.Reset.UTC().Format(time.RFC3339), what),
	}
}

// later is a time to come back that is never before d, and not the same for all who were told one.
func later(d time.Duration) time.Duration {
	d = min(max(d, time.Second), 365*24*time.Hour)
	return d + time.Duration(rand.Int64N(int64(d)/8+1))
}

func round(d time.Duration) time.Duration { return d.Round(time.Second) }
