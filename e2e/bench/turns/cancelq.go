package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
	"github.com/trapgate/trapgate/proxy/simmodel"
	"github.com/trapgate/trapgate/ratelimit"
)

// A cancelRun is what it took to take calls out of queues.
type cancelRun struct {
	engine []float64 // seconds for Cancel, which has freed the place when it returns
	queued int       // in the engine's queue meanwhile
	tries  int       // agents that left, through the gate, whose queue has one place
	taken  int       // of which the next agent, a millisecond later, got the place
	seen   []float64 // seconds from an agent's leaving until the next one had its place, at most
}

// cancelQueued cancels in the engine, and through the whole gate.
func cancelQueued(p *plan, r *report) error {
	run := cancelRun{queued: 10_000}
	if err := run.inEngine(); err != nil {
		return err
	}
	if err := run.throughGate(p.cancels); err != nil {
		return err
	}
	r.cancels(run)
	return nil
}

// inEngine fills the queue of a pool with one slot and cancels all of it, in an order of chance.
func (run *cancelRun) inEngine() error {
	s := ratelimit.New(ratelimit.Config{
		Pools: []ratelimit.PoolConfig{{Name: "p", Limits: ratelimit.Limits{Concurrency: 1}}},
		Queue: ratelimit.QueueConfig{Calls: run.queued, TenantCalls: -1},
	}, ratelimit.Options{Clock: ratelimit.SystemClock{}})
	defer s.Close()
	pool := s.Pool("p")
	submit := func(i int) (*ratelimit.Ticket, bool, error) {
		t := &ratelimit.Ticket{
			Call: ratelimit.Call{
				Exchange: strconv.Itoa(i), Tenant: "tenant-" + strconv.Itoa(i%100), Program: "program-" + strconv.Itoa(i%2500),
				Model: "m", Input: 1000, MaxOutput: 500,
			},
			Ready: func(*ratelimit.Ticket, error) {},
		}
		granted, err := pool.Submit(t)
		return t, granted, err
	}
	if _, granted, err := submit(0); !granted || err != nil {
		return fmt.Errorf("turns: the first call is not granted: %w", err)
	}
	tickets := make([]*ratelimit.Ticket, run.queued)
	for i := range tickets {
		t, _, err := submit(i + 1)
		if err != nil {
			return err
		}
		tickets[i] = t
	}
	var full *ratelimit.Rejected
	if _, _, err := submit(-1); !errors.As(err, &full) {
		return fmt.Errorf("turns: the queue is not full: %w", err)
	}
	for k, i := range benchkit.Source(1, 7000).Perm(run.queued) {
		began := time.Now()
		ok := tickets[i].Cancel()
		run.engine = append(run.engine, time.Since(began).Seconds())
		if !ok {
			return errors.New("turns: a waiting call could not be cancelled")
		}
		if k%100 == 0 { // the place is free: another call takes it, and gives it back
			t, _, err := submit(-2)
			if err != nil {
				return fmt.Errorf("turns: no place after a cancel: %w", err)
			}
			t.Cancel()
		}
	}
	if n := pool.State().Queued; n != 0 {
		return fmt.Errorf("turns: %d calls are still queued", n)
	}
	return nil
}

// throughGate lets agents leave a queue of one place: the next one, a millisecond later, is refused if the place is not free yet.
func (run *cancelRun) throughGate(tries int) error {
	m, err := startModels(modelSpec{Options: simmodel.Options{Slots: 1, DecodeRate: 10}})
	if err != nil {
		return err
	}
	defer m.close()
	s := setup{upstreams: []upstream{{name: "sim", base: m.base(0), pool: "concurrency: 1"}}, schedule: "  queue: {calls: 1}\n"}
	g, err := s.start()
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a := agent{Base: g.URL, Model: "sim", Key: "sk-agent"}
	client := newClient(4)
	post := func(ctx context.Context, prompt string, done chan<- error) {
		_, err := ask(ctx, client, request{&a, []message{{"user", prompt}}, 0}, &answer{})
		done <- err
	}
	done := make(chan error, 1)
	go post(ctx, "[[sim: tokens 6000]]", done) // ten minutes
	if err := working(m); err != nil {
		return err
	}
	run.tries = tries
	for i := range tries {
		left, err := leaveFull(ctx, client, &a, func(ctx context.Context, done chan<- error) { post(ctx, fmt.Sprintf("I wait %d.", i), done) })
		if err != nil {
			return err
		}
		time.Sleep(time.Until(left.Add(time.Millisecond)))
		taken, after, err := nextTakes(ctx, client, &a, left)
		if err != nil {
			return err
		}
		if taken {
			run.taken++
		}
		run.seen = append(run.seen, after)
	}
	return nil
}

// leaveFull lets a call wait until the queue is seen to be full, and says when its agent left. On a busy machine the call that looks
// may come before the one that waits: then both leave, and it begins anew.
func leaveFull(ctx context.Context, client *http.Client, a *agent, wait func(context.Context, chan<- error)) (left time.Time, err error) {
	for range 20 {
		waiting, leave := context.WithCancel(ctx)
		done := make(chan error, 1)
		go wait(waiting, done)
		time.Sleep(20 * time.Millisecond)
		refused, err := refusedNow(ctx, client, a, time.Second)
		leave()
		left = time.Now()
		ended := <-done
		if err != nil {
			return left, err
		}
		if refused && errors.Is(ended, context.Canceled) {
			return left, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return left, errors.New("turns: the queue is not full with one call in it")
}

// working waits until the model works on a call.
func working(m *models) error {
	for range 500 {
		if s, err := m.stats(0); err != nil || s.Running == 1 {
			return err
		}
		time.Sleep(4 * time.Millisecond)
	}
	return errors.New("turns: the model has nothing to do after 2 s")
}

// refusedNow reports whether a call is refused because the queue is full; a call that is not leaves again.
func refusedNow(ctx context.Context, client *http.Client, a *agent, patience time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := ask(ctx, client, request{a, []message{{"user", "Is there a place?"}}, 0}, &answer{})
	var s statusError
	if errors.As(err, &s) {
		if s.code != http.StatusTooManyRequests {
			return false, err
		}
		return true, nil
	}
	if err == nil {
		return false, errors.New("turns: a call was answered that should wait")
	}
	return false, nil
}

// nextTakes tries until a call gets the place and reports whether the first did, and when it was sent.
func nextTakes(ctx context.Context, client *http.Client, a *agent, left time.Time) (first bool, after float64, err error) {
	for i := range 200 {
		sent := time.Since(left).Seconds()
		refused, err := refusedNow(ctx, client, a, 20*time.Millisecond)
		if err != nil || !refused {
			return i == 0, sent, err
		}
	}
	return false, 0, errors.New("turns: the place was never free")
}
