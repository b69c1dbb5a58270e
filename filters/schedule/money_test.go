package schedule

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/filters/filtertest"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

// A hard budget of money refuses a model that has no price, and says what to do; a soft one tells.
func TestUnpriced(t *testing.T) {
	for _, mode := range []budget.Mode{budget.Hard, budget.Soft} {
		in(t, func(t *testing.T) {
			b := newBench(t, Settings{Budgets: tenantBudget(budget.Budget{Unit: budget.USD, Limit: 1e9, Window: budget.Day, Mode: mode})})
			r := b.run(call{unary: true, answers: []filtertest.Answer{document(1, 1)}})
			if mode == budget.Hard {
				b.refused(r, 403, "model_unpriced")
				if r.reply == nil || !r.reply.NoRetry || !strings.Contains(r.reply.Message, `"m"`) || !strings.Contains(r.reply.Message, "schedule.prices") {
					t.Errorf("%+v", r.reply)
				}
			} else if r.Status != 200 || r.head["x-trapgate-budget"] != "unpriced;model=m" || len(r.entries("unpriced")) != 1 {
				t.Errorf("status %d, header %q, trail %v", r.Status, r.head["x-trapgate-budget"], r.trail)
			}
			b.idle()
		})
	}
}

// What the queue refuses was never sent: the ledger hears nothing of it.
func TestRefusedByTheQueueIsNoUsage(t *testing.T) {
	in(t, func(t *testing.T) {
		s := oneSlot()
		s.Engine.Queue.Calls = 1
		s.Budgets = tenantBudget(requestsEachHour(10))
		var rows []budget.Row
		b := newBench(t, s)
		var err error
		if b.budgets, err = budget.New(t.Context(), s.Budgets, ledger{&rows}, budget.Options{}); err != nil {
			t.Fatal(err)
		}
		b.f = New(Options{Engine: b.engine, Budgets: b.budgets})
		if err := b.f.Configure(s); err != nil {
			t.Fatal(err)
		}
		free := b.occupy("memory")
		b.wait("waiter")
		b.refused(b.run(call{unary: true}), 429, "queue_full")
		if len(rows) != 0 {
			t.Errorf("rows %+v", rows)
		}
		b.unwait()
		free()
		b.run(call{unary: true, answers: []filtertest.Answer{document(1, 1)}})
		if len(rows) != 1 || rows[0].Errors != 0 {
			t.Errorf("rows %+v", rows)
		}
		b.idle()
	})
}

// ledger is a store that writes rows down.
type ledger struct{ rows *[]budget.Row }

func (ledger) Load(_ context.Context, _ time.Time) ([]budget.Sum, error) { return nil, nil }

func (l ledger) Save(fill func(*budget.Batch)) error {
	var b budget.Batch
	fill(&b)
	*l.rows = append(*l.rows, b.Usage...)
	return nil
}

// An answer that asks for no tool ends a task: no slot is kept for its program.
func TestFinal(t *testing.T) {
	for _, tt := range []struct {
		a    wire.Answer
		want bool
	}{
		{wire.Answer{Finish: []string{"stop"}}, true},
		{wire.Answer{Finish: []string{"completed"}}, true},
		{wire.Answer{Finish: []string{"completed"}, ToolCalls: 1}, false},
		{wire.Answer{Finish: []string{"stop", "tool_calls"}}, false},
		{wire.Answer{Finish: []string{"pause_turn"}}, false},
		{wire.Answer{Finish: []string{"length"}}, false},
		{wire.Answer{Finish: []string{"max_tokens"}}, false},
		{wire.Answer{Finish: []string{"stop"}, ErrorType: "x"}, false},
		{wire.Answer{}, false},
	} {
		if got := (&stream{x: &filters.Exchange{Answer: &tt.a}}).final(); got != tt.want {
			t.Errorf("%+v: %t", tt.a, got)
		}
	}
	in(t, func(t *testing.T) { // and the engine is told
		var told []bool
		b := newBench(t, oneSlot())
		b.engine = ratelimit.New(b.set.Engine, ratelimit.Options{Observer: &ratelimit.Observer{
			Settled: func(_ *ratelimit.Pool, _ *ratelimit.Ticket, u ratelimit.Usage, _ int64) { told = append(told, u.Final) },
		}})
		b.f = New(Options{Engine: b.engine})
		if err := b.f.Configure(b.set); err != nil {
			t.Fatal(err)
		}
		tool := filtertest.Answer{Body: []byte(`{"choices":[{"index":0,"message":{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`)}
		b.run(call{unary: true, answers: []filtertest.Answer{tool}})
		b.run(call{unary: true, answers: []filtertest.Answer{document(1, 1)}})
		if len(told) != 2 || told[0] || !told[1] {
			t.Errorf("the engine was told %v", told)
		}
	})
}
