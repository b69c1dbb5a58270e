package schedule

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/filters/filtertest"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/ratelimit"
)

// With a place free nothing waits, and the answer says so.
func TestRoom(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t, oneSlot())
		r := b.run(call{unary: true, answers: []filtertest.Answer{document(40, 7)}})
		if r.Status != 200 || r.waited != 0 || r.took != 0 || len(r.entries("queued")) != 0 || r.head["x-trapgate-queue"] != "memory;wait=0" {
			t.Errorf("status %d, waited %v of %v, %v, %v", r.Status, r.waited, r.took, r.trail, r.head)
		}
		b.idle()
		if got := b.attained(); got != 40+2*7 {
			t.Errorf("charged %d", got)
		}
	})
}

// A call that waits says for how long and for what, wherever that is shown.
func TestWait(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t, oneSlot())
		free := b.occupy("memory")
		time.AfterFunc(1500*time.Millisecond, free)
		r := b.run(call{unary: true, answers: []filtertest.Answer{document(40, 7)}})
		if r.Status != 200 || r.waited != 1500*time.Millisecond || r.head["x-trapgate-queue"] != "memory;wait=1500;cause=slot" {
			t.Errorf("status %d, waited %v, %v", r.Status, r.waited, r.head)
		}
		want := []map[string]any{{"pool": "memory", "wait_ms": int64(1500), "cause": "slot"}}
		if got := r.entries("queued"); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("trail %v, want %v", got, want)
		}
		b.idle()
	})
}

// The slot is free again when Close has returned, and one that is used is held until then.
func TestSlotIsHeldUntilClose(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t, oneSlot())
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				b.run(call{unary: true, answers: []filtertest.Answer{document(1, 1)}, inner: []filters.Filter{busy{time.Second}}})
			})
		}
		start := time.Now()
		wg.Wait()
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("three calls of a second took %v in one slot", d)
		}
		b.idle()
	})
}

// A stream's agent gets a comment once the wait is long, and again each time; a unary one never does.
func TestKeepAlive(t *testing.T) {
	for _, tt := range []struct {
		name     string
		settings QueueSettings
		timeout  string
		unary    bool
		wait     time.Duration
		want     int
	}{
		{name: "half of 600 s", wait: 299 * time.Second, want: 0},
		{name: "half of 600 s, passed", wait: 301 * time.Second, want: 1},
		{name: "each such time", wait: 1000 * time.Second, want: 3},
		{name: "declared", timeout: "100", wait: 149 * time.Second, want: 2},
		{name: "at least 20 s", timeout: "30", wait: 29 * time.Second, want: 1},
		{name: "configured", settings: QueueSettings{KeepAliveAfter: 5 * time.Second}, wait: 21 * time.Second, want: 4},
		{name: "never", settings: QueueSettings{KeepAliveAfter: -1}, wait: 500 * time.Second, want: 0},
		{name: "unary", unary: true, wait: 500 * time.Second, want: 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				s := oneSlot()
				s.Queue = tt.settings
				b := newBench(t, s)
				time.AfterFunc(tt.wait, b.occupy("memory"))
				c := call{unary: tt.unary, answers: []filtertest.Answer{streamed(stdUsage, "hi")}}
				if tt.unary {
					c.answers[0] = document(1, 1)
				}
				if tt.timeout != "" {
					c.fields = [][2]string{{"X-Stainless-Timeout", tt.timeout}}
				}
				r := b.run(c)
				comments := strings.Count(string(r.Body), ": still waiting\n\n")
				if r.Status != 200 || comments != tt.want || r.waited != tt.wait {
					t.Errorf("status %d, %d comments, waited %v; want %d", r.Status, comments, r.waited, tt.want)
				}
				if rest := strings.ReplaceAll(string(r.Body), ": still waiting\n\n", ""); !tt.unary && rest != string(kept(c.answers[0])) {
					t.Errorf("behind the comments:\n%s", rest)
				}
				b.idle()
			})
		})
	}
}

