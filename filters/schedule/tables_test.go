package schedule

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/filters/filtertest"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/ratelimit"
)

func view(tb testing.TB, d wire.Dialect, body string) *wire.View {
	tb.Helper()
	v, err := wire.Acquire(d, []byte(body), wire.Limits{})
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// What the agents' own headers say, in the forms that were captured, and what is known of those that say nothing.
func TestReadTimeout(t *testing.T) {
	for _, tt := range []struct {
		agent string
		lines [][2]string
		want  time.Duration
	}{
		{"", nil, 600 * time.Second},
		{"openai-python", [][2]string{{"x-stainless-read-timeout", "600"}}, 600 * time.Second},
		{"openai-python", [][2]string{{"X-Stainless-Read-Timeout", "60.0"}}, 60 * time.Second},
		{"openai-node", [][2]string{{"X-Stainless-Timeout", "300"}}, 300 * time.Second},
		{"", [][2]string{{"x-stainless-timeout", "600000"}}, 600 * time.Second},
		{"", [][2]string{{"x-stainless-timeout", "10"}, {"x-stainless-read-timeout", "20"}}, 20 * time.Second},
		{"", [][2]string{{"x-stainless-read-timeout", "None"}}, 600 * time.Second},
		{"", [][2]string{{"x-stainless-read-timeout", "-5"}}, 600 * time.Second},
		{"codex", nil, 300 * time.Second},
		{"ai-sdk", nil, 300 * time.Second},
		{"codex", [][2]string{{"x-stainless-timeout", "40"}}, 40 * time.Second},
	} {
		x := &filters.Exchange{Identity: filters.Identity{Agent: tt.agent}}
		for _, l := range tt.lines {
			x.Fields = append(x.Fields, filters.Field{Name: []byte(l[0]), Value: []byte(l[1])})
		}
		if got := readTimeout(x); got != tt.want {
			t.Errorf("%s %v: %v, want %v", tt.agent, tt.lines, got, tt.want)
		}
	}
}

func TestPatience(t *testing.T) {
	now := time.Now()
	alive := func() error { return nil }
	for _, tt := range []struct {
		name  string
		x     *filters.Exchange
		queue QueueSettings
		want  patience
	}{
		{"unary", &filters.Exchange{}, QueueSettings{}, patience{longest: 600 * time.Second}},
		{"unary, begun a while ago", &filters.Exchange{Start: now.Add(-100 * time.Second)}, QueueSettings{}, patience{longest: 500 * time.Second}},
		{"unary, late", &filters.Exchange{Start: now.Add(-700 * time.Second)}, QueueSettings{}, patience{longest: time.Second}},
		{"a later call", &filters.Exchange{Start: now.Add(-700 * time.Second), Call: 1}, QueueSettings{}, patience{longest: 600 * time.Second}},
		{"stream", &filters.Exchange{KeepAlive: alive}, QueueSettings{}, patience{longest: time.Hour, comment: 300 * time.Second}},
		{"stream, bounded", &filters.Exchange{KeepAlive: alive}, QueueSettings{StreamWait: 700 * time.Second}, patience{longest: 700 * time.Second, comment: 300 * time.Second}},
		{"stream without comments", &filters.Exchange{KeepAlive: alive}, QueueSettings{KeepAliveAfter: -1}, patience{longest: 600 * time.Second}},
		{"stream, comments too late", &filters.Exchange{KeepAlive: alive}, QueueSettings{KeepAliveAfter: 900 * time.Second}, patience{longest: 600 * time.Second}},
	} {
		c := newSettings(Settings{Queue: tt.queue})
		got := c.patienceOf(tt.x, now)
		if declared := max(tt.want.longest, 600*time.Second); got.declared != declared {
			t.Errorf("%s: told as %v, want %v", tt.name, got.declared, declared)
		}
		got.declared = 0
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestClass(t *testing.T) {
	c := newSettings(Settings{
		Engine:  ratelimit.Config{Classes: []ratelimit.ClassConfig{{Name: "chat"}, {Name: "batch"}, {Name: "background"}}},
		Classes: []ClassRule{{"batch", "nightly*", ""}, {"chat", "", "gpt-*"}, {"batch", "codex", "*mini*"}, {"batch", "", ""}},
	})
	for _, tt := range []struct{ own, agent, asked, sent, want string }{
		{"", "", "m", "m", "default"},
		{"background", "nightly", "m", "m", "background"},
		{"nonsense", "nightly-7", "m", "m", "batch"},
		{"", "x", "gpt-4o", "local", "chat"},
		{"", "x", "alias", "gpt-4o", "chat"},
		{"", "codex", "x", "o4-mini-high", "batch"},
		{"", "other", "x", "o4-mini-high", "default"},
	} {
		x := &filters.Exchange{View: view(t, wire.Chat, fmt.Sprintf(`{"model":%q,"messages":[]}`, tt.asked))}
		x.Identity.Class, x.Identity.Agent, x.Attempt.Model = tt.own, tt.agent, tt.sent
		if got := c.class(x); got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}

// One pool for everything that goes to a configured upstream; elsewhere one for each credential and limit group.
func TestPools(t *testing.T) {
	b := newBench(t, oneSlot())
	for _, tt := range []struct {
		upstream, tenant, model string
		credential              filters.Credential
		want                    string
	}{
		{"memory", "a", "m", filters.AgentsCredential, "memory"},
		{"memory", "b", "n", filters.OurCredential, "memory"},
		{"openai", "a", "gpt-4o", filters.OurCredential, "openai/*/gpt-4o"},
		{"openai", "b", "gpt-4o-2024-08-06", filters.OurCredential, "openai/*/gpt-4o"},
		{"openai", "a", "o3", filters.OurCredential, "openai/*/o3"},
		{"openai", "a", "gpt-4o", filters.AgentsCredential, "openai/a/gpt-4o"},
		{"openai", "b", "gpt-4o", filters.AgentsCredential, "openai/b/gpt-4o"},
		{"local", "b", "m", filters.NoCredential, "local/-/m"},
	} {
		x := &filters.Exchange{Identity: filters.Identity{Tenant: tt.tenant}}
		x.Attempt.Upstream, x.Attempt.Model, x.Attempt.Credential = tt.upstream, tt.model, tt.credential
		for range 2 {
			if got := b.f.pools.of(b.f.config.Load(), x).name; got != tt.want {
				t.Errorf("%+v: %s", tt, got)
			}
		}
	}
}

// Names that agents make up cannot make pools without end, and those beyond share one of which nothing is learnt.
func TestPoolsAreBounded(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t, oneSlot())
		x := &filters.Exchange{Identity: filters.Identity{Tenant: "t"}}
		x.Attempt.Upstream = "u"
		var p *pool
		for i := range maxPools + 50 {
			x.Attempt.Model = fmt.Sprint("model", i)
			p = b.f.pools.of(b.f.config.Load(), x)
		}
		if p.name != "u/~other" || !p.shared || len(b.f.pools.all) > maxPools+2 || len(b.f.pools.by) > 2*maxPools {
			t.Errorf("%s, %d pools, %d known", p.name, len(b.f.pools.all), len(b.f.pools.by))
		}
		a := failure(429, "slow down", [2]string{"Retry-After", "30"}, [2]string{"x-ratelimit-limit-requests", "1"})
		u := filtertest.Memory{Upstreams: []string{"u"}}
		b.run(call{unary: true, memory: u, who: who{Identity: filters.Identity{Tenant: "new"}}, answers: []filtertest.Answer{a}})
		if r := b.run(call{unary: true, memory: u, who: who{Identity: filters.Identity{Tenant: "newer"}}, answers: []filtertest.Answer{document(1, 1)}}); r.waited != 0 {
			t.Errorf("waited %v for somebody else's refusal", r.waited)
		}
		b.idle()
	})
}

// Models that no upstream has accepted keep no pool from one that comes later, nor do pools that are idle.
func TestMadeUpModelsAreForgotten(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t, Settings{})
		model := func(tenant string, a filtertest.Answer) result {
			time.Sleep(time.Millisecond)
			return b.run(call{unary: true, who: who{Identity: filters.Identity{Tenant: tenant}}, answers: []filtertest.Answer{a}})
		}
		model("good", document(1, 1))
		for i := range maxPools + 50 {
			model(fmt.Sprint("made up ", i), failure(404, "no such model"))
		}
		r := model("later", document(1, 1))
		if got := r.head["x-trapgate-queue"]; got != "memory/later/m;wait=0" {
			t.Errorf("a good model's pool is %q", got)
		}
		if b.f.pools.all["memory/good/m"] == nil || b.f.pools.all["memory/made up 0/m"] != nil || b.f.pools.own > maxPools || len(b.engine.State().Pools) != b.f.pools.own {
			t.Errorf("%d pools, %d in the engine", b.f.pools.own, len(b.engine.State().Pools))
		}
		for i := range maxPools + 50 { // all good: those idle for the longest go
			model(fmt.Sprint("good ", i), document(1, 1))
		}
		if r := model("last", document(1, 1)); r.head["x-trapgate-queue"] != "memory/last/m;wait=0" || b.f.pools.all["memory/good/m"] != nil {
			t.Errorf("%q", r.head["x-trapgate-queue"])
		}
		b.idle()
	})
}

