package schedule

import (
	"context"
	"sync"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

// An exchange is what the attempts of one exchange have in common. It travels in Attempt.Left.
type exchange struct {
	f       *Filter
	held    bool              // the outer half holds it, and will end it
	account budget.Account    // open from the first attempt on, when there are budgets
	opened  bool              // the account is
	tries   int               // attempts begun, over all calls
	prior   *ratelimit.Ticket // of the last attempt, when it failed: the next one takes over from it
	doubted bool              // the last attempt was refused, maybe for asking for usage
	counted bool              // request budgets have counted it
	failed  bool              // the last attempt did not end well
	shunned shunned           // an upstream that has refused the agent's credential
	id      string
}

// A shunned upstream gets no further attempt of an exchange before that time.
type shunned struct {
	upstream string
	until    time.Time
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// exchangeOf finds what an earlier attempt, or the outer half, has left, or begins it.
func (f *Filter) exchangeOf(x *filters.Exchange) *exchange {
	if e, ok := x.Attempt.Left.Get(Name).(*exchange); ok {
		return e
	}
	e := &exchange{f: f}
	x.Attempt.Left.Put(Name, e)
	return e
}

// pause ends what an exchange that nobody holds must not keep while no attempt is under way: there may be no further one.
// Only the place in the queue stays.
func (e *exchange) pause() {
	if !e.held {
		e.release()
	}
}

// release gives back reservations and closes the account.
func (e *exchange) release() {
	if e.prior != nil {
		e.prior.Drop()
	}
	if e.opened {
		e.opened = false
		e.account.Close()
	}
}

// end is the end of the exchange.
func (e *exchange) end() {
	e.release()
	if e.failed && e.counted && e.id != "" {
		e.f.repeated.add(e.id)
	}
	*e = exchange{}
	exchanges.Put(e)
}

// Outer returns the half that stands in the outer ring, anywhere behind identity.
func (f *Filter) Outer() filters.Filter { return outer{f} }

type outer struct{ f *Filter }

// Name returns "schedule".
func (outer) Name() string { return Name }

// Open begins what the attempts have in common.
func (o outer) Open(_ context.Context, x *filters.Exchange) (filters.Stream, error) {
	if !billed(x) {
		return nil, nil
	}
	e := exchanges.Get().(*exchange)
	e.f, e.held = o.f, true
	x.Attempt.Left.Put(Name, e)
	return (*outerStream)(e), nil
}

// An outerStream only waits for the exchange's end.
type outerStream exchange

var (
	_ filters.Stream   = (*outerStream)(nil)
	_ filters.HeadOnly = (*outerStream)(nil)
)

// HeadOnly reports that no event is of interest.
func (*outerStream) HeadOnly() bool { return true }

// Head does nothing.
func (*outerStream) Head(*filters.ResponseHead) error { return nil }

// Event passes on.
func (*outerStream) Event(e filters.Event, out *filters.Emitter) error { return out.Emit(e) }

// End does nothing.
func (*outerStream) End(*filters.Emitter) error { return nil }

// Close gives back what no attempt has taken up.
func (s *outerStream) Close(error) { (*exchange)(s).end() }
