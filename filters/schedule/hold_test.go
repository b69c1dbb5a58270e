package schedule

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/filters/filtertest"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

// tokensEachMonth is a hard budget that nobody waits for until it resets.
func tokensEachMonth(n int64) budget.Config {
	return tenantBudget(budget.Budget{Unit: budget.Tokens, Limit: n, Window: budget.Month, Mode: budget.Hard})
}

// What calls have reserved that only wait for their turn refuses nobody: all go, one after the other.
func TestReservedIsNotSpent(t *testing.T) {
	in(t, func(t *testing.T) {
		s := oneSlot()
		s.Budgets = tokensEachMonth(3000)
		b := newBench(t, s)
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				r := b.run(call{unary: true, answers: []filtertest.Answer{document(3, 1)}, inner: []filters.Filter{busy{20 * time.Millisecond}}})
				if r.Status != 200 {
					b.Errorf("status %d: %s", r.Status, r.Body)
				}
			})
		}
		wg.Wait()
		b.idle()
		if got := b.used(); got != 120 {
			t.Errorf("%d tokens used, want 120", got)
		}
	})
}

// When it stays reserved for longer than the agent waits, the agent may come back.
func TestReservedForTooLong(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t, Settings{Budgets: tokensEachMonth(1000)})
		var wg sync.WaitGroup
		wg.Go(func() {
			b.run(call{unary: true, answers: []filtertest.Answer{document(3, 1)}, inner: []filters.Filter{busy{time.Minute}}})
		})
		time.Sleep(time.Second)
		r := b.run(call{unary: true, fields: [][2]string{{"x-stainless-read-timeout", "1.5"}}})
		b.refused(r, 429, "wait_expired")
		if r.took != 1500*time.Millisecond || r.waited != r.took || r.reply == nil || r.reply.NoRetry || r.reply.Local || !strings.Contains(r.reply.Message, "(1.5s)") {
			t.Errorf("after %v, waited %v: %+v", r.took, r.waited, r.reply)
		}
		wg.Wait()
		b.idle()
	})
}

// Who waits for what is reserved is refused as soon as it is spent, even when nothing comes back.
func TestReservedIsSpentMeanwhile(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t, Settings{Budgets: tokensEachMonth(1000)})
		var wg sync.WaitGroup
		wg.Go(func() {
			b.run(call{unary: true, body: `,"max_tokens":600`, answers: []filtertest.Answer{document(500, 400)}, inner: []filters.Filter{busy{3 * time.Second}}})
		})
		time.Sleep(time.Second)
		r := b.run(call{unary: true})
		b.refused(r, 429, "budget_exceeded")
		if r.took != 2*time.Second || r.waited != r.took {
			t.Errorf("after %v, waited %v: %+v", r.took, r.waited, r.reply)
		}
		wg.Wait()
		b.idle()
	})
}

// However many hold and wait, none is forgotten: as long as the budget has room for all, everybody goes, and no longer after the
// last one before it than that takes.
func TestHoldersProgress(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(2, 40).Draw(rt, "exchanges")
		s := Settings{Budgets: tokensEachMonth(int64(n*100 + rapid.IntRange(700, 3000).Draw(rt, "room")))}
		plans := make([]call, n)
		after := make([]time.Duration, n)
		for i := range plans {
			after[i] = time.Duration(rapid.IntRange(0, 300).Draw(rt, "after")) * time.Millisecond
			answers := []filtertest.Answer{document(40, rapid.IntRange(0, 60).Draw(rt, "output"))}
			if rapid.Bool().Draw(rt, "fails first") {
				answers = append([]filtertest.Answer{failure(503, "no")}, answers...)
			}
			took := busy{time.Duration(rapid.IntRange(0, 50).Draw(rt, "service")) * time.Millisecond}
			plans[i] = call{unary: true, bare: rapid.Bool().Draw(rt, "bare"), answers: answers, inner: []filters.Filter{took}}
		}
		var f faults
		synctest.Test(t, func(t *testing.T) {
			f.TB = t
			b := newBench(&f, s)
			var wg sync.WaitGroup
			for i := range plans {
				wg.Go(func() {
					time.Sleep(after[i])
					if r := b.run(plans[i]); r.Status != 200 || r.took > time.Minute {
						b.Errorf("status %d after %v: %s", r.Status, r.took, r.Body)
					}
				})
			}
			wg.Wait()
			b.idle()
		})
		if len(f.said) > 0 {
			rt.Fatal(strings.Join(f.said, "\n"))
		}
	})
}
