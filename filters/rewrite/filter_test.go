package rewrite

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite"
	"github.com/trapgate/trapgate/ctxrewrite/store"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/filters/filtertest"
	"github.com/trapgate/trapgate/internal/wire"
)

// newFilter makes a filter over a window for all models; 0: none is known.
func newFilter(tb testing.TB, window int, kept store.Store, change ...func(*Settings)) *Filter {
	tb.Helper()
	s := Settings{Engine: ctxrewrite.Config{Reserve: 500}, BaseURL: func(string) string { return "https://api.openai.com/v1" }}
	if window > 0 {
		s.Engine.Windows = []tokens.Rule{{Model: "*", Tokens: window}}
	}
	for _, f := range change {
		f(&s)
	}
	e, err := ctxrewrite.New(s.Engine, ctxrewrite.Options{Store: kept})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(e.Close)
	f := New(e)
	if err := f.Configure(s); err != nil {
		tb.Fatal(err)
	}
	return f
}

// A named outer filter says who calls, as identity does.
type named filters.Identity

func (named) Name() string { return "identity" }

func (n named) Open(_ context.Context, x *filters.Exchange) (filters.Stream, error) {
	x.Later(func() { x.Identity = filters.Identity(n) })
	return nil, nil
}

const rule = "You must never touch main."

// long is a chat request of about so many tool calls, 150 tokens each.
func long(turns int) []byte {
	var b strings.Builder
	b.WriteString(`{"model":"m","messages":[{"role":"system","content":"` + rule + `"},{"role":"user","content":"Find the bug."}`)
	for i := range turns {
		fmt.Fprintf(&b, `,{"role":"assistant","content":"I look at part %d.","tool_calls":[{"id":"c%d","type":"function","function":{"name":"read","arguments":"{\"part\":%d}"}}]}`, i, i, i)
		fmt.Fprintf(&b, `,{"role":"tool","tool_call_id":"c%d","content":"%s"}`, i, strings.Repeat(fmt.Sprintf(`part %d says nothing of it;\n`, i), 15))
	}
	b.WriteString(`]}`)
	return []byte(b.String())
}

const answer = `{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}`

// A seen is what came of one exchange.
type seen struct {
	filtertest.Outcome
	note  string
	trail []string
}

// run sends a body through the filter; said are the upstream's answers, none: one that is good.
func run(tb testing.TB, f *Filter, id filters.Identity, body []byte, fields [][2]string, said ...filtertest.Answer) (s seen) {
	tb.Helper()
	if said == nil {
		said = []filtertest.Answer{{Body: []byte(answer)}}
	}
	var trail []filters.Entry
	h := filtertest.Memory{Trail: &trail, Head: func(h *filters.ResponseHead) {
		for _, f := range h.Added {
			if string(f.Name) == header {
				s.note = string(f.Value)
			}
		}
	}}
	s.Outcome = h.Run(tb, filtertest.Case{
		Dialect: wire.Chat, Path: "/v1/chat/completions", Request: body, Fields: fields, Answers: said,
		Outer: []filters.Filter{named(id)}, Inner: []filters.Filter{f},
	})
	for _, e := range trail {
		if e.Filter == Name {
			s.trail = append(s.trail, e.Kind)
		}
	}
	return s
}

var someone = filters.Identity{Tenant: "t", Session: "s"}

func TestRewrites(t *testing.T) {
	t.Parallel()
	f := newFilter(t, 3000, nil)
	body := long(40)
	s := run(t, f, someone, body, nil)
	sent := string(s.Sent[0])
	if s.Status != 200 || len(sent) >= len(body) || !strings.Contains(sent, rule) || tokens.Count(sent) > 2500 {
		t.Errorf("%d: %d bytes of %d", s.Status, len(sent), len(body))
	}
	var epoch, from, to int
	if _, err := fmt.Sscanf(s.note, "epoch=%d; from=%d; to=%d", &epoch, &from, &to); err != nil || epoch != 1 || from <= to {
		t.Errorf("%q", s.note)
	}
	if len(s.trail) != 1 || s.trail[0] != "rewrite" {
		t.Error(s.trail)
	}
	again := run(t, f, someone, body, nil)
	if string(again.Sent[0]) != sent {
		t.Error("a regenerated request has other bytes")
	}
}

