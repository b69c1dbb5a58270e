package schedule

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/filters/filtertest"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

func requestsEachHour(n int64) budget.Budget {
	return budget.Budget{Per: budget.PerTenant, Unit: budget.Requests, Limit: n, Window: budget.Hour, Mode: budget.Hard}
}

// A hard budget that is used up refuses at once, says when it resets, and that nobody should try before.
func TestHardBudget(t *testing.T) {
	in(t, func(t *testing.T) {
		s := oneSlot()
		s.Budgets = tenantBudget(requestsEachHour(1))
		b := newBench(t, s)
		one := call{unary: true, answers: []filtertest.Answer{document(1, 1)}}
		if r := b.run(one); r.Status != 200 {
			t.Fatal(r.Status)
		}
		time.Sleep(10 * time.Minute)
		r := b.run(one)
		b.refused(r, 429, "budget_exceeded")
		if r.took != 0 || r.reply == nil || !r.reply.NoRetry || r.reply.RetryAfter != 50*time.Minute || !strings.Contains(r.reply.Message, "2000-01-01T01:00:00Z") {
			t.Errorf("after %v: %+v", r.took, r.reply)
		}
		if other := b.run(call{unary: true, who: who{Identity: filters.Identity{Tenant: "others"}}, answers: one.answers}); other.Status != 200 {
			t.Errorf("another tenant got %d", other.Status)
		}
		b.idle()
	})
}

// It is waited for when it resets before the agent gives up, with comments to a stream's agent.
func TestHeldBudget(t *testing.T) {
	for _, tt := range []struct {
		name     string
		unary    bool
		timeout  string
		wait     bool
		comments int
	}{
		{"unary", true, "600", true, 0},
		{"unary, too late", true, "60", false, 0},
		{"stream", false, "100", true, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				s := oneSlot()
				s.Budgets = tenantBudget(requestsEachHour(1))
				b := newBench(t, s)
				b.run(call{unary: true, answers: []filtertest.Answer{document(1, 1)}})
				time.Sleep(58 * time.Minute)
				answer := document(1, 1)
				if !tt.unary {
					answer = streamed(stdUsage, "hi")
				}
				r := b.run(call{unary: tt.unary, fields: [][2]string{{"x-stainless-read-timeout", tt.timeout}}, answers: []filtertest.Answer{answer}})
				if !tt.wait {
					b.refused(r, 429, "budget_exceeded")
					return
				}
				if r.Status != 200 || r.waited != 2*time.Minute || len(r.entries("held")) != 1 || strings.Count(string(r.Body), ": still") != tt.comments {
					t.Errorf("status %d after %v, trail %v, body %s", r.Status, r.waited, r.trail, r.Body)
				}
				if r.head["x-trapgate-queue"] != "memory;wait=120000;cause=budget" {
					t.Error(r.head)
				}
				b.idle()
				if got := b.used(); got != 1 {
					t.Errorf("the new window has %d requests", got)
				}
			})
		})
	}
}

// Room that comes back before the window ends is used at once.
func TestFreedBudget(t *testing.T) {
	in(t, func(t *testing.T) {
		s := Settings{Budgets: tenantBudget(budget.Budget{Unit: budget.Tokens, Limit: 1000, Window: budget.Minute, Mode: budget.Hard})}
		b := newBench(t, s)
		var wg sync.WaitGroup
		wg.Go(func() { // 600 tokens are reserved for its output, 7 used
			b.run(call{unary: true, answers: []filtertest.Answer{document(40, 7)}, inner: []filters.Filter{busy{3 * time.Second}}})
		})
		time.Sleep(time.Second)
		r := b.run(call{unary: true, answers: []filtertest.Answer{document(40, 7)}})
		if r.Status != 200 || r.waited != 2*time.Second {
			t.Errorf("status %d after %v: %s", r.Status, r.waited, r.Body)
		}
		wg.Wait()
		b.idle()
		if got := b.used(); got != 94 {
			t.Errorf("%d tokens used, want 94", got)
		}
	})
}

