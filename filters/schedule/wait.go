package schedule

import (
	"context"
	"errors"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/ratelimit"
)

// admit brings the attempt to the point where it may go: its budgets have room, and the pool has granted it a place. On an
// error nothing is held.
func (s *stream) admit(ctx context.Context) error {
	if s.x.Attempt.More { // better than a wait in which nothing moves
		if pause := s.p.engine.Paused(); pause > 0 {
			return s.elsewhere(pause)
		}
	}
	if err := s.stayAway(ctx); err != nil {
		return err
	}
	if err := s.afford(ctx); err != nil {
		return err
	}
	t := s.ticket()
	s.e.prior = nil // the engine has it now
	granted, err := s.p.engine.Submit(t)
	if err == nil && !granted {
		err = s.queue(ctx, t)
	}
	if err != nil {
		s.unaffordable()
		if t.Pool() != nil {
			s.e.prior = t // the next candidate's attempt has its place
		}
		return s.refusal(err)
	}
	if !granted {
		waited, cause := t.Waited()
		s.x.Waited += waited
		s.waited, s.cause = s.waited+waited, string(cause)
		s.x.Trail.Append(Name, "queued", filters.Attr{Key: "pool", Value: s.p.name},
			filters.Attr{Key: "wait_ms", Value: waited.Milliseconds()}, filters.Attr{Key: "cause", Value: s.cause})
	}
	s.t = t
	s.ask()
	return nil
}

// causeRefused is what a call waited for whose own credential was refused.
const causeRefused = "refused"

// stayAway waits until the upstream may be asked again with the agent's own credential, which it has refused.
func (s *stream) stayAway(ctx context.Context) error {
	away := s.e.shunned
	if away.upstream == "" || away.upstream != s.x.Attempt.Upstream {
		return nil
	}
	start := s.now()
	d := away.until.Sub(start)
	if d <= 0 {
		return nil
	}
	if d > s.patience.longest {
		return s.refusal(&ratelimit.Rejected{Pool: s.p.name, Reason: ratelimit.WaitTooLong, RetryAfter: d})
	}
	w := s.newWaiter()
	defer w.stop()
	bell, stop := s.alarm(away.until)
	defer stop()
	err := w.wait(ctx, nil, bell)
	waited := s.now().Sub(start)
	s.x.Waited += waited
	if !errors.Is(err, errTime) {
		return err
	}
	s.waited, s.cause = waited, causeRefused
	s.x.Trail.Append(Name, "stayed_away", filters.Attr{Key: "pool", Value: s.p.name}, filters.Attr{Key: "wait_ms", Value: waited.Milliseconds()})
	return nil
}

// ticket makes the attempt's ticket. It is not used again: the engine may still tell of it when the attempt is over.
func (s *stream) ticket() *ratelimit.Ticket {
	x, id := s.x, &s.x.Identity
	t := &ratelimit.Ticket{Ready: s.onReady}
	c := &t.Call
	c.Exchange, c.Prior = x.ID, s.e.prior
	if s.e.tries == 1 { // a later attempt has the place of the one before
		c.RetryOf = id.RetryOf
	}
	c.Class, c.Tenant, c.User, c.Agent, c.Model = s.class, id.Tenant, id.User, id.Agent, x.Attempt.Model
	c.Program, c.Chain, c.Chains = id.Program, id.Chain, id.Chains
	if !id.Side { // a side call is not the conversation, whose prefix it does not extend
		c.Session = id.Session
	}
	if c.Program == "" && c.Session == "" {
		if c.Program = id.Session; c.Program == "" {
			c.Program = x.ID // nobody knows what it belongs to: a program of its own
		}
	}
	c.Input, c.MaxOutput = s.guess.input, s.most
	c.Bytes, c.Stream = int64(len(x.View.Body)), x.View.Stream
	c.Timeout = max(s.patience.longest-s.waited, time.Second) // zero means no end
	return t
}

// queue waits for t, which was not granted at once.
func (s *stream) queue(ctx context.Context, t *ratelimit.Ticket) error {
	start := s.now()
	w := s.newWaiter()
	defer w.stop()
	err := w.wait(ctx, s.ready, nil)
	if errors.Is(err, errReady) {
		if w.result != nil {
			s.x.Waited += s.now().Sub(start)
		}
		return w.result
	}
	s.x.Waited += s.now().Sub(start)
	if !t.Cancel() {
		<-s.ready // granted or refused meanwhile: it is told exactly once, and the channel is used again
		t.Unused()
		t.Done()
	}
	return err
}

// A waiter holds an agent. It is only made when there is something to wait for.
type waiter struct {
	s      *stream
	tick   chan struct{} // time for a comment
	timer  ratelimit.Timer
	result error // what ready said
}

var (
	errReady = errors.New("schedule: ready")
	errTime  = errors.New("schedule: the time has come")
)

// newWaiter begins to send comments when the agent is to have any.
func (s *stream) newWaiter() *waiter {
	w := &waiter{s: s}
	if s.x.KeepAlive != nil && s.patience.comment > 0 {
		w.tick = make(chan struct{}, 1)
		w.arm()
	}
	return w
}

func (w *waiter) arm() {
	w.timer = w.s.f.opt.Clock.AfterFunc(w.s.patience.comment, func() {
		select {
		case w.tick <- struct{}{}:
		default:
		}
	})
}

func (w *waiter) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
}

// wait returns errReady when ready has spoken, errTime when at has, else why the agent is not to be held any longer: what
// ctx ended with, or why it could not be sent a comment.
func (w *waiter) wait(ctx context.Context, ready <-chan error, at <-chan struct{}) error {
	for {
		select {
		case w.result = <-ready:
			return errReady
		case <-at:
			return errTime
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-w.tick:
			if err := w.s.x.KeepAlive(); err != nil {
				return err
			}
			w.arm()
		}
	}
}

// alarm is a channel that speaks at a time of the filter's clock.
func (s *stream) alarm(at time.Time) (c <-chan struct{}, stop func() bool) {
	bell := make(chan struct{}, 1)
	t := s.f.opt.Clock.AfterFunc(at.Sub(s.now()), func() { bell <- struct{}{} })
	return bell, t.Stop
}

func (s *stream) now() time.Time { return s.f.opt.Clock.Now() }