// What is refused says why, when to come back, and what to do.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name   string
		queue  ratelimit.QueueConfig
		fields [][2]string
		before func(b *bench)
		status int
		code   string
		local  bool
		waits  time.Duration
		says   string
	}{
		{"queue", ratelimit.QueueConfig{Calls: 1}, nil, func(b *bench) { b.wait("other") }, 429, "queue_full", true, 0, "schedule.queue"},
		{"tenant", ratelimit.QueueConfig{TenantCalls: 1}, nil, func(b *bench) { b.wait("team") }, 429, "tenant_queue_full", false, 0, "tenant team"},
		{"program", ratelimit.QueueConfig{FlowCalls: 1}, nil, func(b *bench) { b.wait("team") }, 429, "flow_queue_full", false, 0, "program"},
		{"bytes", ratelimit.QueueConfig{Bytes: 10}, nil, nil, 429, "queue_full", true, 0, "queue"},
		{"expired", ratelimit.QueueConfig{}, [][2]string{{"x-stainless-read-timeout", "3.5"}}, nil, 429, "wait_expired", true, 3500 * time.Millisecond, "timeout"},
		{"too long", ratelimit.QueueConfig{}, [][2]string{{"x-stainless-read-timeout", "3"}}, func(b *bench) { b.engine.Pool("memory").Pause(10 * time.Second) }, 429, "wait_too_long", true, 0, "timeout"},
		{"stopping", ratelimit.QueueConfig{}, nil, func(b *bench) { b.engine.Close() }, 503, "shutting_down", false, 0, "again"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				s := oneSlot()
				s.Engine.Queue = tt.queue
				b := newBench(t, s)
				defer b.occupy("memory")()
				if tt.before != nil {
					tt.before(b)
				}
				r := b.run(call{unary: true, fields: tt.fields, who: who{Identity: filters.Identity{Program: "p"}}})
				b.refused(r, tt.status, tt.code)
				if r.reply == nil || r.reply.RetryAfter < time.Second || r.reply.NoRetry || r.reply.Local != tt.local || r.waited != tt.waits {
					t.Errorf("%+v, waited %v", r.reply, r.waited)
				}
				if tt.waits > 0 && !strings.Contains(string(r.Body), "(3.5s)") {
					t.Errorf("says %s of a timeout of 3.5 s", r.Body)
				}
				if !strings.Contains(string(r.Body), tt.says) {
					t.Errorf("says %q, want %q in it", r.Body, tt.says)
				}
				if got := r.entries("refused"); len(got) != 1 {
					t.Errorf("trail %v", r.trail)
				}
				b.unwait()
			})
		})
	}
}

// RetryAfter is never before the pool has room again.
func TestRetryAfterCoversThePause(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t, oneSlot())
		b.engine.Pool("memory").Pause(90 * time.Second)
		for range 20 {
			r := b.run(call{unary: true, fields: [][2]string{{"x-stainless-read-timeout", "3"}}})
			if d := r.reply.RetryAfter; d < 90*time.Second || d > 120*time.Second {
				t.Fatalf("Retry-After %v for a pause of 90 s", d)
			}
		}
	})
}

// An upstream that answers 503 and asks for time is broken: what cannot wait that long is told so.
func TestBrokenUpstream(t *testing.T) {
	for _, tt := range []struct {
		answer filtertest.Answer
		status int
		code   string
	}{
		{failure(503, "down for a moment", [2]string{"Retry-After", "30"}), 503, "upstream_overloaded"},
		{failure(529, "overloaded", [2]string{"Retry-After", "30"}), 503, "upstream_overloaded"},
		{failure(429, "slow down", [2]string{"Retry-After", "30"}), 429, "wait_too_long"},
	} {
		t.Run(fmt.Sprint(tt.answer.Status), func(t *testing.T) {
			in(t, func(t *testing.T) {
				b := newBench(t, oneSlot())
				ours := filtertest.Memory{Credential: filters.OurCredential}
				if r := b.run(call{unary: true, attempts: 1, memory: ours, answers: []filtertest.Answer{tt.answer}}); r.Status != tt.answer.Status {
					t.Fatal(r.Status)
				}
				hasty := call{unary: true, fields: [][2]string{{"x-stainless-read-timeout", "3"}}}
				b.refused(b.run(hasty), tt.status, tt.code)
				if got := b.f.State().Broken; (len(got) == 1) != (tt.status == 503) {
					t.Errorf("state: %+v", got)
				}
				r := b.run(call{unary: true, answers: []filtertest.Answer{document(1, 1)}})
				if r.Status != 200 || r.waited != 30*time.Second {
					t.Errorf("one that waits got %d after %v", r.Status, r.waited)
				}
				if r.head["x-trapgate-queue"] != "memory;wait=30000;cause=pause" {
					t.Error(r.head)
				}
				b.idle()
			})
		})
	}
}

