package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
)

// A causer is a filter whose exchanges cause background work.
type causer struct {
	class string
	f     func(ctx context.Context, call filters.Caller)

	mu   sync.Mutex
	errs []error // of Background
}

func (*causer) Name() string { return "causer" }

func (c *causer) Open(_ context.Context, x *filters.Exchange) (filters.Stream, error) {
	if len(x.Fields.Get("x-cause")) > 0 {
		x.RunLater()
		err := x.Background(c.class, c.f)
		c.mu.Lock()
		c.errs = append(c.errs, err)
		c.mu.Unlock()
	}
	return nil, nil
}

// causing has the exchanges of a gateway that say so cause work of the background class.
func causing(g *gateway, f func(ctx context.Context, call filters.Caller)) *causer {
	c := &causer{class: "background", f: f}
	old := g.pipeline.current.Load()
	outer := []filters.Filter{g.identity}
	if g.schedule != nil {
		outer = append(outer, g.schedule.filter.Outer())
	}
	outer = append(outer, c)
	g.pipeline.current.Store(&runtime{config: old.config, upstreams: old.upstreams, outer: filters.NewChain(outer...), inner: old.inner, bind: old.bind})
	return c
}

const (
	cause       = "x-cause: 1"
	oursRequest = `{"model":"m","messages":[{"role":"user","content":"ours"}]}`
)

// An asked is what a background call brought.
type asked struct {
	status int
	body   string
	err    error
}

// ask makes a chat call for each exchange that causes work, and sends what it brought.
func ask(to chan<- asked) func(ctx context.Context, call filters.Caller) {
	return func(ctx context.Context, call filters.Caller) {
		status, body, err := call(ctx, wire.Chat, []byte(oursRequest))
		to <- asked{status, string(body), err}
	}
}

func await(tb testing.TB, from <-chan asked) asked {
	tb.Helper()
	select {
	case a := <-from:
		return a
	case <-time.After(longest):
		tb.Fatal("the background call never ended")
		return asked{}
	}
}

func chat(lines ...string) string { return post("/v1/chat/completions", chatRequest, lines...) }

// Our calls wait behind all agents, those that came later too.
func TestBackgroundIsLast(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	up := newFake(t, func(c *upConn, _ *message) bool {
		<-release
		return c.say(sized("200 OK", "Content-Type: application/json\r\n", okJSON))
	})
	g := scheduled(t, up, "{pools: [{upstream: u, concurrency: 1}]}")
	got := make(chan asked, 1)
	causing(g, ask(got))
	first, second := g.dial(t), g.dial(t)
	first.send(chat(cause))
	eventually(t, "a first call", func() bool { return up.requests() == 1 && g.pool(t, "u").Queued == 1 })
	second.send(chat())
	eventually(t, "a second call in the queue", func() bool { return g.pool(t, "u").Queued == 2 })
	close(release)
	if m := first.read(); m.Body != okJSON {
		t.Errorf("%s\n%s", m.Line, m.Body)
	}
	if m := second.read(); m.Body != okJSON {
		t.Errorf("%s\n%s", m.Line, m.Body)
	}
	if a := await(t, got); a.status != 200 || a.body != okJSON || a.err != nil {
		t.Errorf("%+v", a)
	}
	if up.requests() != 3 || up.last().Body != oursRequest {
		t.Errorf("%d requests, the last one %s", up.requests(), up.last().Body)
	}
	eventually(t, "an empty pool", func() bool { p := g.pool(t, "u"); return p.Inflight+p.Queued == 0 && p.Reserved == 0 })
	eventually(t, "all in the ledger", func() bool { return g.telemetry.Ledger().Totals().Tokens.Input == 9 })
}

// What we ask is paid by whom it is asked for.
func TestBackgroundIsCharged(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := scheduled(t, up, `{tenants: [{name: "*", budgets: [{per: tenant, unit: requests, limit: 2, window: month, mode: hard}]}]}`)
	got := make(chan asked, 1)
	causing(g, ask(got))
	if m := g.do(t, chat(bearer("one"), cause)); m.status() != 200 {
		t.Fatal(m.Line)
	}
	if a := await(t, got); a.status != 200 {
		t.Errorf("%+v", a)
	}
	if m := g.do(t, chat(bearer("one"))); m.status() != 429 {
		t.Errorf("the budget is not used up: %s", m.Line)
	}
	if m := g.do(t, chat(bearer("two"))); m.status() != 200 {
		t.Errorf("another tenant's is: %s", m.Line)
	}
}

// The agent has its answer before our call has ended, and may leave.
func TestBackgroundOutlivesTheAgent(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	up := newFake(t, func(c *upConn, m *message) bool {
		if m.Body == oursRequest {
			<-release
		}
		return c.say(sized("200 OK", "Content-Type: application/json\r\n", okJSON))
	})
	g := through(t, up, "")
	got := make(chan asked, 1)
	causing(g, ask(got))
	a := g.dial(t)
	a.send(chat(cause))
	if m := a.read(); m.status() != 200 {
		t.Error(m.Line)
	}
	a.Close()
	eventually(t, "both requests", func() bool { return up.requests() == 2 })
	g.do(t, chat()) // the exchange's memory is used again
	close(release)
	if a := await(t, got); a.status != 200 || a.err != nil {
		t.Errorf("%+v", a)
	}
}