// A new configuration takes effect for what comes and keeps what is there.
func TestConfigure(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t, oneSlot())
		b.run(call{unary: true, answers: []filtertest.Answer{document(40, 7)}})
		free := b.occupy("memory")
		done := make(chan result)
		go func() { done <- b.run(call{unary: true, answers: []filtertest.Answer{document(40, 7)}}) }()
		time.Sleep(time.Second)
		s := oneSlot()
		s.Engine.Pools[0].Limits.Concurrency = 2
		if err := b.f.Configure(s); err != nil {
			t.Fatal(err)
		}
		if r := <-done; r.waited != time.Second {
			t.Errorf("waited %v", r.waited)
		}
		free()
		if got := b.attained(); got != 108 {
			t.Errorf("charged %d", got)
		}
		if err := b.f.Configure(Settings{}); err != nil {
			t.Fatal(err)
		}
		r := b.run(call{unary: true, answers: []filtertest.Answer{document(1, 1)}})
		if !strings.HasPrefix(r.head["x-trapgate-queue"], "memory/team/m;") {
			t.Error(r.head)
		}
		b.idle()
	})
}

// A budget that is wrong changes nothing.
func TestConfigureRefuses(t *testing.T) {
	s := oneSlot()
	s.Budgets = tenantBudget(requestsEachHour(1))
	b := newBench(t, s)
	bad := Settings{Budgets: tenantBudget(requestsEachHour(-1))}
	if err := b.f.Configure(bad); err == nil || !b.f.config.Load().configured("memory") {
		t.Errorf("%v", err)
	}
}