// An agent that leaves while it waits has left the queue when the exchange ends, and the cause is its leaving.
func TestLeaving(t *testing.T) {
	for _, stage := range []string{"queue", "budget"} {
		t.Run(stage, func(t *testing.T) {
			in(t, func(t *testing.T) {
				s := oneSlot()
				if stage == "budget" {
					s.Budgets = tenantBudget(requestsEachHour(1))
				}
				b := newBench(t, s)
				free := b.occupy("memory")
				if stage == "budget" {
					free()
					b.run(call{unary: true, answers: []filtertest.Answer{document(1, 1)}})
				}
				leave := make(chan struct{})
				time.AfterFunc(2*time.Second, func() { close(leave) })
				r := b.run(call{unary: true, leave: filtertest.Leave{On: leave}, fields: [][2]string{{"x-stainless-read-timeout", "7200"}}})
				if !r.Cut || r.Requests != 0 || r.waited != 2*time.Second || r.took != 2*time.Second {
					t.Errorf("cut %t, %d requests, waited %v of %v", r.Cut, r.Requests, r.waited, r.took)
				}
				if stage == "queue" {
					free()
				}
				b.idle()
			})
		})
	}
}

// A comment that does not reach the agent ends the wait.
func TestCommentFails(t *testing.T) {
	in(t, func(t *testing.T) {
		s := oneSlot()
		s.Queue.KeepAliveAfter = time.Second
		b := newBench(t, s)
		free := b.occupy("memory")
		r := b.run(call{outer: []filters.Filter{deaf{}}})
		if r.Requests != 0 || r.waited != time.Second || !r.Cut {
			t.Errorf("%+v", r)
		}
		free()
		b.idle()
	})
}

// deaf makes an agent that is found gone by the first comment.
type deaf struct{}

func (deaf) Name() string { return "deaf" }

func (deaf) Open(_ context.Context, x *filters.Exchange) (filters.Stream, error) {
	x.KeepAlive = func() error { return fmt.Errorf("write: %w", filters.ErrAgentGone) }
	return nil, nil
}

// With another candidate behind it an attempt does not wait for a pause to end, and keeps its place for the next one.
func TestPauseWithAFallback(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t, oneSlot())
		pool := b.engine.Pool("memory")
		pool.Pause(9 * time.Second)
		if got := pool.Paused(); got != 9*time.Second {
			t.Errorf("paused for %v", got)
		}
		x := b.exchange(`{"model":"m","messages":[]}`)
		x.Attempt.More = true
		start := time.Now()
		_, err := b.f.Open(t.Context(), x)
		reply := filters.AsReply(err)
		if reply == nil || !reply.Local || reply.Code != "upstream_overloaded" || reply.RetryAfter < 9*time.Second || time.Since(start) != 0 {
			t.Fatalf("after %v: %v", time.Since(start), err)
		}
		x.Attempt.More = false
		s, err := b.f.Open(t.Context(), x)
		if err != nil || x.Waited != 9*time.Second || pool.Paused() != 0 {
			t.Fatalf("waited %v: %v", x.Waited, err)
		}
		x.Answer.Usage = wire.Usage{Input: 1, Output: 1, Known: true}
		s.Close(nil)
		b.idle()
	})
}

// A side call without a program belongs to its session, or else to itself.
func TestProgramOfASideCall(t *testing.T) {
	b := newBench(t, oneSlot())
	for _, tt := range []struct {
		id            filters.Identity
		program, sess string
	}{
		{filters.Identity{Side: true, Session: "s"}, "s", ""},
		{filters.Identity{Side: true}, "x", ""},
		{filters.Identity{Side: true, Session: "s", Program: "p"}, "p", ""},
		{filters.Identity{Session: "s"}, "", "s"},
		{filters.Identity{}, "x", ""},
	} {
		x := b.exchange(`{"model":"m","messages":[]}`)
		x.ID, x.Identity = "x", tt.id
		s := b.f.streams.Get().(*stream)
		s.begin(b.f, x)
		if c := s.ticket().Call; c.Program != tt.program || c.Session != tt.sess {
			t.Errorf("%+v: program %q, session %q", tt.id, c.Program, c.Session)
		}
		s.recycle()
	}
}