// The process does not wait for it.
func TestBackgroundEndsWithTheProcess(t *testing.T) {
	t.Parallel()
	up := newFake(t, func(c *upConn, m *message) bool {
		if m.Body != oursRequest {
			return c.say(sized("200 OK", "Content-Type: application/json\r\n", okJSON))
		}
		c.untilClosed()
		return false
	})
	g := scheduled(t, up, "{}")
	got := make(chan asked, 1)
	causing(g, ask(got))
	g.do(t, chat(cause))
	eventually(t, "our request", func() bool { return up.requests() == 2 })
	if err := g.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	select {
	case a := <-got:
		if !errors.Is(a.err, filters.ErrShutdown) || a.status != 0 {
			t.Errorf("%+v", a)
		}
	default:
		t.Error("it is still under way")
	}
	<-up.gone
}

// Whose credential goes where: ours to its upstream, the agent's where its own requests go and nowhere else, and only as long as
// the work lasts.
func TestBackgroundCredentials(t *testing.T) {
	t.Parallel()
	agents, keyed := newFake(t, okAnswer), newFake(t, okAnswer)
	g := open(t, "upstreams:\n- {name: agents, base_url: "+agents.url()+", credential: agent, models: [m]}\n- {name: keyed, base_url: "+keyed.url()+", api_key: {env: KEY}, models: [k], rename: {k: real}}\n",
		with(map[string]string{"KEY": "sk-ours"}))
	type call struct {
		d    wire.Dialect
		body string
	}
	calls := make(chan call)
	got := make(chan asked, 1)
	var kept filters.Caller
	causing(g, func(ctx context.Context, do filters.Caller) {
		kept = do
		for c := range calls {
			status, body, err := do(ctx, c.d, []byte(c.body))
			got <- asked{status, string(body), err}
		}
	})
	m := g.do(t, post("/v1/chat/completions?q=1", chatRequest, bearer("sk-agent"), "OpenAI-Organization: org", "X-Request: 7", "x-trapgate-user: me", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", cause))
	if m.status() != 200 {
		t.Fatal(m.Line)
	}
	ours := func(d wire.Dialect, body string) asked {
		calls <- call{d, body}
		return await(t, got)
	}
	if a := ours(wire.Chat, oursRequest); a.status != 200 {
		t.Errorf("%+v", a)
	}
	r := agents.last()
	if r.Line != "POST /v1/chat/completions?q=1 HTTP/1.1" || r.Body != oursRequest || !slices.Contains(r.Fields, bearer("sk-agent")) || r.get("openai-organization") != "org" {
		t.Errorf("%s\n%s\n%s", r.Line, r.Fields, r.Body)
	}
	if all := strings.ToLower(strings.Join(r.Fields, "\n")); strings.Contains(all, "x-trapgate") || r.has("x-request") || strings.Contains(all, "0af7651916cd43dd8448eb211c80319c") {
		t.Errorf("what was the one request's, or ours, went out: %q", r.Fields)
	}
	if a := ours(wire.Chat, strings.Replace(oursRequest, `"m"`, `"k"`, 1)); a.status != 200 {
		t.Errorf("%+v", a)
	}
	if r := keyed.last(); r.get("authorization") != "Bearer sk-ours" || strings.Contains(strings.Join(r.Fields, "\n"), "sk-agent") || !strings.Contains(r.Body, `"model":"real"`) {
		t.Errorf("%s\n%s", r.Fields, r.Body)
	}
	n := agents.requests()
	if a := ours(wire.Messages, `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"ours"}]}`); a.err == nil || agents.requests() != n {
		t.Errorf("the credential went out in another dialect: %+v", a)
	}
	if a := ours(wire.Chat, strings.Replace(oursRequest, "{", `{"stream":true,`, 1)); a.err == nil {
		t.Error("a stream was asked for")
	}
	close(calls)
	eventually(t, "the end of the work", func() bool {
		_, _, err := kept(context.Background(), wire.Chat, []byte(oursRequest))
		return err != nil
	})
}

// A call is tried again as an agent's is, at the next candidate or after a moment; what is final comes back as it is.
func TestBackgroundRetries(t *testing.T) {
	t.Parallel()
	answers := make(chan string, 9)
	up := newFake(t, func(c *upConn, m *message) bool {
		if m.Body == chatRequest {
			return c.say(sized("200 OK", "Content-Type: application/json\r\n", okJSON))
		}
		return c.say(<-answers)
	})
	dead := newFake(t, okAnswer)
	dead.stop()
	g := open(t, "upstreams: [{name: dead, base_url: "+dead.url()+", credential: none}, {name: u, base_url: "+up.url()+", credential: none}]\nroutes: [{upstreams: [dead, u]}]\n")
	got := make(chan asked, 1)
	causing(g, ask(got))
	const bad = `{"error":{"message":"no"}}`
	for _, tt := range []struct {
		answers []string
		want    asked
	}{
		{[]string{sized("503 Busy", "", "x"), sized("429 Slow", "Retry-After: 0\r\n", "x"), sized("200 OK", "", okJSON)}, asked{200, okJSON, nil}},
		{[]string{sized("400 Bad", "", bad)}, asked{400, bad, nil}},
	} {
		for _, a := range tt.answers {
			answers <- a
		}
		g.do(t, chat(cause))
		if a := await(t, got); a != tt.want {
			t.Errorf("%+v, want %+v", a, tt.want)
		}
	}
	answers <- chunks("Content-Type: text/event-stream\r\n", "data: {}\n\n")
	g.do(t, chat(cause))
	if a := await(t, got); a.err == nil {
		t.Errorf("a stream is taken for an answer: %+v", a)
	}
	answers <- "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut"
	up.answer(func(c *upConn, m *message) bool {
		if m.Body == chatRequest {
			return c.say(sized("200 OK", "", okJSON))
		}
		c.say(<-answers)
		return false
	})
	g.do(t, chat(cause))
	if a := await(t, got); !errors.Is(a.err, filters.ErrTruncated) {
		t.Errorf("half an answer: %+v", a)
	}
}

// One tenant has a few jobs at a time, and one that panics is only its own end.
func TestBackgroundIsBounded(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := through(t, up, "")
	release := make(chan struct{})
	c := causing(g, func(context.Context, filters.Caller) {
		<-release
		panic("on purpose")
	})
	for range maxTenantJobs + 1 {
		g.do(t, chat(bearer("one"), cause))
	}
	g.do(t, chat(bearer("two"), cause))
	for i, err := range c.errs {
		if (err != nil) != (i == maxTenantJobs) {
			t.Errorf("job %d: %v", i, err)
		}
	}
	close(release)
	eventually(t, "all jobs gone", func() bool {
		j := &g.pipeline.jobs
		j.mu.Lock()
		defer j.mu.Unlock()
		return j.count == 0 && len(j.tenants) == 0
	})
}

func TestBackgroundClass(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := scheduled(t, up, "{}")
	c := causing(g, func(context.Context, filters.Caller) { t.Error("it runs") })
	c.class = "nobody-made-this"
	if g.do(t, chat(cause)); len(c.errs) != 1 || c.errs[0] == nil {
		t.Errorf("%v", c.errs)
	}
}

// A rewrite carries what a model has written of what it leaves out. The model is asked in the background, and what it is asked is
// no part of the conversation.
func TestContextSummary(t *testing.T) {
	t.Parallel()
	const notes = "Goal: mend the failing test."
	written := strings.Replace(plainAnswer, `"content":"hi"`, `"content":"`+notes+`"`, 1)
	var mu sync.Mutex
	var ours []*message
	up := newFake(t, func(c *upConn, m *message) bool {
		if strings.Contains(m.Body, "You write the notes") {
			mu.Lock()
			ours = append(ours, m)
			mu.Unlock()
			return c.say(sized("200 OK", "Content-Type: application/json\r\n", written))
		}
		return c.say(sized("200 OK", "Content-Type: application/json\r\n", plainAnswer))
	})
	g := open(t, "upstreams: [{name: u, base_url: "+up.url()+"/v1, credential: agent}]\nschedule: {}\ncontext: {windows: {\"*\": 6000}, reserve: 500, summary: {model: writer, max_tokens: 300}}\n")
	c := newSession()
	shown := ""
	for range 60 {
		c.turn()
		m := c.ask(t, g)
		eventually(t, "no build under way", func() bool {
			g.pipeline.jobs.mu.Lock()
			defer g.pipeline.jobs.mu.Unlock()
			return g.pipeline.jobs.count == 0
		})
		if strings.HasPrefix(m.get("x-trapgate-context"), "epoch=2") {
			shown = up.last().Body
			break
		}
	}
	if !strings.Contains(shown, notes) || !strings.Contains(shown, userRule) || !strings.Contains(shown, systemRule) {
		t.Errorf("no summary, or no rules: %s", shown)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(ours) != 2 {
		t.Fatalf("the model was asked %d times for two epochs", len(ours))
	}
	for i, m := range ours {
		if !strings.Contains(m.Body, `"model":"writer"`) || !strings.Contains(m.Body, `"max_tokens":300`) || !slices.Contains(m.Fields, bearer("one")) || strings.Contains(m.Body, notes) != (i == 1) {
			t.Errorf("question %d: %s\n%.2000s", i, m.Fields, m.Body)
		}
	}
	if n := g.context.engine.Counts().InPath; n != 0 || g.context.filter.Failures() != 0 {
		t.Errorf("%d epochs in the path", n)
	}
}
