package telemetry

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// A collector takes OTLP over HTTP and gRPC.
type collector struct {
	tracepb.UnimplementedTraceServiceServer
	mu      sync.Mutex
	traces  []*tracepb.ExportTraceServiceRequest
	metrics []*metricspb.ExportMetricsServiceRequest
}

func (c *collector) Export(_ context.Context, r *tracepb.ExportTraceServiceRequest) (*tracepb.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.traces = append(c.traces, r)
	return &tracepb.ExportTraceServiceResponse{}, nil
}

// metricsOf is the metrics half of a collector: both halves have a method named Export.
type metricsOf struct {
	metricspb.UnimplementedMetricsServiceServer
	c *collector
}

func (m *metricsOf) Export(_ context.Context, r *metricspb.ExportMetricsServiceRequest) (*metricspb.ExportMetricsServiceResponse, error) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	m.c.metrics = append(m.c.metrics, r)
	return &metricspb.ExportMetricsServiceResponse{}, nil
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var err error
	switch r.URL.Path {
	case "/v1/traces":
		m := &tracepb.ExportTraceServiceRequest{}
		if err = proto.Unmarshal(body, m); err == nil {
			_, err = c.Export(r.Context(), m)
		}
	case "/v1/metrics":
		m := &metricspb.ExportMetricsServiceRequest{}
		if err = proto.Unmarshal(body, m); err == nil {
			_, err = (&metricsOf{c: c}).Export(r.Context(), m)
		}
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func TestOTLP(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(strings.ReplaceAll(protocol, "/", "-"), func(t *testing.T) {
			c := &collector{}
			var endpoint string
			if protocol == "grpc" {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				s := grpc.NewServer()
				tracepb.RegisterTraceServiceServer(s, c)
				metricspb.RegisterMetricsServiceServer(s, &metricsOf{c: c})
				go func() { _ = s.Serve(l) }()
				defer s.Stop()
				endpoint = "http://" + l.Addr().String()
			} else {
				s := httptest.NewServer(c)
				defer s.Close()
				endpoint = s.URL
			}
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
			t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
			t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
			var log bytes.Buffer
			tel, err := New(context.Background(), Options{Version: "v9", Log: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil || !tel.Tracing() {
				t.Fatalf("%v %s", err, log.String())
			}
			runQueue(tel)
			run(tel, fields(t, "traceparent: "+agentHeader+"\r\n"))
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			if err := tel.Shutdown(ctx); err != nil {
				t.Fatalf("%v %s", err, log.String())
			}
			c.check(t)
		})
	}
}

func (c *collector) check(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	spans, joined := 0, false
	for _, r := range c.traces {
		for _, rs := range r.ResourceSpans {
			if res := rs.Resource.String(); !strings.Contains(res, "trapgate") || !strings.Contains(res, "deployment.environment.name") {
				t.Errorf("resource %s", res)
			}
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					spans++
					joined = joined || hex.EncodeToString(s.ParentSpanId) == agentParent && hex.EncodeToString(s.TraceId) == agentTrace
				}
			}
		}
	}
	if spans != 4 || !joined {
		t.Errorf("%d spans, joined %v", spans, joined)
	}
	names := map[string]bool{}
	for _, r := range c.metrics {
		for _, rm := range r.ResourceMetrics {
			for _, sm := range rm.ScopeMetrics {
				for _, m := range sm.Metrics {
					names[m.Name] = true
				}
			}
		}
	}
	for _, d := range allDefs {
		if !names[d.name] {
			t.Errorf("%s did not arrive: %v", d.name, names)
		}
	}
}
