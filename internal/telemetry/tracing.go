package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync/atomic"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// scope is the instrumentation scope of spans and metrics.
const scope = "github.com/trapgate/trapgate"

// wanted reports whether the environment asks for an exporter of a signal ("TRACES", "METRICS"). autoexport alone would send
// to localhost when nothing is set; we send nothing then.
func wanted(getenv func(string) string, signal string) bool {
	if disabled, _ := strconv.ParseBool(getenv("OTEL_SDK_DISABLED")); disabled {
		return false
	}
	switch getenv("OTEL_" + signal + "_EXPORTER") {
	case "none":
		return false
	case "":
		return getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") != ""
	}
	return true
}

// newResource names us; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
func newResource(ctx context.Context, version string) (*resource.Resource, error) {
	return resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "trapgate"), attribute.String("service.version", version)),
		resource.WithFromEnv(),
	)
}

// tracing is the part that exists only with an exporter.
type tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	gate     *spanGate
}

func newTracing(ctx context.Context, o *Options) (*tracing, error) {
	gate := &spanGate{}
	var process sdktrace.TracerProviderOption
	if o.Spans != nil {
		process = sdktrace.WithSyncer(o.Spans)
	} else {
		exporter, err := autoexport.NewSpanExporter(ctx)
		if err != nil {
			return nil, fmt.Errorf("telemetry: traces: %w", err)
		}
		process = sdktrace.WithSpanProcessor(gate.over(exporter))
	}
	res, err := newResource(ctx, o.Version)
	if err != nil && res == nil {
		return nil, fmt.Errorf("telemetry: resource: %w", err)
	}
	// The sampler comes from OTEL_TRACES_SAMPLER, by default parentbased_always_on.
	provider := sdktrace.NewTracerProvider(process, sdktrace.WithResource(res))
	tracer := provider.Tracer(scope, trace.WithInstrumentationVersion(o.Version))
	return &tracing{provider: provider, tracer: tracer, gate: gate}, nil
}

// A spanGate stands before the SDK's batch processor, which drops without telling, and drops itself when as many spans wait
// as the processor's queue holds: so the count is exact.
type spanGate struct {
	sdktrace.SpanProcessor
	limit   int64
	waiting atomic.Int64
	dropped atomic.Uint64
}

func (g *spanGate) over(exporter sdktrace.SpanExporter) *spanGate {
	g.limit = sdktrace.DefaultMaxQueueSize
	if n, err := strconv.Atoi(os.Getenv("OTEL_BSP_MAX_QUEUE_SIZE")); err == nil && n > 0 {
		g.limit = int64(n)
	}
	g.SpanProcessor = sdktrace.NewBatchSpanProcessor(&countingExporter{exporter, g})
	return g
}

func (g *spanGate) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	if g.waiting.Add(1) > g.limit {
		g.waiting.Add(-1)
		g.dropped.Add(1)
		return
	}
	g.SpanProcessor.OnEnd(s)
}

// A countingExporter tells the gate what has left the queue.
type countingExporter struct {
	sdktrace.SpanExporter
	gate *spanGate
}

func (c *countingExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	defer c.gate.waiting.Add(-int64(len(spans)))
	return c.SpanExporter.ExportSpans(ctx, spans)
}

// errorHandler logs what exporters complain about.
type errorHandler struct{ log *slog.Logger }

func (h errorHandler) Handle(err error) {
	h.log.Warn("telemetry: export", "error", Redact(err.Error()))
}
