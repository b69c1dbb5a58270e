//go:build e2e

package trace

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/trapgate/trapgate/e2e/engine"
	"github.com/trapgate/trapgate/e2e/engine/rig"
)

func TestMain(m *testing.M) {
	code := m.Run()
	rig.Report(os.Stderr)
	os.Exit(code)
}

func TestZipkin(t *testing.T) {
	for _, tool := range []string{"java", "python3"} {
		if _, err := exec.LookPath(tool); err != nil {
			rig.Skip(t, tool+" is not there")
		}
	}
	check(t, func() (Backend, error) { return NewZipkin() })
}

func TestJaeger(t *testing.T) {
	if !rig.Full() {
		rig.Skip(t, "builds Jaeger for minutes on its first run; TRAPGATE_E2E_FULL=1 runs it")
	}
	if _, err := exec.LookPath("python3"); err != nil {
		rig.Skip(t, "python3 is not there")
	}
	check(t, func() (Backend, error) { return NewJaeger() })
}

// check runs a real engine behind Trapgate, calls it as an agent that traces itself, and reads the spans back.
func check(t *testing.T, start func() (Backend, error)) {
	began := time.Now()
	b, err := start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop)
	t.Logf("%s is up after %v", b.Name(), time.Since(began).Round(time.Millisecond))
	e := engine.Start(t, engine.Options{})
	g, err := rig.StartGate("upstreams:\n  - {name: engine, base_url: "+e.URL+"/v1}\n", "",
		"OTEL_EXPORTER_OTLP_ENDPOINT="+b.OTLP(), "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
		"OTEL_TRACES_EXPORTER=otlp", "OTEL_METRICS_EXPORTER=none", "OTEL_LOGS_EXPORTER=none",
		"OTEL_TRACES_SAMPLER=parentbased_always_on", "OTEL_BSP_SCHEDULE_DELAY=100", "OTEL_SERVICE_NAME=trapgate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	a := newAgent(t, b, g)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.check(t, a) })
	}
}

// An agent is a program that traces itself into the same store.
type agent struct {
	backend  Backend
	gate     *rig.Gate
	provider *sdktrace.TracerProvider
}

func newAgent(t *testing.T, b Backend, g *rig.Gate) *agent {
	t.Helper()
	out, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(b.OTLP()+"/v1/traces"), otlptracehttp.WithInsecure())
	if err != nil {
		t.Fatal(err)
	}
	who := resource.NewSchemaless(attribute.String("service.name", "agent"))
	p := sdktrace.NewTracerProvider(sdktrace.WithSyncer(out), sdktrace.WithResource(who))
	t.Cleanup(func() { _ = p.Shutdown(context.Background()) })
	return &agent{backend: b, gate: g, provider: p}
}

// call makes one model call inside a span of the agent's and returns the trace's id, the answer's status and its body.
func (a *agent) call(t *testing.T, path, body string) (id string, own trace.SpanContext, status int, answer []byte) {
	t.Helper()
	ctx, span := a.provider.Tracer("e2e").Start(t.Context(), "agent step")
	own = span.SpanContext()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.gate.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(req.Header))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer sk-trace-test")
	if path == "/messages" {
		req.Header.Set("Anthropic-Version", "2023-06-01")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%v\n%s", err, a.gate.Log())
	}
	defer resp.Body.Close()
	if answer, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	span.End()
	return own.TraceID().String(), own, resp.StatusCode, answer
}

// A kase is one call and what its spans must say.
type kase struct {
	name, path, body string
	status           int
	stream           bool
	attrs            map[string]string // of the CLIENT span; "*" is any value
}

var cases = []kase{
	{
		name: "chat", path: "/chat/completions", status: 200,
		body: `{"model":"markov-chat","max_tokens":50,"messages":[{"role":"user","content":"What is written down at the gate?"}]}`,
		attrs: map[string]string{
			"gen_ai.request.max_tokens": "50", "gen_ai.response.id": "*", "gen_ai.response.finish_reasons": `["stop"]`,
			"gen_ai.usage.input_tokens": "*", "gen_ai.usage.output_tokens": "*",
		},
	},
	{
		name: "chat stream", path: "/chat/completions", status: 200, stream: true,
		body: `{"model":"markov-chat","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"What is written down at the gate?"}]}`,
		attrs: map[string]string{
			"gen_ai.usage.input_tokens": "*", "gen_ai.usage.output_tokens": "*",
			"gen_ai.response.time_to_first_chunk": "*", "gen_ai.response.finish_reasons": `["stop"]`,
		},
	},
	{
		name: "tool call", path: "/chat/completions", status: 200,
		body: `{"model":"markov-chat","messages":[{"role":"user","content":"How is the weather?"}],"tools":[{"type":"function","function":` +
			`{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}]}`,
		attrs: map[string]string{"gen_ai.response.finish_reasons": `["tool_calls"]`, "gen_ai.usage.output_tokens": "*"},
	},
	{
		name: "responses stream", path: "/responses", status: 200, stream: true,
		body:  `{"model":"markov-chat","stream":true,"store":false,"input":"What is written down at the gate?"}`,
		attrs: map[string]string{"gen_ai.usage.input_tokens": "*", "gen_ai.usage.output_tokens": "*"},
	},
	{
		name: "messages", path: "/messages", status: 200,
		body:  `{"model":"markov-chat","max_tokens":50,"messages":[{"role":"user","content":"What is written down at the gate?"}]}`,
		attrs: map[string]string{"gen_ai.usage.input_tokens": "*", "gen_ai.usage.output_tokens": "*"},
	},
	{
		name: "overflow", path: "/chat/completions", status: 400,
		body:  `{"model":"markov-chat","messages":[{"role":"user","content":"` + strings.Repeat("more and more ", 1000) + `"}]}`,
		attrs: map[string]string{"error.type": "*"},
	},
}

