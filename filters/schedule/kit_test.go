package schedule

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/filters/filtertest"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

// A bench is a filter between scripted agents and upstreams, in the bubble's virtual time.
type bench struct {
	testing.TB
	f       *Filter
	engine  *ratelimit.Scheduler
	budgets *budget.Budgets
	set     Settings
	n       atomic.Int64
	waiting []*ratelimit.Ticket
}

// in runs a test in a bubble: time passes only when everybody waits.
func in(t *testing.T, test func(t *testing.T)) { t.Helper(); synctest.Test(t, test) }

// oneSlot is a pool of the upstream "memory" with one place.
func oneSlot() Settings {
	return Settings{Engine: ratelimit.Config{Pools: []ratelimit.PoolConfig{{Name: "memory", Limits: ratelimit.Limits{Concurrency: 1}}}}}
}

// tenantBudget is one budget of every tenant.
func tenantBudget(b budget.Budget) budget.Config {
	return budget.Config{Tenants: []budget.Tenant{{Name: "*", Budgets: []budget.Budget{b}}}}
}

func newBench(tb testing.TB, s Settings) *bench {
	tb.Helper()
	b := &bench{TB: tb, set: s}
	b.engine = ratelimit.New(s.Engine, ratelimit.Options{})
	if len(s.Budgets.Tenants) > 0 {
		var err error
		b.budgets, err = budget.New(context.Background(), s.Budgets, nil, budget.Options{Freed: func(t string) { b.f.Freed(t) }})
		if err != nil {
			tb.Fatal(err)
		}
	}
	b.f = New(Options{Engine: b.engine, Budgets: b.budgets})
	if err := b.f.Configure(s); err != nil {
		tb.Fatal(err)
	}
	return b
}

// who is an outer filter that stands where identity does.
type who struct {
	filters.Identity
	id string
}

func (who) Name() string { return "who" }

func (w who) Open(_ context.Context, x *filters.Exchange) (filters.Stream, error) {
	x.Identity = w.Identity
	if w.id != "" {
		x.ID = w.id
	}
	return nil, nil
}

// A call is one exchange to run.
type call struct {
	who      who
	dialect  wire.Dialect
	unary    bool
	body     string // members of the request behind model and history
	fields   [][2]string
	answers  []filtertest.Answer
	attempts int
	leave    filtertest.Leave
	bare     bool // without the outer half
	outer    []filters.Filter
	inner    []filters.Filter // behind the filter
	memory   filtertest.Memory
}

// A result is how it went.
type result struct {
	filtertest.Outcome
	head   map[string]string // what filters added to the last head
	waited time.Duration
	trail  []filters.Entry
	took   time.Duration
	reply  *filters.Reply // ours
}

// run runs a call to its end.
func (b *bench) run(c call) result {
	b.Helper()
	if c.dialect == wire.Other {
		c.dialect = wire.Chat
	}
	if c.who.Tenant == "" {
		c.who.Tenant = "team"
	}
	if c.who.id == "" {
		c.who.id = fmt.Sprintf("x%d", b.n.Add(1))
	}
	r := result{head: map[string]string{}}
	m := c.memory
	m.Waited, m.Trail = &r.waited, &r.trail
	m.Head = func(h *filters.ResponseHead) {
		clear(r.head)
		for _, f := range h.Added {
			r.head[string(f.Name)] = string(f.Value)
		}
	}
	m.Replied = func(reply *filters.Reply) { r.reply = reply }
	outer := append([]filters.Filter{c.who}, c.outer...)
	if !c.bare {
		outer = append(outer, b.f.Outer())
	}
	history := `"messages":[{"role":"user","content":"hello there"}]`
	switch c.dialect {
	case wire.Responses:
		history = `"input":[{"role":"user","content":"hello there"}]`
	case wire.Messages:
		history += `,"max_tokens":100`
	}
	body := c.body
	if !c.unary {
		body += `,"stream":true`
	}
	start := time.Now()
	r.Outcome = m.Run(b, filtertest.Case{
		Dialect: c.dialect, Stream: !c.unary, Path: "/v1/x", Request: []byte(`{"model":"m",` + history + body + `}`),
		Fields: c.fields, Outer: outer, Inner: append([]filters.Filter{b.f}, c.inner...), Answers: c.answers, Attempts: c.attempts, Leave: c.leave,
	})
	r.took = time.Since(start)
	return r
}

