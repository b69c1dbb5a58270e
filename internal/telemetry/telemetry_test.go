package telemetry

import (
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"github.com/trapgate/trapgate/internal/head"
	"github.com/trapgate/trapgate/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noEnv is an environment in which nothing is set.
func noEnv(string) string { return "" }

func newTest(t testing.TB, o Options) *Telemetry {
	t.Helper()
	if o.Getenv == nil {
		o.Getenv = noEnv
	}
	if o.Version == "" {
		o.Version = "v0.test"
	}
	tel, err := New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tel.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return tel
}

var epoch = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func ms(n int) time.Time { return epoch.Add(time.Duration(n) * time.Millisecond) }

func fields(t testing.TB, block string) head.Fields {
	t.Helper()
	f, err := head.Parse(nil, []byte(block))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

var chatRoute = wire.Route{Dialect: wire.Chat, Op: wire.Generate}

func answer() *Answer {
	return &Answer{
		ID: "chatcmpl-1", Model: "gpt-test-2026", Finish: []string{"stop"}, Terminal: true,
		Usage: Usage{Input: 1200, Output: 34, CachedInput: 1024, Known: true},
	}
}

// run is a whole exchange: identified, one failed attempt, one that streams.
func run(tel *Telemetry, f head.Fields) {
	ex := tel.Begin(ExchangeStart{
		Start: ms(0), ID: "req-1", Method: "POST", Target: "/v1/chat/completions?key=sk-verysecretvalue", Route: chatRoute, Fields: f,
	})
	ex.Identify("team-a", "codex", "sess-9", "prog-7")
	ex.Model("gpt-test")
	ex.Filter("recall", ms(1), 2*time.Millisecond, Attr{"found", 3})
	Trail(ex, ms(3), "host", "attempt", []Attr{{"upstream", "one"}})
	a := ex.Attempt(AttemptStart{Upstream: "one", Address: "api.one.test:443", Model: "gpt-test", Stream: true, Start: ms(3)})
	a.End(AttemptEnd{At: ms(5), Status: 503})
	b := ex.Attempt(AttemptStart{
		Upstream: "two", Provider: "groq", Address: "api.two.test", Model: "gpt-test", Stream: true, MaxTokens: 256, Number: 1, Start: ms(10),
	})
	b.FirstToken(ms(110))
	b.Chunk(ms(120))
	b.Chunk(ms(130))
	ans := answer()
	b.End(AttemptEnd{At: ms(140), Status: 200, Answer: ans})
	ex.End(ExchangeEnd{
		At: ms(141), Status: 200, Outcome: OutcomeOK, Answer: ans, Attempts: 2, Retries: 1, Fallbacks: 1,
		Added: 1500 * time.Microsecond, Pieces: []Piece{{Name: "recall", Dur: 1400 * time.Microsecond}},
	})
}

func traced(t testing.TB, o Options) (*Telemetry, *tracetest.InMemoryExporter) {
	exp := tracetest.NewInMemoryExporter()
	o.Spans = exp
	return newTest(t, o), exp
}

func exposition(t testing.TB, tel *Telemetry) string {
	t.Helper()
	w := httptest.NewRecorder()
	tel.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, _ := io.ReadAll(w.Result().Body)
	if w.Code != 200 {
		t.Fatalf("metrics: %d %s", w.Code, body)
	}
	return string(body)
}

func TestNothingSetExportsNothing(t *testing.T) {
	tel := newTest(t, Options{})
	if tel.Tracing() || tel.meters != nil {
		t.Fatal("exporters without an environment that asks for them")
	}
	ex := tel.Begin(ExchangeStart{
		Start: ms(0), ID: "x", Method: "POST", Target: "/v1/messages", Route: wire.Route{Dialect: wire.Messages, Op: wire.Generate},
		Fields: fields(t, "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"),
	})
	a := ex.Attempt(AttemptStart{Upstream: "u", Start: ms(1)})
	if got := a.Traceparent(nil); got != nil {
		t.Errorf("traceparent %q without an exporter", got)
	}
	if ex.Recording() {
		t.Error("recording without an exporter")
	}
	a.End(AttemptEnd{At: ms(2), Status: 200})
	ex.End(ExchangeEnd{At: ms(2), Status: 200})
	if n := tel.InFlight().Len(); n != 0 {
		t.Errorf("%d in flight after the end", n)
	}
}

func TestWanted(t *testing.T) {
	for _, c := range []struct {
		env  string
		want bool
	}{
		{"", false},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://x", true},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://x", true},
		{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://x", false},
		{"OTEL_TRACES_EXPORTER=otlp", true},
		{"OTEL_TRACES_EXPORTER=console", true},
		{"OTEL_TRACES_EXPORTER=none OTEL_EXPORTER_OTLP_ENDPOINT=http://x", false},
		{"OTEL_SDK_DISABLED=true OTEL_EXPORTER_OTLP_ENDPOINT=http://x", false},
		{"OTEL_SDK_DISABLED=TRUE OTEL_TRACES_EXPORTER=otlp", false},
		{"OTEL_SDK_DISABLED=false OTEL_TRACES_EXPORTER=otlp", true},
	} {
		getenv := func(k string) string {
			for _, kv := range strings.Fields(c.env) {
				if name, v, _ := strings.Cut(kv, "="); name == k {
					return v
				}
			}
			return ""
		}
		if got := wanted(getenv, "TRACES"); got != c.want {
			t.Errorf("%q: %v, want %v", c.env, got, c.want)
		}
	}
}

func TestNilDoesNothing(t *testing.T) {
	var ex *Exchange
	ex.Identify("", "", "", "")
	ex.Model("m")
	ex.Enter(StateQueued, "schedule")
	ex.Filter("f", ms(0), 1)
	ex.Event(ms(0), "e")
	Trail(ex, ms(0), "f", "k", []Attr{{"a", 1}})
	a := ex.Attempt(AttemptStart{})
	a.FirstToken(ms(0))
	a.Chunk(ms(0))
	a.Tokens(1)
	a.Content(nil)
	a.Output(nil)
	if a.Traceparent(nil) != nil || a.Contentful() || ex.Recording() {
		t.Error("nil records")
	}
	a.End(AttemptEnd{})
	ex.End(ExchangeEnd{})
}

func TestWrongExporterIsLeftOut(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "carrier-pigeon")
	t.Setenv("OTEL_METRICS_EXPORTER", "carrier-pigeon")
	var out strings.Builder
	tel, err := New(context.Background(), Options{Log: slog.New(slog.NewTextHandler(&out, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if tel.Tracing() || !strings.Contains(out.String(), "telemetry: traces") || !strings.Contains(out.String(), "telemetry: metrics") {
		t.Errorf("tracing %v, log %q", tel.Tracing(), out.String())
	}
	run(tel, nil)
	if err := tel.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

// blocked is an exporter that waits.
type blocked struct{ free chan struct{} }

func (b *blocked) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error {
	<-b.free
	return nil
}
func (b *blocked) Shutdown(context.Context) error { return nil }

func TestDroppedSpansAreCounted(t *testing.T) {
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "64")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "5")
	gate := &spanGate{}
	exp := &blocked{make(chan struct{})}
	p := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(gate.over(exp)))
	tracer := p.Tracer("t")
	for range 1000 {
		_, s := tracer.Start(context.Background(), "s")
		s.End()
	}
	if got := gate.dropped.Load(); got != 1000-64 {
		t.Errorf("%d dropped, want %d", got, 1000-64)
	}
	close(exp.free)
	if err := p.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := gate.waiting.Load(); got != 0 {
		t.Errorf("%d spans wait after shutdown", got)
	}
}
