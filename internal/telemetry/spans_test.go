package telemetry

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/trapgate/trapgate/internal/head"
	"github.com/trapgate/trapgate/internal/wire"
)

const (
	agentTrace  = "0af7651916cd43dd8448eb211c80319c"
	agentParent = "b7ad6b7169203331"
	agentHeader = "00-" + agentTrace + "-" + agentParent + "-01"
)

func find(t *testing.T, spans tracetest.SpanStubs, name string, n int) tracetest.SpanStub {
	t.Helper()
	for _, s := range spans {
		if s.Name == name {
			if n--; n < 0 {
				return s
			}
		}
	}
	t.Fatalf("no span %q among %d", name, len(spans))
	return tracetest.SpanStub{}
}

func attrs(s tracetest.SpanStub) map[string]string {
	m := map[string]string{}
	for _, kv := range s.Attributes {
		m[string(kv.Key)] = fmt.Sprint(kv.Value.AsInterface())
	}
	return m
}

func expect(t *testing.T, s tracetest.SpanStub, want map[string]string) {
	t.Helper()
	got := attrs(s)
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s: %s = %q, want %q", s.Name, k, got[k], v)
		}
	}
}

func TestSpanTree(t *testing.T) {
	tel, exp := traced(t, Options{})
	run(tel, fields(t, "Host: x\r\nTraceParent: "+agentHeader+"\r\ntracestate: a=1\r\n"))
	spans := exp.GetSpans()
	if len(spans) != 4 {
		t.Fatalf("%d spans, want 4", len(spans))
	}
	server := find(t, spans, "POST chat/completions", 0)
	if server.SpanKind != trace.SpanKindServer || server.Parent.SpanID().String() != agentParent ||
		server.SpanContext.TraceID().String() != agentTrace || server.SpanContext.TraceState().String() != "a=1" {
		t.Errorf("server span does not join the agent's trace: %v, parent %v", server.SpanContext, server.Parent)
	}
	if !server.StartTime.Equal(ms(0)) || !server.EndTime.Equal(ms(141)) {
		t.Errorf("server span from %v to %v", server.StartTime, server.EndTime)
	}
	expect(t, server, map[string]string{
		"http.request.method": "POST", "url.path": "/v1/chat/completions", "http.response.status_code": "200",
		"trapgate.request.id": "req-1", "trapgate.dialect": "chat", "trapgate.outcome": "ok", "trapgate.attempts": "2",
		"gen_ai.conversation.id": "sess-9", "gen_ai.agent.name": "codex", "trapgate.tenant": "team-a", "trapgate.program": "prog-7",
		"trapgate.added": "0.0015", "trapgate.added.recall": "0.0014", "error.type": "",
	})
	if len(server.Events) != 1 || server.Events[0].Name != "host.attempt" || !server.Events[0].Time.Equal(ms(3)) {
		t.Errorf("trail events: %v", server.Events)
	}
	filter := find(t, spans, "recall", 0)
	if filter.SpanKind != trace.SpanKindInternal || !filter.EndTime.Equal(ms(3)) {
		t.Errorf("filter span: %v until %v", filter.SpanKind, filter.EndTime)
	}
	first, second := find(t, spans, "chat gpt-test", 0), find(t, spans, "chat gpt-test", 1)
	for _, s := range []tracetest.SpanStub{filter, first, second} {
		if s.Parent.SpanID() != server.SpanContext.SpanID() {
			t.Errorf("%s is no child of the exchange", s.Name)
		}
	}
	expect(t, first, map[string]string{
		"error.type": "503", "http.response.status_code": "503", "server.address": "api.one.test", "server.port": "443",
		"gen_ai.provider.name": "openai", "trapgate.upstream": "one",
	})
	if first.Status.Code != codes.Error {
		t.Errorf("failed attempt: status %v", first.Status)
	}
	if second.SpanKind != trace.SpanKindClient || second.Status.Code != codes.Unset {
		t.Errorf("attempt: %v %v", second.SpanKind, second.Status)
	}
	expect(t, second, map[string]string{
		"gen_ai.operation.name": "chat", "gen_ai.provider.name": "groq", "gen_ai.request.model": "gpt-test",
		"gen_ai.request.stream": "true", "gen_ai.request.max_tokens": "256", "gen_ai.response.model": "gpt-test-2026",
		"gen_ai.response.id": "chatcmpl-1", "gen_ai.response.finish_reasons": "[stop]", "gen_ai.response.time_to_first_chunk": "0.1",
		"gen_ai.usage.input_tokens": "1200", "gen_ai.usage.output_tokens": "34", "gen_ai.usage.cache_read.input_tokens": "1024",
		"gen_ai.conversation.id": "sess-9", "server.address": "api.two.test", "http.response.status_code": "200",
		"trapgate.attempt": "1", "error.type": "",
	})
	if len(second.Events) != 1 || second.Events[0].Name != "gen_ai.first_token" || !second.Events[0].Time.Equal(ms(110)) {
		t.Errorf("first token event: %v", second.Events)
	}
}