// Nothing is changed that need not be, or must not be.
func TestLeavesAlone(t *testing.T) {
	t.Parallel()
	observe := func(s *Settings) { s.Engine.Mode = ctxrewrite.Observe }
	for name, c := range map[string]struct {
		filter *Filter
		body   []byte
		fields [][2]string
		note   string // its beginning
	}{
		"short":          {newFilter(t, 3000, nil), long(3), nil, ""},
		"asked to":       {newFilter(t, 3000, nil), long(40), [][2]string{{"x-trapgate-context", "off"}}, ""},
		"window unknown": {newFilter(t, 0, nil), long(40), nil, "epoch=0; why=window unknown"},
		"observes":       {newFilter(t, 3000, nil, observe), long(40), nil, "epoch=1; from="},
		"too large":      {newFilter(t, 3000, nil), []byte(`{"model":"m","messages":[{"role":"system","content":"` + strings.Repeat("all of this must stay. ", 2000) + `"},{"role":"user","content":"hi"}]}`), nil, "epoch=0; from="},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := run(t, c.filter, someone, c.body, c.fields)
			if string(s.Sent[0]) != string(c.body) || s.Status != 200 {
				t.Errorf("%d, sent:\n%.300s", s.Status, s.Sent[0])
			}
			if !strings.HasPrefix(s.note, c.note) || (s.note == "") != (c.note == "") {
				t.Errorf("note %q, want %q", s.note, c.note)
			}
		})
	}
}

// A failing store panics.
type failing struct{ store.Store }

func (failing) Epochs(context.Context, store.Key) ([][]byte, error) { panic("no") }

// Whatever goes wrong inside, the request goes out as it came and the agent is told.
func TestFailsOpen(t *testing.T) {
	t.Parallel()
	f := newFilter(t, 3000, failing{store.NewMemory(store.Options{})})
	body := long(40)
	s := run(t, f, someone, body, nil)
	if string(s.Sent[0]) != string(body) || s.Status != 200 || s.note != "failed; the request went out as it came" || f.Failures() != 1 {
		t.Errorf("%d %q, %d failures", s.Status, s.note, f.Failures())
	}
	if s := run(t, f, filters.Identity{Tenant: "t", Session: "other", Side: true}, body, nil); len(s.Sent[0]) >= len(body) {
		t.Error("and nothing works any more")
	}
}

// A side call is fitted too, and leaves nothing behind.
func TestSideCallsAreForgotten(t *testing.T) {
	t.Parallel()
	kept := store.NewMemory(store.Options{})
	f := newFilter(t, 3000, kept)
	side := someone
	side.Side = true
	if s := run(t, f, side, long(40), nil); len(s.Sent[0]) >= len(long(40)) {
		t.Error("not fitted")
	}
	f.engine.Close()
	if all, err := kept.Sessions(t.Context(), ""); err != nil || len(all) > 0 {
		t.Error(all, err)
	}
	run(t, f, someone, long(40), nil)
	f.engine.Close()
	if all, err := kept.Sessions(t.Context(), "t"); err != nil || len(all) != 1 || all[0].Session != "s" || all[0].Epochs != 1 {
		t.Error(all, err)
	}
}