// Images and documents are not counted by their bytes.
func TestSize(t *testing.T) {
	text := strings.Repeat("word ", 10_000)
	image := strings.Repeat("QUJD", 200_000)
	for _, tt := range []struct {
		name, body   string
		least, most  int
		parts        int
		d            wire.Dialect
		alsoResponse bool
	}{
		{name: "text", d: wire.Chat, body: `{"model":"m","messages":[{"role":"user","content":"` + text + `"}]}`, least: 50_000, most: 50_100},
		{name: "image", d: wire.Chat, body: `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"` + text + `"},{"type":"image_url","image_url":{"url":"data:image/png;base64,` + image + `"}}]}]}`, least: 50_000, most: 50_300, parts: 1},
		{name: "tool result", d: wire.Messages, body: `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"image","source":{"type":"base64","data":"` + image + `"}}]}]}]}`, least: 10, most: 500, parts: 1},
		{name: "arguments", d: wire.Chat, body: `{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"` + text + `"}}]}]}`, least: 50_000, most: 50_300},
	} {
		if got := sizeOf(view(t, tt.d, tt.body), nil); got.bytes < tt.least || got.bytes > tt.most || got.parts != tt.parts {
			t.Errorf("%s: %+v of %d bytes", tt.name, got, len(tt.body))
		}
	}
}

// What a filter before us has left out is not sent, so it does not count, and an image inside of it does not either.
func TestSizeOfWhatIsSent(t *testing.T) {
	image := strings.Repeat("QUJD", 20_000)
	v := view(t, wire.Chat, `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"`+image+`"}}]},{"role":"user","content":"go on"}]}`)
	var edits wire.Edits
	edits.Replace(wire.Span{Start: v.Msgs[0].Span.Start, End: v.Msgs[1].Span.Start}, nil)
	edits.Insert(v.Texts[len(v.Texts)-1].End-1, []byte(", please"))
	if got, want := sizeOf(v, &edits), len(`{"model":"m","messages":[{"role":"user","content":"go on, please"}]}`); got.bytes != want || got.parts != 0 {
		t.Errorf("%+v, want %d bytes", got, want)
	}
}