func TestTraceparent(t *testing.T) {
	begin := func(tel *Telemetry, block string) (*Exchange, *Attempt) {
		var f head.Fields
		if block != "" {
			f = fields(t, block)
		}
		ex := tel.Begin(ExchangeStart{Start: ms(0), Method: "POST", Target: "/v1/responses", Route: wire.Route{Dialect: wire.Responses, Op: wire.Generate}, Fields: f})
		return ex, ex.Attempt(AttemptStart{Upstream: "u", Start: ms(0), Model: "m"})
	}
	cases := []struct {
		name, sampler, fields string
		want                  string // prefix; "" for nothing; "*" for a new trace, sampled; "-" for a new one, not sampled
		sameTrace             bool
	}{
		{"root", "", "", "*", false},
		{"joined", "", "traceparent: " + agentHeader, "00-" + agentTrace + "-", true},
		{"two are ambiguous", "", "traceparent: " + agentHeader + "\r\ntraceparent: " + agentHeader, "*", false},
		{"malformed", "", "traceparent: hello", "*", false},
		{"agent does not sample", "", "traceparent: " + strings.TrimSuffix(agentHeader, "01") + "00", "", true},
		{"we do not sample, agent sent one", "always_off", "traceparent: " + agentHeader, "", true},
		{"we do not sample, agent sent none", "always_off", "", "-", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("OTEL_TRACES_SAMPLER", c.sampler)
			tel, exp := traced(t, Options{})
			ex, a := begin(tel, c.fields)
			got := string(a.Traceparent([]byte("x")))[1:]
			ex.End(ExchangeEnd{At: ms(9), Status: 200})
			switch c.want {
			case "":
				if got != "" {
					t.Fatalf("got %q, want nothing", got)
				}
				return
			case "*", "-":
				flag := map[string]string{"*": "-01", "-": "-00"}[c.want]
				if len(got) != 55 || !strings.HasSuffix(got, flag) || strings.Contains(got, agentTrace) {
					t.Fatalf("got %q", got)
				}
			default:
				if len(got) != 55 || !strings.HasPrefix(got, c.want) || strings.Contains(got, agentParent) {
					t.Fatalf("got %q", got)
				}
			}
			if c.want != "-" {
				client := find(t, exp.GetSpans(), "chat m", 0)
				if got[36:52] != client.SpanContext.SpanID().String() {
					t.Errorf("%q does not name the client span %s", got, client.SpanContext.SpanID())
				}
			}
		})
	}
}