// A refusal for length makes the next attempt of the exchange shorter; any other refusal is the agent's.
func TestTooLong(t *testing.T) {
	t.Parallel()
	f := newFilter(t, 0, nil)
	v, err := wire.Acquire(wire.Chat, long(40), wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Release()
	x := &filters.Exchange{View: v, Route: wire.Route{Dialect: wire.Chat, Op: wire.Generate}, Identity: someone, Attempt: filters.Attempt{Upstream: "u", Model: "m"}, Answer: new(wire.Answer)}
	attempt := func(status int, message string) (again bool) {
		t.Helper()
		x.CallEdits.Reset()
		s, err := f.Open(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		if message != "" {
			again = s.(filters.Refusable).Refused(status, nil, []byte(`{"error":{"message":"`+message+`","type":"invalid_request_error"}}`))
		}
		s.Close(nil)
		return again
	}
	const refusal = "This model's maximum context length is 3000 tokens. However, your messages resulted in 6000 tokens."
	if attempt(400, "temperature must be below 2") || attempt(429, "Rate limit reached for tokens per minute") {
		t.Error("another refusal is taken for one of length")
	}
	if x.CallEdits.Len() > 0 || !attempt(400, refusal) {
		t.Error("a refusal for length is not seen")
	}
	if attempt(0, ""); x.CallEdits.Len() == 0 {
		t.Error("the attempt behind it is as long")
	}
}

// Where nothing more can be left out there is no second attempt: opencode asks for an answer of 32,000 tokens in a window of 32,768.
func TestTooLongForGood(t *testing.T) {
	t.Parallel()
	f := newFilter(t, 32_768, nil)
	body := []byte(strings.Replace(string(long(10)), `{`, `{"max_tokens":32000,`, 1))
	said := []byte(`{"error":{"message":"This model's maximum context length is 32768 tokens. However, you requested 33500 tokens (1500 in the messages, 32000 in the completion).","code":"context_length_exceeded"}}`)
	s := run(t, f, someone, body, nil, filtertest.Answer{Status: 400, Body: said}, filtertest.Answer{Body: []byte(answer)})
	if s.Status != 400 || s.Requests != 1 || string(s.Body) != string(said) {
		t.Errorf("%d requests, %d %s", s.Requests, s.Status, s.Body)
	}
	if s := run(t, f, someone, long(10), nil); string(s.Sent[0]) != string(long(10)) {
		t.Errorf("and other requests are taken for longer than they are: %s", s.note)
	}
}

// While it only observes it makes no other request of one that was refused.
func TestTooLongWhileObserving(t *testing.T) {
	t.Parallel()
	for _, window := range []int{0, 100_000} {
		f := newFilter(t, window, nil, func(s *Settings) { s.Engine.Mode = ctxrewrite.Observe })
		said := []byte(`{"error":{"message":"This model's maximum context length is 3000 tokens. However, your messages resulted in 6000 tokens."}}`)
		s := run(t, f, someone, long(40), nil, filtertest.Answer{Status: 400, Body: said}, filtertest.Answer{Body: []byte(answer)})
		if s.Status != 400 || s.Requests != 1 || f.engine.Counts().Learnt != 1 {
			t.Errorf("%d requests, %d, %+v", s.Requests, s.Status, f.engine.Counts())
		}
	}
}

// Rules are for those whom they match, and the agent's own stand beside them.
func TestPins(t *testing.T) {
	t.Parallel()
	f := newFilter(t, 3000, nil, func(s *Settings) {
		s.Pins = []Pin{
			{Text: "For all.", Match: nil},
			{Text: "For zed.", Match: func(agent, _, _ string) bool { return agent == "zed" }},
			{Text: "For others.", Match: func(agent, _, _ string) bool { return agent != "zed" }},
		}
	})
	id := someone
	id.Agent = "zed"
	s := run(t, f, id, long(40), [][2]string{{"x-trapgate-pin", "My own."}})
	for text, want := range map[string]bool{"For all.": true, "For zed.": true, "For others.": false, "My own.": true} {
		if strings.Contains(string(s.Sent[0]), text) != want {
			t.Errorf("%s: %v", text, !want)
		}
	}
}

// A configuration that the engine refuses changes nothing.
func TestConfigureRefuses(t *testing.T) {
	f := newFilter(t, 3000, nil)
	if err := f.Configure(Settings{Engine: ctxrewrite.Config{Windows: []tokens.Rule{{Model: "", Tokens: 5}}}}); err == nil {
		t.Fatal("taken")
	}
	if s := run(t, f, someone, long(40), nil); len(s.Sent[0]) >= len(long(40)) {
		t.Error("the old one is gone")
	}
}

// fitted is a host that has the filter in its inner ring, wherever a scenario's own filters stand.
type fitted struct {
	f     *Filter
	first bool
}

func (h fitted) Run(tb testing.TB, c filtertest.Case) filtertest.Outcome {
	if h.first {
		c.Inner = append([]filters.Filter{h.f}, c.Inner...)
	} else {
		c.Inner = append(c.Inner[:len(c.Inner):len(c.Inner)], h.f)
	}
	return filtertest.Memory{}.Run(tb, c)
}

// The filter changes nothing that a host must do.
func TestConformance(t *testing.T) {
	for name, first := range map[string]bool{"first": true, "last": false} {
		t.Run(name, func(t *testing.T) { filtertest.Conformance(t, fitted{newFilter(t, 200_000, nil), first}) })
	}
}