func (c kase) check(t *testing.T, a *agent) {
	id, own, status, answer := a.call(t, c.path, c.body)
	if status != c.status {
		t.Fatalf("status %d: %s", status, answer)
	}
	var tree *Tree
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) { // spans arrive in any order
		spans, err := Wait(a.backend, id, 3, time.Until(end))
		if err != nil {
			t.Fatalf("%v\n%v\n%s", err, spans, a.gate.Log())
		}
		if tree, err = Grow(spans); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%v\n%+v", err, spans)
		}
	}
	if tree.Root.ID != own.SpanID().String() || tree.Root.Service != "agent" {
		t.Fatalf("the root is %s of %s, not the agent's span", tree.Root.Name, tree.Root.Service)
	}
	server := only(t, tree, tree.Root.ID, "SERVER")
	client := only(t, tree, server.ID, "CLIENT")
	if server.Service != "trapgate" || client.Service != "trapgate" {
		t.Errorf("services %q and %q", server.Service, client.Service)
	}
	if want := "chat " + engine.Model; !strings.EqualFold(client.Name, want) {
		t.Errorf("the CLIENT span is called %q, want %q", client.Name, want)
	}
	want := map[string]string{"gen_ai.operation.name": "chat", "gen_ai.provider.name": "*", "gen_ai.request.model": engine.Model}
	for k, v := range c.attrs {
		want[k] = v
	}
	for k, v := range want {
		if got, ok := client.Attrs[k]; !ok || v != "*" && got != v {
			t.Errorf("%s is %q, want %q", k, got, v)
		}
	}
	if c.stream && len(client.Events) == 0 {
		t.Error("the first token is not there as an event")
	}
	c.usage(t, client, answer)
	if t.Failed() {
		t.Logf("server: %+v\nclient: %+v", server, client)
	}
}

// usage compares the tokens on the span with those in the answer.
func (c kase) usage(t *testing.T, client Span, answer []byte) {
	if _, ok := c.attrs["gen_ai.usage.output_tokens"]; !ok {
		return
	}
	in, out := usageOf(t, answer)
	for k, v := range map[string]int{"gen_ai.usage.input_tokens": in, "gen_ai.usage.output_tokens": out} {
		if _, ok := c.attrs[k]; ok && client.Attrs[k] != strconv.Itoa(v) {
			t.Errorf("%s is %s on the span, %d in the answer", k, client.Attrs[k], v)
		}
	}
}

// usageOf finds the last usage in an answer of any dialect. The messages dialect leaves cached tokens out of its input
// tokens; the span's number holds them, as the conventions have it.
func usageOf(t *testing.T, answer []byte) (in, out int) {
	t.Helper()
	type usage struct {
		PromptTokens     int `json:"prompt_tokens"`
		CompletionTokens int `json:"completion_tokens"`
		InputTokens      int `json:"input_tokens"`
		OutputTokens     int `json:"output_tokens"`
		CacheRead        int `json:"cache_read_input_tokens"`
		CacheCreation    int `json:"cache_creation_input_tokens"`
	}
	found := false
	for part := range strings.Lines(string(answer)) {
		var doc struct {
			Usage    *usage
			Response struct{ Usage *usage }
		}
		if json.Unmarshal([]byte(strings.TrimPrefix(part, "data: ")), &doc) != nil {
			continue
		}
		if doc.Usage == nil {
			doc.Usage = doc.Response.Usage
		}
		if u := doc.Usage; u != nil {
			found = true
			in, out = u.PromptTokens+u.InputTokens+u.CacheRead+u.CacheCreation, u.CompletionTokens+u.OutputTokens
		}
	}
	if !found {
		t.Fatalf("no usage in %s", answer)
	}
	return in, out
}

func only(t *testing.T, tree *Tree, parent, kind string) Span {
	t.Helper()
	var found []Span
	for _, s := range tree.Children[parent] {
		if s.Kind == kind {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d %s spans below %s: %s", len(found), kind, parent, fmt.Sprintf("%+v", tree))
	}
	return found[0]
}