func TestOpenAttemptsAreClosedWithTheExchange(t *testing.T) {
	tel, exp := traced(t, Options{})
	ex := tel.Begin(ExchangeStart{Start: ms(0), ID: "a", Method: "POST", Target: "/v1/chat/completions", Route: chatRoute})
	ex.Attempt(AttemptStart{Upstream: "u", Model: "m", Start: ms(1)})
	ex.Enter(StateStreaming, "")
	ex.End(ExchangeEnd{At: ms(7), Outcome: OutcomeAgentGone, State: StateStreaming})
	client := find(t, exp.GetSpans(), "chat m", 0)
	if !client.EndTime.Equal(ms(7)) {
		t.Errorf("attempt ended at %v", client.EndTime)
	}
	expect(t, client, map[string]string{"error.type": "agent_gone"})
	out := exposition(t, tel)
	if !strings.Contains(out, `trapgate_cancellations_total{trapgate_state="streaming"} 1`) || strings.Contains(out, `trapgate_upstream_errors_total{`) {
		t.Errorf("an agent that leaves is no upstream's error:\n%s", out)
	}
}

func TestServerNames(t *testing.T) {
	for _, c := range []struct {
		method string
		route  wire.Route
		want   string
	}{
		{"POST", wire.Route{Dialect: wire.Messages, Op: wire.Generate}, "POST messages"},
		{"POST", wire.Route{Dialect: wire.Messages, Op: wire.Count}, "POST messages/count_tokens"},
		{"GET", wire.Route{Dialect: wire.Responses, Op: wire.Get, ID: "resp_1"}, "GET responses/{id}"},
		{"POST", wire.Route{Dialect: wire.Responses, Op: wire.Cancel, ID: "resp_1"}, "POST responses/{id}/cancel"},
		{"GET", wire.Route{Op: wire.ListModels}, "GET models"},
		{"GET", wire.Route{Op: wire.GetModel, ID: "m"}, "GET models/{id}"},
		{"PROPFIND", wire.Route{}, "HTTP"},
		{"GET", wire.Route{}, "GET"},
	} {
		if got := serverName(c.method, c.route); got != c.want {
			t.Errorf("%s %v: %q, want %q", c.method, c.route, got, c.want)
		}
	}
}

func TestContent(t *testing.T) {
	body := []byte(`{"messages":["hi","say \"x\"",{"a":1}],"id":"c1"}`)
	at := func(s string) wire.Span {
		i := strings.Index(string(body), s)
		return wire.Span{Start: int32(i), End: int32(i + len(s))}
	}
	v := &wire.View{
		Dialect: wire.Chat, Body: body, Texts: []wire.Span{at(`"hi"`), at(`"say \"x\""`)},
		Calls:   []wire.ToolCall{{ID: at(`"c1"`), Args: at(`{"a":1}`)}},
		Results: []wire.ToolResult{{ID: at(`"c1"`), Body: at(`"hi"`)}},
		Msgs: []wire.Message{
			{Role: wire.User, Text: wire.Range{From: 0, To: 1}},
			{Role: wire.Assistant, Text: wire.Range{From: 1, To: 2}, Call: wire.Range{From: 0, To: 1}},
			{Role: wire.Tool, Result: wire.Range{From: 0, To: 1}},
		},
	}
	for _, content := range []bool{false, true} {
		tel, exp := traced(t, Options{Content: content})
		ex := tel.Begin(ExchangeStart{Start: ms(0), Method: "POST", Route: chatRoute})
		a := ex.Attempt(AttemptStart{Upstream: "u", Model: "m", Start: ms(0)})
		if a.Contentful() != content {
			t.Errorf("contentful %v", a.Contentful())
		}
		a.Content(v)
		a.Output([]byte("answer\n"))
		ex.End(ExchangeEnd{At: ms(1), Status: 200})
		got := attrs(find(t, exp.GetSpans(), "chat m", 0))
		if !content {
			if got["gen_ai.input.messages"] != "" || got["gen_ai.output.messages"] != "" {
				t.Errorf("content without being asked: %v", got)
			}
			continue
		}
		want := `[{"role":"user","parts":[{"type":"text","content":"hi"}]},` +
			`{"role":"assistant","parts":[{"type":"text","content":"say \"x\""},{"type":"tool_call","id":"c1","arguments":{"a":1}}]},` +
			`{"role":"tool","parts":[{"type":"tool_call_response","id":"c1","response":"hi"}]}]`
		if got["gen_ai.input.messages"] != want {
			t.Errorf("input\n got %s\nwant %s", got["gen_ai.input.messages"], want)
		}
		if !json.Valid([]byte(got["gen_ai.output.messages"])) || !strings.Contains(got["gen_ai.output.messages"], `"answer\n"`) {
			t.Errorf("output %s", got["gen_ai.output.messages"])
		}
	}
}

