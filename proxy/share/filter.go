package share

import (
	"context"
	"strings"
	"time"

	"github.com/trapgate/trapgate/filters"
)

// Filter stands around the schedule filter: a process that had nothing to do wakes its leases before the call asks for a place,
// and a budget that is only not leased yet is waited for. While nobody shares it costs one look.
func (s *Sharing) Filter(schedule filters.Filter) filters.Filter { return &filter{s, schedule} }

type filter struct {
	s *Sharing
	filters.Filter
}

// overspent is the code by which the schedule filter refuses for a budget.
const overspent = "budget_exceeded"

// Open opens the schedule filter, again when a budget's lease has come meanwhile.
func (f *filter) Open(ctx context.Context, x *filters.Exchange) (filters.Stream, error) {
	s := f.s
	if !s.active.Load() {
		return f.Filter.Open(ctx, x)
	}
	if p := s.pools.named(x.Attempt.Upstream); p != nil {
		p.enter(x.Identity.Tenant)
		defer p.entering.Add(-1)
	}
	var until time.Time
	for {
		st, err := f.Filter.Open(ctx, x)
		if err == nil {
			return st, nil
		}
		reply := filters.AsReply(err)
		if reply == nil || reply.Code != overspent {
			return st, err
		}
		changed := s.lender.pending(x.Identity.Tenant)
		now := time.Now()
		if until.IsZero() {
			until = now.Add(patience * s.o.ttl())
		}
		if changed == nil || now.After(until) {
			return st, err
		}
		if err := pause(ctx, changed, 2*s.o.Renew); err != nil {
			return nil, err
		}
	}
}

// pause waits until changed is closed, for d at most.
func pause(ctx context.Context, changed <-chan struct{}, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-changed:
	case <-t.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// enter says that a call is about to ask for a place.
func (p *pool) enter(tenant string) {
	p.entering.Add(1)
	if p.asleep.Load() {
		tenant = strings.Clone(tenant)
		p.tenant.Store(&tenant)
		p.kick()
	}
}
