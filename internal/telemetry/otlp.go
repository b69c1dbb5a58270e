package telemetry

import (
	"context"
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	prombridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// A renamed producer gives our metrics to OTLP under their OpenTelemetry names: the bridge knows only Prometheus' ones.
type renamed struct {
	from    sdkmetric.Producer
	version string
	names   map[string]*metricDef
	labels  map[string]string
}

func newProducer(reg *prometheus.Registry, version string) *renamed {
	r := &renamed{
		from: prombridge.NewMetricProducer(prombridge.WithGatherer(reg)), version: version,
		names: map[string]*metricDef{}, labels: map[string]string{},
	}
	for _, d := range allDefs {
		r.names[d.promName()] = d
		for i, l := range d.promLabels() {
			r.labels[l] = d.labels[i]
		}
	}
	return r
}

// Produce implements metric.Producer.
func (r *renamed) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	scopes, err := r.from.Produce(ctx)
	for i := range scopes {
		scopes[i].Scope = instrumentation.Scope{Name: scope, Version: r.version}
		for j := range scopes[i].Metrics {
			r.metric(&scopes[i].Metrics[j])
		}
	}
	return scopes, err
}

func (r *renamed) metric(m *metricdata.Metrics) {
	d := r.names[m.Name]
	if d == nil {
		return
	}
	m.Name, m.Unit = d.name, d.unit
	switch data := m.Data.(type) {
	case metricdata.Gauge[float64]:
		for i := range data.DataPoints {
			data.DataPoints[i].Attributes = r.attributes(data.DataPoints[i].Attributes)
		}
	case metricdata.Sum[float64]:
		for i := range data.DataPoints {
			data.DataPoints[i].Attributes = r.attributes(data.DataPoints[i].Attributes)
		}
	case metricdata.Histogram[float64]:
		for i := range data.DataPoints {
			data.DataPoints[i].Attributes = r.attributes(data.DataPoints[i].Attributes)
		}
	}
}

// attributes renames labels; an empty label is how Prometheus says that there is none.
func (r *renamed) attributes(set attribute.Set) attribute.Set {
	out := make([]attribute.KeyValue, 0, set.Len())
	for it := set.Iter(); it.Next(); {
		kv := it.Attribute()
		if kv.Value.AsString() == "" {
			continue
		}
		if name, ok := r.labels[string(kv.Key)]; ok {
			kv.Key = attribute.Key(name)
		}
		out = append(out, kv)
	}
	return attribute.NewSet(out...)
}

// autoexport takes producers from a global; one New at a time sets it and builds its reader.
var exporting sync.Mutex

// newMetricExport builds the reader that the environment asks for, over our series.
func newMetricExport(ctx context.Context, m *metrics, version string) (*sdkmetric.MeterProvider, error) {
	exporting.Lock()
	defer exporting.Unlock()
	autoexport.WithFallbackMetricProducer(func(context.Context) (sdkmetric.Producer, error) {
		return newProducer(m.reg, version), nil
	})
	reader, err := autoexport.NewMetricReader(ctx)
	if err != nil {
		return nil, fmt.Errorf("telemetry: metrics: %w", err)
	}
	res, err := newResource(ctx, version)
	if err != nil && res == nil {
		return nil, fmt.Errorf("telemetry: resource: %w", err)
	}
	return sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithResource(res)), nil
}