func TestOutputOfABody(t *testing.T) {
	for _, c := range []struct {
		d          wire.Dialect
		body, want string
	}{
		{
			wire.Chat, `{"choices":[{"message":{"content":"hi\u00e9","tool_calls":[{"id":"c1","function":{"name":"f","arguments":"{}"}}]}}]}`,
			`{"type":"text","content":"hi\u00e9"},{"type":"tool_call","id":"c1","name":"f","arguments":"{}"}`,
		},
		{
			wire.Messages, `{"content":[{"type":"text","text":"a"},{"type":"tool_use","id":"t","name":"n","input":{"x":1}}]}`,
			`{"type":"text","content":"a"},{"type":"tool_call","id":"t","name":"n","arguments":{"x":1}}`,
		},
		{
			wire.Responses, `{"output":[{"type":"message","content":[{"type":"output_text","text":"a"}]},{"type":"function_call","call_id":"c","name":"n","arguments":"{}"}]}`,
			`{"type":"text","content":"a"},{"type":"tool_call","id":"c","name":"n","arguments":"{}"}`,
		},
	} {
		tel, exp := traced(t, Options{Content: true})
		ex := tel.Begin(ExchangeStart{Start: ms(0), Route: wire.Route{Dialect: c.d, Op: wire.Generate}})
		a := ex.Attempt(AttemptStart{Model: "m", Start: ms(0)})
		a.End(AttemptEnd{At: ms(1), Status: 200, Output: []byte(c.body)})
		ex.End(ExchangeEnd{At: ms(1)})
		got := attrs(find(t, exp.GetSpans(), "chat m", 0))["gen_ai.output.messages"]
		if want := `[{"role":"assistant","parts":[` + c.want + `]}]`; got != want || !json.Valid([]byte(got)) {
			t.Errorf("%v\n got %s\nwant %s", c.d, got, want)
		}
	}
}

func TestContentIsBounded(t *testing.T) {
	text := strings.Repeat("a", 1000)
	body := []byte(`"` + text + `"`)
	v := &wire.View{Body: body}
	for i := range 200 {
		v.Texts = append(v.Texts, wire.Span{Start: 0, End: int32(len(body))})
		v.Msgs = append(v.Msgs, wire.Message{Role: wire.User, Text: wire.Range{From: int32(i), To: int32(i + 1)}})
	}
	got, omitted := inputMessages(v)
	if len(got) > maxContent || omitted < 100 || omitted > 150 || !json.Valid([]byte(got)) {
		t.Errorf("%d bytes, %d omitted", len(got), omitted)
	}
	tel, exp := traced(t, Options{Content: true})
	ex := tel.Begin(ExchangeStart{Start: ms(0), Route: chatRoute})
	a := ex.Attempt(AttemptStart{Model: "m", Start: ms(0)})
	a.Output([]byte(strings.Repeat("\u00e9", maxContent)))
	ex.End(ExchangeEnd{At: ms(1)})
	if out := attrs(find(t, exp.GetSpans(), "chat m", 0))["gen_ai.output.messages"]; !json.Valid([]byte(out)) || len(out) > maxContent+200 {
		t.Errorf("output of %d bytes", len(out))
	}
}
