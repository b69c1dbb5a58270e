package schedule

import (
	"fmt"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/ratelimit"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

// A load is one exchange as a host runs it, over and over.
type load struct {
	f      *Filter
	x      *filters.Exchange
	head   filters.ResponseHead
	answer wire.Answer
	outer  filters.Filter
}

func newLoad(tb testing.TB, kind string, size int) *load {
	tb.Helper()
	tel, err := telemetry.New(tb.Context(), telemetry.Options{Getenv: func(string) string { return "" }})
	if err != nil {
		tb.Fatal(err)
	}
	q := tel.Queue()
	s := Settings{Engine: ratelimit.Config{Pools: []ratelimit.PoolConfig{{Name: "u", Limits: ratelimit.Limits{Concurrency: 64, Requests: 1e9, Tokens: 1e12}}}}}
	l := &load{}
	o := Options{Engine: ratelimit.New(s.Engine, ratelimit.Options{Observer: Observe(q)}), Metrics: q}
	if kind == "budgets" {
		s.Budgets = tenantBudget(budget.Budget{Unit: budget.Tokens, Limit: 1e15, Window: budget.Month, Mode: budget.Hard})
		if o.Budgets, err = budget.New(tb.Context(), s.Budgets, nil, budget.Options{}); err != nil {
			tb.Fatal(err)
		}
	}
	l.f = New(o)
	if err := l.f.Configure(s); err != nil {
		tb.Fatal(err)
	}
	l.outer = l.f.Outer()
	text := strings.Repeat("some words ", size/11/100)
	body := `{"model":"gpt-test","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"system","content":"hi"}`
	for range 100 {
		body += `,{"role":"user","content":"` + text + `"}`
	}
	l.x = &filters.Exchange{
		ID: "x", Route: wire.Route{Dialect: wire.Chat, Op: wire.Generate}, View: view(tb, wire.Chat, body+`],"max_tokens":500}`),
		Answer: &l.answer, KeepAlive: func() error { return nil },
	}
	for _, h := range strings.Fields("host accept-encoding connection accept content-type user-agent x-stainless-lang x-stainless-os authorization x-stainless-read-timeout") {
		l.x.Fields = append(l.x.Fields, filters.Field{Name: []byte(h), Value: []byte("600")})
	}
	lines := "date content-type connection x-request-id openai-processing-ms server cf-ray"
	if kind != "queue" {
		lines += " x-ratelimit-limit-requests x-ratelimit-remaining-requests x-ratelimit-reset-requests x-ratelimit-limit-tokens x-ratelimit-remaining-tokens x-ratelimit-reset-tokens"
	}
	for _, h := range strings.Fields(lines) {
		v := "900000000000"
		if strings.Contains(h, "reset-") {
			v = "1ms"
		}
		l.head.Fields = append(l.head.Fields, filters.Field{Name: []byte(h), Value: []byte(v)})
	}
	l.x.Identity = filters.Identity{Tenant: "team", Agent: "codex", Session: "s", Program: "p", Chains: make([]uint64, 100), Chain: 7}
	return l
}

// once runs it and returns what Open and Head, and what Close took.
func (l *load) once(tb testing.TB) {
	x := l.x
	x.Attempt = filters.Attempt{Upstream: "u", Model: "gpt-test"}
	l.answer = wire.Answer{}
	out, err := l.outer.Open(tb.Context(), x)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := l.f.Open(tb.Context(), x)
	if err != nil {
		tb.Fatal(err)
	}
	l.head.Status, l.head.Added = 200, nil
	if err := s.Head(&l.head); err != nil {
		tb.Fatal(err)
	}
	l.answer.OutputChars = 400
	l.answer.Usage = wire.Usage{Input: 12_000, CachedInput: 11_000, Output: 100, Known: true}
	if err := s.End(nil); err != nil {
		tb.Fatal(err)
	}
	s.Close(nil)
	out.Close(nil)
}

// BenchmarkFree is what an exchange with a place free costs, both halves, from Open to Close.
func BenchmarkFree(b *testing.B) {
	for _, kind := range []string{"queue", "headers", "budgets"} {
		for _, size := range []int{2_000, 435_000} {
			b.Run(fmt.Sprintf("%s/%dKB", kind, size/1000), func(b *testing.B) {
				l := newLoad(b, kind, size)
				b.ReportAllocs()
				for b.Loop() {
					l.once(b)
				}
			})
		}
	}
}

// BenchmarkEvent is what each streamed event costs.
func BenchmarkEvent(b *testing.B) {
	l := newLoad(b, "budgets", 2_000)
	l.x.Attempt = filters.Attempt{Upstream: "u", Model: "gpt-test"}
	s, err := l.f.Open(b.Context(), l.x)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close(nil)
	b.ReportAllocs()
	for b.Loop() {
		l.answer.OutputChars += 4
		s.(*stream).progress()
	}
}