// Estimates follow what is counted.
func TestLearntSizes(t *testing.T) {
	var z sizes
	z.init(true)
	s := size{bytes: 10_000}
	cold := z.guess("t", "a", "m", s, 0, 1)
	if cold.input != 2500 || cold.output != 600 || cold.perChar != 0.25 {
		t.Errorf("cold: %+v", cold)
	}
	if got := z.guess("t", "a", "m", s, 100, 1); got.output != 100 {
		t.Errorf("of at most 100: %+v", got)
	}
	for range 50 {
		z.learn("t", "a", "m", s, 1, 1000, &wire.Usage{Input: 4000, Output: 500, Known: true})
	}
	if got := z.guess("t", "a", "m", s, 0, 1); got.input != 4000 || got.output < 450 || got.output > 560 || got.perChar != 0.5 {
		t.Errorf("learnt: %+v", got)
	}
	z.learn("t", "a", "m", s, 1, 10, &wire.Usage{Input: 4000, Output: 5000, Reasoning: 4990, Known: true})
	if got := z.guess("t", "a", "m", s, 0, 1); got.perChar != 0.5 {
		t.Errorf("hidden reasoning made a ratio: %+v", got)
	}
}

// What is not billed takes no place; embeddings take one and reserve no output.
func TestRoutes(t *testing.T) {
	b := newBench(t, oneSlot())
	for _, tt := range []struct {
		op   wire.Op
		want bool
	}{{wire.Generate, true}, {wire.Embed, true}, {wire.Count, false}, {wire.Get, false}} {
		d, body := wire.Chat, `{"model":"m","messages":[]}`
		if tt.op == wire.Embed {
			d, body = wire.Embeddings, `{"model":"m","input":"some text"}`
		}
		x := &filters.Exchange{Route: wire.Route{Dialect: d, Op: tt.op}, View: view(t, d, body), Answer: new(wire.Answer)}
		x.Attempt.Upstream = "memory"
		s, err := b.f.Open(t.Context(), x)
		if err != nil || (s != nil) != tt.want {
			t.Errorf("op %d: %v, %v", tt.op, s, err)
			continue
		}
		if s != nil {
			if p := b.engine.State().Pools[0]; tt.op == wire.Embed && p.Reserved > 20 {
				t.Errorf("reserved %d", p.Reserved)
			}
			s.Close(filters.ErrShutdown)
		}
	}
	b.idle()
}

func FuzzTimeout(f *testing.F) {
	for _, s := range []string{"600", "600.0", "600000", "1e3", "-1", "NaN", "0x10", "", "Infinity", "1e300"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d := parseTimeout([]byte(s)); d < 0 || d > 1e6*time.Second {
			t.Errorf("%q: %v", s, d)
		}
	})
}

// Each of a request's choices costs its own output.
func TestChoices(t *testing.T) {
	b := newBench(t, oneSlot())
	b.f.sizes.lengths = true
	begun := func(body string) *stream {
		s := b.f.streams.Get().(*stream)
		s.begin(b.f, b.exchange(body))
		return s
	}
	one := begun(`{"model":"m","messages":[]}`)
	three := begun(`{"model":"m","messages":[],"n":3}`)
	if three.guess.output != 3*one.guess.output || three.most != 0 {
		t.Errorf("%d tokens for three, %d for one", three.guess.output, one.guess.output)
	}
	limited := begun(`{"model":"m","messages":[],"n":3,"max_tokens":20}`)
	if limited.guess.output != 60 || limited.ticket().Call.MaxOutput != 60 {
		t.Errorf("%d of at most %d", limited.guess.output, limited.most)
	}
	for range 50 {
		b.f.sizes.learn("team", "", "m", three.size, three.choices, 0, &wire.Usage{Input: 10, Output: 300, Known: true})
	}
	if got := begun(`{"model":"m","messages":[]}`).guess.output; got < 90 || got > 120 {
		t.Errorf("%d tokens for one, of 300 for three", got)
	}
}
