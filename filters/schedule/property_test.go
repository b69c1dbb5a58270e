package schedule

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/filters/filtertest"
	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

// A plan is one exchange that rapid has drawn.
type plan struct {
	call
	after time.Duration
	stays time.Duration // the agent leaves then; 0: it does not
}

func drawPlan(t *rapid.T) (p plan) {
	p.who = who{Identity: filters.Identity{
		Tenant: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "tenant"), Program: rapid.SampledFrom([]string{"p", "q", "r"}).Draw(t, "program"),
	}}
	p.after = time.Duration(rapid.IntRange(0, 4000).Draw(t, "after")) * time.Millisecond
	p.unary = rapid.Bool().Draw(t, "unary")
	p.bare = rapid.Bool().Draw(t, "bare")
	p.attempts = rapid.IntRange(1, 3).Draw(t, "attempts")
	p.inner = []filters.Filter{busy{time.Duration(rapid.IntRange(0, 1500).Draw(t, "service")) * time.Millisecond}}
	if rapid.Bool().Draw(t, "impatient") {
		p.fields = [][2]string{{"x-stainless-read-timeout", "2"}}
	}
	for i := 0; i < max(p.attempts, 2) && (i == 0 || p.answers[i-1].Status == 503); i++ {
		p.answers = append(p.answers, drawAnswer(t, &p))
	}
	if last := p.answers[len(p.answers)-1]; last.How == filtertest.Silent || last.How == filtertest.Stalled {
		p.leave.Waiting = true
	} else if rapid.IntRange(0, 3).Draw(t, "leaves") == 0 {
		p.stays = time.Duration(rapid.IntRange(1, 3000).Draw(t, "stays")) * time.Millisecond
	}
	return p
}

func drawAnswer(t *rapid.T, p *plan) filtertest.Answer {
	kinds := []string{"good", "good", "good", "503", "429", "400", "dropped", "cut", "silent", "unknown"}
	switch rapid.SampledFrom(kinds).Draw(t, "answer") {
	case "503":
		return failure(503, "no")
	case "429":
		return failure(429, "no", [2]string{"retry-after-ms", "300"})
	case "400":
		if !p.unary {
			return failure(404, "no") // 400 would ask for a plain attempt
		}
		return failure(400, "no")
	case "dropped":
		return filtertest.Answer{How: filtertest.Dropped}
	case "cut":
		if p.unary {
			return filtertest.Answer{Body: []byte(`{"choices":[`), How: filtertest.Cut}
		}
		return cutAfter(filtertest.Cut, "some", "words")
	case "silent":
		return filtertest.Answer{How: filtertest.Silent}
	case "unknown":
		if p.unary {
			return filtertest.Answer{Body: []byte(`{"choices":[{"message":{"content":"well"}}]}`)}
		}
		return streamed("", "well")
	}
	out := rapid.IntRange(1, 900).Draw(t, "output")
	if p.unary {
		return document(40, out)
	}
	u := strings.Replace(stdUsage, `"completion_tokens":7`, `"completion_tokens":`+strconv.Itoa(out), 1)
	return streamed(u, strings.Repeat("word ", out%300))
}

// Whatever exchanges do, and however they end: nothing is left in flight, queued or reserved; the engine's charges, the
// budgets and the ledger of usage agree; and the agents see only what the upstream sent.
func TestWhateverHappens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := oneSlot()
		s.Engine.Pools[0].Limits.Concurrency = rapid.IntRange(1, 3).Draw(rt, "slots")
		s.Engine.Policy = rapid.SampledFrom([]ratelimit.Policy{ratelimit.FIFO, ratelimit.Fair, ratelimit.Program, ratelimit.Priority}).Draw(rt, "policy")
		s.Engine.Cost = ratelimit.Cost{Input: 1, Cached: 1, Output: 1} // what a token budget counts
		s.Queue.KeepAliveAfter = time.Second
		s.Budgets = tenantBudget(budget.Budget{Unit: budget.Tokens, Limit: 1e9, Window: budget.Month, Mode: budget.Hard})
		plans := make([]plan, rapid.IntRange(1, 12).Draw(rt, "exchanges"))
		for i := range plans {
			plans[i] = drawPlan(rt)
		}
		var f faults
		synctest.Test(t, func(t *testing.T) {
			f.TB = t
			all(newBench(&f, s), plans)
		})
		if len(f.said) > 0 {
			rt.Fatal(strings.Join(f.said, "\n"))
		}
	})
}

// all runs the plans side by side.
func all(b *bench, plans []plan) {
	var wg sync.WaitGroup
	for _, p := range plans {
		wg.Go(func() {
			time.Sleep(p.after)
			if p.stays > 0 {
				on := make(chan struct{})
				time.AfterFunc(p.stays, func() { close(on) })
				p.leave.On = on
			}
			p.sees(b, b.run(p.call))
		})
	}
	wg.Wait()
	b.idle()
	var used int64
	for _, s := range b.budgets.Snapshot() {
		used += s.Used
	}
	if got := b.attained(); got != used {
		b.Errorf("the engine charged %d tokens, the budgets %d", got, used)
	}
}

// faults gathers what a bench finds, for a test that goes on.
type faults struct {
	testing.TB
	mu   sync.Mutex
	said []string
}

func (f *faults) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said = append(f.said, fmt.Sprintf(format, args...))
}

// sees checks that an agent got a whole answer or the beginning of one, but for our comments and errors.
func (p *plan) sees(b *bench, r result) {
	if r.Code != "" || r.reply != nil || r.Status == 0 {
		return
	}
	body := bytes.ReplaceAll(r.Body, []byte(": still waiting\n\n"), nil)
	for _, a := range p.answers {
		if bytes.HasPrefix(stripped(a.Body), body) {
			return
		}
	}
	if bytes.Contains(body, []byte(`"error"`)) {
		return
	}
	b.Errorf("the agent got status %d and\n%s", r.Status, r.Body)
}

// stripped is a stream without its usage chunk, whatever that says.
func stripped(b []byte) []byte {
	frames := bytes.SplitAfter(b, []byte("\n\n"))
	var out []byte
	for _, f := range frames {
		if !bytes.Contains(f, []byte(`"choices":[],"usage"`)) {
			out = append(out, f...)
		}
	}
	return out
}