// What fits no window at all is not waited for.
func TestNeverFits(t *testing.T) {
	in(t, func(t *testing.T) {
		s := Settings{Budgets: tenantBudget(budget.Budget{Unit: budget.Tokens, Limit: 100, Window: budget.Minute, Mode: budget.Hard})}
		b := newBench(t, s)
		r := b.run(call{unary: true})
		b.refused(r, 429, "budget_exceeded")
		if r.took != 0 || !strings.Contains(r.reply.Message, "fewer tokens") {
			t.Errorf("after %v: %s", r.took, r.reply.Message)
		}
		if r := b.run(call{unary: true, body: `,"max_tokens":20`, answers: []filtertest.Answer{document(40, 7)}}); r.Status != 200 {
			t.Errorf("a small one got %d: %s", r.Status, r.Body)
		}
		b.idle()
	})
}

// Too many that wait for one tenant's budget are refused.
func TestHoldsAreBounded(t *testing.T) {
	in(t, func(t *testing.T) {
		s := Settings{Budgets: tenantBudget(requestsEachHour(1))}
		b := newBench(t, s)
		b.run(call{unary: true, answers: []filtertest.Answer{document(1, 1)}})
		time.Sleep(59 * time.Minute)
		var hs []*hold
		for range maxHolds {
			hs = append(hs, b.f.holds.enter("team"))
		}
		b.refused(b.run(call{unary: true}), 429, "budget_exceeded")
		for _, h := range hs {
			b.f.holds.leave(h)
		}
		b.idle()
	})
}

// A soft budget refuses nothing and is told: in the head each time, in the trail when it is passed.
func TestSoftBudget(t *testing.T) {
	in(t, func(t *testing.T) {
		s := Settings{Budgets: tenantBudget(budget.Budget{Per: budget.PerAgent, Unit: budget.Tokens, Limit: 700, Window: budget.Day, Mode: budget.Soft})}
		b := newBench(t, s)
		c := call{unary: true, who: who{Identity: filters.Identity{Agent: "codex"}}, answers: []filtertest.Answer{document(400, 70)}}
		var passed []map[string]any
		for i := range 4 {
			r := b.run(c)
			want := ""
			if i >= 2 { // 470 tokens each; the second passes it with its answer, when the head has left
				want = "agent;day;tokens;used="
			}
			if got := r.head["x-trapgate-budget"]; r.Status != 200 || (want == "") != (got == "") || !strings.HasPrefix(got, want) || want != "" && !strings.HasSuffix(got, "%;reset=2000-01-02T00:00:00Z") {
				t.Errorf("%d: status %d, header %q", i, r.Status, got)
			}
			passed = append(passed, r.entries("budget_passed")...)
		}
		if len(passed) != 1 {
			t.Errorf("trail %v", passed)
		}
		b.idle()
	})
}

// Attempts, hidden calls and repetitions by the agent are one request; each attempt's tokens are paid.
func TestOneRequest(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t, Settings{Budgets: tenantBudget(requestsEachHour(100))})
		again := filtertest.Repeater{Recorder: filtertest.Recorder{Label: "again", Log: new(filtertest.Log)}, Times: 1, Hide: true}
		ok := document(1, 1)
		steps := []struct {
			name string
			c    call
			want int64
		}{
			{"two attempts", call{unary: true, answers: []filtertest.Answer{failure(503, "no"), ok}}, 1},
			{"two calls", call{unary: true, outer: []filters.Filter{again}, answers: []filtertest.Answer{ok, ok}}, 2},
			{"refused by the upstream", call{unary: true, who: who{id: "bad"}, answers: []filtertest.Answer{failure(400, "no")}}, 2},
			{"repeats what was not counted", call{unary: true, who: who{id: "r1", Identity: filters.Identity{RetryOf: "bad"}}, answers: []filtertest.Answer{ok}}, 3},
			{"cut", call{unary: true, who: who{id: "cut"}, answers: []filtertest.Answer{{Body: []byte(`{"choices":[`), How: filtertest.Cut}}}, 4},
			{"repeats what was counted", call{unary: true, who: who{id: "r2", Identity: filters.Identity{RetryOf: "cut"}}, answers: []filtertest.Answer{{Body: []byte(`{"choices":[`), How: filtertest.Cut}}}, 4},
			{"repeats the repetition", call{unary: true, who: who{id: "r3", Identity: filters.Identity{RetryOf: "r2"}}, answers: []filtertest.Answer{ok}}, 4},
		}
		for _, s := range steps {
			b.run(s.c)
			if got := b.used(); got != s.want {
				t.Errorf("%s: %d requests, want %d", s.name, got, s.want)
			}
			b.idle()
		}
	})
}
