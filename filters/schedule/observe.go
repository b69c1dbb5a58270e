package schedule

import (
	"time"

	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/ratelimit"
)

// Observe makes the engine tell q what happens. q may be nil.
func Observe(q *telemetry.Queue) *ratelimit.Observer {
	if q == nil {
		return nil
	}
	return &ratelimit.Observer{
		Granted: func(p *ratelimit.Pool, t *ratelimit.Ticket, wait time.Duration, _ ratelimit.Cause) {
			q.Wait(p.Name(), t.Call.Class, telemetry.WaitGranted, wait)
		},
		Dispatch: func(p *ratelimit.Pool, d time.Duration) { q.Dispatch(p.Name(), d) },
		Settled: func(p *ratelimit.Pool, t *ratelimit.Ticket, u ratelimit.Usage, est int64) {
			q.Settled(p.Name(), est, u.Output, u.Input+u.Output-t.Call.Input-est)
		},
		Promoted: func(p *ratelimit.Pool, _ *ratelimit.Ticket) { q.Promoted(p.Name()) },
		Rejected: func(p *ratelimit.Pool, c *ratelimit.Call, r *ratelimit.Rejected) {
			q.Rejected(p.Name(), string(r.Reason))
			if r.Reason == ratelimit.Expired {
				q.Wait(p.Name(), c.Class, telemetry.WaitExpired, c.Timeout)
			}
		},
		Cancelled: func(p *ratelimit.Pool, t *ratelimit.Ticket, wait time.Duration) {
			q.Wait(p.Name(), t.Call.Class, telemetry.WaitCancelled, wait)
		},
		Held: func(p *ratelimit.Pool, d time.Duration, hit bool) { q.Held(p.Name(), d, hit) },
	}
}
