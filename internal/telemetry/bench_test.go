package telemetry

import (
	"context"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/trapgate/trapgate/internal/head"
)

// sinkExporter takes spans and forgets them.
type sinkExporter struct{}

func (sinkExporter) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (sinkExporter) Shutdown(context.Context) error                             { return nil }

// small is a small unary exchange, as the host reports it.
func small(tel *Telemetry, f head.Fields, ans *Answer, pieces []Piece, at time.Time) {
	ex := tel.Begin(ExchangeStart{Start: at, ID: "0192f3a4b5c6d7e8", Method: "POST", Target: "/v1/chat/completions", Route: chatRoute, Fields: f})
	ex.Enter(StateOpen, "identity")
	ex.Model("gpt-test")
	ex.Identify("team-a", "codex", "sess-9", "prog-7")
	ex.Enter(StateOpen, "")
	a := ex.Attempt(AttemptStart{Upstream: "one", Address: "api.one.test:443", Model: "gpt-test", Start: at})
	var tp [64]byte
	a.Traceparent(tp[:0])
	a.FirstToken(at.Add(time.Millisecond))
	a.End(AttemptEnd{At: at.Add(time.Millisecond), Status: 200, Answer: ans})
	ex.End(ExchangeEnd{At: at.Add(time.Millisecond), Status: 200, Answer: ans, Attempts: 1, Added: 40 * time.Microsecond, Pieces: pieces})
}

func bench(b *testing.B, tel *Telemetry) {
	f := fields(b, "Host: x\r\nUser-Agent: y\r\nContent-Type: application/json\r\nAuthorization: Bearer z\r\n")
	ans, at := answer(), time.Now()
	pieces := []Piece{{Name: "host", Dur: 30 * time.Microsecond}, {Name: "identity", Dur: 10 * time.Microsecond}}
	b.ReportAllocs()
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	for b.Loop() {
		small(tel, f, ans, pieces, at)
	}
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	// On a busy machine wall time says little; this includes the exporter's and the collector's goroutines.
	b.ReportMetric(float64(after.Utime.Nano()+after.Stime.Nano()-before.Utime.Nano()-before.Stime.Nano())/float64(b.N), "cpu-ns/op")
}

func BenchmarkExchange(b *testing.B) {
	b.Run("metrics", func(b *testing.B) { bench(b, newTest(b, Options{})) })
	for _, format := range []string{"json", "text"} {
		b.Run("metrics+log-"+format, func(b *testing.B) {
			log, flush := NewLogger(discard{}, format, slog.LevelInfo)
			bench(b, newTest(b, Options{Log: log}))
			_ = flush()
		})
	}
	b.Run("metrics+log-slog", func(b *testing.B) {
		bench(b, newTest(b, Options{Log: slog.New(slog.NewJSONHandler(discard{}, nil))}))
	})
	for _, ratio := range []string{"0.05", "1"} {
		b.Run("metrics+spans-"+ratio, func(b *testing.B) {
			b.Setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
			b.Setenv("OTEL_TRACES_SAMPLER_ARG", ratio)
			tel := newTest(b, Options{Spans: sinkExporter{}})
			gate := &spanGate{}
			provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(gate.over(sinkExporter{})))
			tel.tracing = &tracing{provider: provider, tracer: provider.Tracer(scope), gate: gate}
			bench(b, tel)
		})
	}
}

func BenchmarkChunk(b *testing.B) {
	tel := newTest(b, Options{})
	ex := tel.Begin(ExchangeStart{Start: ms(0), Route: chatRoute})
	a := ex.Attempt(AttemptStart{Upstream: "u", Model: "m", Stream: true, Start: ms(0)})
	a.FirstToken(ms(1))
	b.ReportAllocs()
	for b.Loop() {
		a.Chunk(ms(2))
		a.Tokens(1)
	}
	ex.End(ExchangeEnd{})
}

// BenchmarkOTelHistogram is what one record would cost with the SDK's own instruments; an exchange makes eight.
func BenchmarkOTelHistogram(b *testing.B) {
	p := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	h, err := p.Meter("x").Float64Histogram("h", metric.WithExplicitBucketBoundaries(durationBounds...))
	if err != nil {
		b.Fatal(err)
	}
	set := metric.WithAttributeSet(attribute.NewSet(attribute.String("a", "b"), attribute.String("c", "d"), attribute.String("e", "f")))
	opts := []metric.RecordOption{set}
	b.ReportAllocs()
	for b.Loop() {
		h.Record(context.Background(), 0.3, opts...)
	}
}
