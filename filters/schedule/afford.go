package schedule

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

// afford reserves the attempt in its tenant's budgets. A hard one that is used up is waited for when it resets before the
// agent gives up.
func (s *stream) afford(ctx context.Context) error {
	b := s.f.opt.Budgets
	if b == nil {
		return nil
	}
	e, id := s.e, &s.x.Identity
	if !e.opened {
		e.opened = true
		repeat := e.counted || id.RetryOf != "" && s.f.repeated.has(id.RetryOf)
		e.counted = repeat
		b.Open(&e.account, budget.Who{Tenant: id.Tenant, User: id.User, Agent: id.Agent}, repeat)
	}
	if err := s.reserve(); err != nil {
		return s.exceeded(ctx, err)
	}
	return nil
}

// exceeded decides whether an attempt that found no room waits for it.
func (s *stream) exceeded(ctx context.Context, err error) error {
	var over *budget.Exceeded
	if !errors.As(err, &over) {
		return err
	}
	deadline := s.now().Add(s.patience.longest - s.waited)
	if hopeless(over, deadline) {
		return s.overspent(over)
	}
	return s.hold(ctx, over, deadline)
}

// hopeless reports whether there will be no room before an agent gives up. What only others' reservations are in the way of is
// always worth a wait: most of them turn out too large.
func hopeless(over *budget.Exceeded, deadline time.Time) bool {
	return over.Never || !over.Reserved && over.Reset.After(deadline)
}

// causeBudget is what a call waited for that waited for a budget only.
const causeBudget = "budget"

// hold waits until the budgets have room.
func (s *stream) hold(ctx context.Context, over *budget.Exceeded, deadline time.Time) error {
	h := s.f.holds.enter(s.x.Identity.Tenant)
	if h == nil {
		return s.crowded(over)
	}
	defer s.f.holds.leave(h)
	start := s.now()
	w := s.newWaiter()
	defer w.stop()
	err := s.held(ctx, w, h, deadline)
	waited := s.now().Sub(start)
	s.waited, s.cause = s.waited+waited, causeBudget
	s.x.Waited += waited
	s.x.Trail.Append(Name, "held", filters.Attr{Key: "budget", Value: over.Budget.String()}, filters.Attr{Key: "wait_ms", Value: waited.Milliseconds()})
	return err
}

// held is hold for an h that is known.
func (s *stream) held(ctx context.Context, w *waiter, h *hold, deadline time.Time) error {
	var over *budget.Exceeded
	for {
		err := s.reserve() // again: room may have come before anybody knew of h
		if err == nil || !errors.As(err, &over) {
			return err
		}
		switch now := s.now(); {
		case hopeless(over, deadline):
			return s.overspent(over)
		case !now.Before(deadline):
			return s.outwaited(over)
		}
		at := over.Reset
		if at.After(deadline) {
			at = deadline
		}
		bell, stop := s.alarm(at)
		err = w.wait(ctx, h.freed, bell)
		stop()
		if !errors.Is(err, errReady) && !errors.Is(err, errTime) {
			return err
		}
	}
}

// reserve asks the budgets once.
func (s *stream) reserve() error {
	st, err := s.e.account.Reserve(s.e.tries, s.x.Attempt.Model, s.x.Attempt.Upstream, budget.Usage{Input: s.guess.input, Output: s.guess.output})
	if err != nil {
		return s.worthless(err)
	}
	if st.Unpriced {
		s.unpriced = true
		s.x.Trail.Append(Name, "unpriced", filters.Attr{Key: "model", Value: s.x.Attempt.Model})
	}
	s.reserved = true
	s.paidFor = s.guess.output
	s.standing(st)
	return nil
}

// unaffordable gives back what afford reserved for an attempt that does not go.
func (s *stream) unaffordable() {
	if s.reserved {
		s.reserved = false
		s.e.account.Withdraw(s.e.tries)
	}
}

// standing tells of a soft budget that is passed: in the answer's head while that has not left, and in the trail once.
func (s *stream) standing(st budget.Standing) {
	if !st.Over {
		return
	}
	s.soft = st
	if st.Crossed {
		s.x.Trail.Append(Name, "budget_passed", filters.Attr{Key: "budget", Value: st.Budget.String()}, filters.Attr{Key: "used", Value: st.Fraction})
	}
}

// appendBudget spells a soft budget that is passed: "tenant;day;tokens;used=104%;reset=2026-11-23T00:00:00Z".
func appendBudget(b []byte, st *budget.Standing) []byte {
	b = fmt.Appendf(b, "%s;%s;%s;used=", st.Budget.Per, st.Budget.Window, st.Budget.Unit)
	b = strconv.AppendInt(b, int64(st.Fraction*100), 10)
	b = append(b, "%;reset="...)
	return st.Reset.UTC().AppendFormat(b, time.RFC3339)
}

// appendUnpriced spells that a soft budget of money counts nothing: "unpriced;model=some-model".
func appendUnpriced(b []byte, model string) []byte {
	return append(append(b, "unpriced;model="...), headerName(model)...)
}

// holds are the exchanges that wait for a budget, by tenant.
type holds struct {
	mu sync.Mutex
	by map[string]map[*hold]struct{}
}

type hold struct {
	tenant string
	freed  chan error
}

// enter registers one more, nil when the tenant has too many.
func (h *holds) enter(tenant string) *hold {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.by == nil {
		h.by = make(map[string]map[*hold]struct{})
	}
	set := h.by[tenant]
	if len(set) >= maxHolds {
		return nil
	}
	if set == nil {
		set = make(map[*hold]struct{})
		h.by[tenant] = set
	}
	w := &hold{tenant, make(chan error, 1)}
	set[w] = struct{}{}
	return w
}

func (h *holds) leave(w *hold) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.by[w.tenant], w)
	if len(h.by[w.tenant]) == 0 {
		delete(h.by, w.tenant)
	}
}

// count is how many wait, in all.
func (h *holds) count() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, set := range h.by {
		n += len(set)
	}
	return n
}

// Freed tells that a tenant's budgets have room again: give it to budget.Options.Freed.
func (f *Filter) Freed(tenant string) {
	f.holds.mu.Lock()
	defer f.holds.mu.Unlock()
	for w := range f.holds.by[tenant] {
		select {
		case w.freed <- nil:
		default:
		}
	}
}