// idle checks that nothing is held any more.
func (b *bench) idle() {
	b.Helper()
	for _, p := range b.engine.State().Pools {
		if p.Inflight != 0 || p.Queued != 0 || p.Reserved != 0 || p.KV != 0 || p.Bytes != 0 {
			b.Errorf("pool %s is left with %d in flight, %d queued, %d reserved, %d KV, %d bytes", p.Name, p.Inflight, p.Queued, p.Reserved, p.KV, p.Bytes)
		}
	}
	if b.budgets != nil {
		for _, s := range b.budgets.Snapshot() {
			if s.Held != 0 {
				b.Errorf("budget %+v still holds %d", s.Key, s.Held)
			}
		}
	}
	if n := b.f.holds.count(); n != 0 {
		b.Errorf("%d still wait for a budget", n)
	}
}

// attained is the cost charged ever, in all pools.
func (b *bench) attained() (n int64) {
	for _, p := range b.engine.State().Pools {
		n += p.Attained
	}
	return n
}

// used is what is spent of the only budget.
func (b *bench) used() int64 {
	b.Helper()
	all := b.budgets.Snapshot()
	if len(all) != 1 {
		b.Fatalf("%d budgets: %+v", len(all), all)
	}
	return all[0].Used
}

// occupy takes a slot of a pool until free is called.
func (b *bench) occupy(pool string) (free func()) {
	b.Helper()
	t := &ratelimit.Ticket{Call: ratelimit.Call{Exchange: "occupier", Tenant: "occupier", Program: "occupier", Model: "m"}}
	if ok, err := b.engine.Pool(pool).Submit(t); !ok || err != nil {
		b.Fatalf("no free slot: %v", err)
	}
	return func() { t.Unused(); t.Release() }
}

// wait puts a call of a tenant into the queue of "memory", until unwait.
func (b *bench) wait(tenant string) {
	b.Helper()
	t := &ratelimit.Ticket{Call: ratelimit.Call{Exchange: "waiter", Tenant: tenant, Program: "p", Model: "m"}}
	if ok, err := b.engine.Pool("memory").Submit(t); ok || err != nil {
		b.Fatalf("granted %t, %v", ok, err)
	}
	b.waiting = append(b.waiting, t)
}

func (b *bench) unwait() {
	for _, t := range b.waiting {
		t.Cancel()
	}
	b.waiting = nil
}

func chunk(s string) string { return "data: " + s + "\n\n" }

const opening = `{"id":"c1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}`

func word(w string) string {
	return fmt.Sprintf(`{"id":"c1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":%q},"finish_reason":null}]}`, w)
}

const (
	stop     = `{"id":"c1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
	stdUsage = `{"id":"c1","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":40,"completion_tokens":7,"total_tokens":47,"prompt_tokens_details":{"cached_tokens":30}}}`
)

// streamed is a whole chat stream, with a usage chunk unless that is empty.
func streamed(usage string, words ...string) filtertest.Answer {
	var b strings.Builder
	b.WriteString(chunk(opening))
	for _, w := range words {
		b.WriteString(chunk(word(w)))
	}
	b.WriteString(chunk(stop))
	if usage != "" {
		b.WriteString(chunk(usage))
	}
	b.WriteString("data: [DONE]\n\n")
	return filtertest.Answer{Stream: true, Body: []byte(b.String())}
}

// document is a whole chat answer that reports those tokens.
func document(input, output int) filtertest.Answer {
	return filtertest.Answer{Body: fmt.Appendf(nil, `{"id":"c1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"well"},`+
		`"finish_reason":"stop"}],"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}}`, input, output, input+output)}
}

func failure(status int, message string, fields ...[2]string) filtertest.Answer {
	return filtertest.Answer{
		Status: status, Fields: fields,
		Body: fmt.Appendf(nil, `{"error":{"message":%q,"type":"some_error","param":null,"code":null}}`, message),
	}
}

// kept is a stream without what the agent is not to see.
func kept(a filtertest.Answer) []byte { return bytes.Replace(a.Body, []byte(chunk(stdUsage)), nil, 1) }

// entries are the trail's entries of the filter, by kind.
func (r *result) entries(kind string) (list []map[string]any) {
	for _, e := range r.trail {
		if e.Filter != Name || e.Kind != kind {
			continue
		}
		m := map[string]any{}
		for _, a := range e.Attrs {
			m[a.Key] = a.Value
		}
		list = append(list, m)
	}
	return list
}

// refused checks an answer of ours.
func (b *bench) refused(r result, status int, code string) {
	b.Helper()
	if r.Status != status || r.Code != code || r.Requests != 0 {
		b.Errorf("got status %d, code %q after %d requests: %s; want %d %q and none", r.Status, r.Code, r.Requests, r.Body, status, code)
	}
}

// busy is an inner filter behind ours that keeps an attempt busy for a while.
type busy struct{ d time.Duration }

func (busy) Name() string { return "busy" }

func (h busy) Open(context.Context, *filters.Exchange) (filters.Stream, error) {
	time.Sleep(h.d)
	return nil, nil
}
