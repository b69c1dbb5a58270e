package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Options say what to record and where to.
type Options struct {
	Version string
	// Content records text of prompts and answers in spans, bounded to 64 KiB each.
	Content bool
	// Getenv tells what the OTEL_* environment asks for; nil is os.Getenv. Exporters read their own settings (endpoint,
	// headers, protocol) from the process's environment.
	Getenv func(string) string
	// Log takes the line of each exchange and export errors; nil: none. A logger of NewLogger makes lines cheap.
	Log *slog.Logger
	// Spans takes spans instead of what the environment asks for, one by one: for tests.
	Spans sdktrace.SpanExporter
}

// Telemetry is safe for concurrent use.
type Telemetry struct {
	content  bool
	log      *slog.Logger
	lines    *lineHandler // the fast way to log, nil when log is a stranger's
	metrics  *metrics
	tracing  *tracing // nil: nothing is exported
	meters   *sdkmetric.MeterProvider
	ledger   Ledger
	inflight InFlight
	pool     sync.Pool
	start    time.Time
}

// New builds what the environment asks for. An exporter that cannot be built is logged and left out: a wrong OTEL_* variable
// was often meant for the agent beside us, and must not stop its calls.
func New(ctx context.Context, o Options) (*Telemetry, error) {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	t := &Telemetry{content: o.Content, log: o.Log, start: time.Now()}
	t.pool.New = func() any { return &Exchange{} }
	t.ledger.init()
	if o.Log != nil {
		if h, ok := o.Log.Handler().(*lineHandler); ok && h.plain {
			t.lines = h
		}
	}
	t.metrics = newMetrics(o.Version, func() float64 { return float64(t.inflight.Len()) }, t.traceDropped, t.logDropped)
	var errs []error
	if o.Spans != nil || wanted(o.Getenv, "TRACES") {
		tr, err := newTracing(ctx, &o)
		errs = append(errs, err)
		t.tracing = tr
	}
	if wanted(o.Getenv, "METRICS") {
		mp, err := newMetricExport(ctx, t.metrics, o.Version)
		errs = append(errs, err)
		t.meters = mp
	}
	if t.log != nil {
		if t.tracing != nil || t.meters != nil {
			otel.SetErrorHandler(errorHandler{t.log})
		}
		if err := errors.Join(errs...); err != nil {
			t.log.Warn("telemetry: nothing will be exported", "error", Redact(err.Error()), "hint", "see the OTEL_* environment variables")
		}
	}
	return t, nil
}

// Shutdown flushes spans, metrics and log lines, within ctx. Metrics, the ledger and the list of what is in flight go on working.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	var errs []error
	if t.tracing != nil {
		errs = append(errs, t.tracing.provider.Shutdown(ctx))
	}
	if t.meters != nil {
		errs = append(errs, t.meters.Shutdown(ctx))
	}
	if t.lines != nil {
		done := make(chan error, 1)
		go func() { done <- t.lines.sink.flush() }()
		select {
		case err := <-done:
			errs = append(errs, err)
		case <-ctx.Done():
			errs = append(errs, ctx.Err())
		}
	}
	return errors.Join(errs...)
}

// Tracing reports whether spans are exported.
func (t *Telemetry) Tracing() bool { return t.tracing != nil }

// Metrics serves the exposition for /metrics. Answers are not compressed: a gzip writer costs more memory than the whole page.
func (t *Telemetry) Metrics() http.Handler {
	return promhttp.HandlerFor(prometheus.Gatherers{t.metrics.reg, t.metrics.run}, promhttp.HandlerOpts{DisableCompression: true})
}

// Ledger returns the running totals.
func (t *Telemetry) Ledger() *Ledger { return &t.ledger }

// InFlight returns the registry of what is in flight.
func (t *Telemetry) InFlight() *InFlight { return &t.inflight }

// Started is when New ran.
func (t *Telemetry) Started() time.Time { return t.start }

// ConfigReloaded counts a change of the configuration file; err is nil when the new one is in force.
func (t *Telemetry) ConfigReloaded(err error) {
	t.metrics.configBad.Store(err != nil)
	if err != nil {
		t.metrics.reloadFailed.Inc()
		return
	}
	t.metrics.reloadOK.Inc()
}

func (t *Telemetry) traceDropped() float64 {
	if t.tracing == nil {
		return 0
	}
	return float64(t.tracing.gate.dropped.Load())
}

func (t *Telemetry) logDropped() float64 {
	if t.lines == nil {
		return 0
	}
	return float64(t.lines.sink.dropped.Load())
}
