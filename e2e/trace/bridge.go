package trace

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// A Bridge takes OTLP over HTTP (protobuf, plain or gzip) and posts Zipkin v2 JSON. Other signals are accepted and dropped.
type Bridge struct {
	URL string // for OTEL_EXPORTER_OTLP_ENDPOINT

	target string
	server *http.Server

	mu  sync.Mutex
	err error
}

// NewBridge listens on a free loopback port and posts to target.
func NewBridge(target string) (*Bridge, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("trace: bridge: %w", err)
	}
	b := &Bridge{URL: "http://" + l.Addr().String(), target: target}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", b.take)
	mux.HandleFunc("POST /", func(http.ResponseWriter, *http.Request) {})
	b.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = b.server.Serve(l) }()
	return b, nil
}

// Close ends the bridge.
func (b *Bridge) Close() { _ = b.server.Close() }

// Err is the first failure to pass spans on.
func (b *Bridge) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

func (b *Bridge) take(w http.ResponseWriter, r *http.Request) {
	err := b.pass(r)
	if err == nil {
		w.Header().Set("Content-Type", "application/x-protobuf")
		return // the empty message is a full success
	}
	b.mu.Lock()
	if b.err == nil {
		b.err = err
	}
	b.mu.Unlock()
	http.Error(w, err.Error(), http.StatusBadRequest)
}

func (b *Bridge) pass(r *http.Request) error {
	var in io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return fmt.Errorf("trace: bridge: %w", err)
		}
		in = z
	}
	raw, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("trace: bridge: %w", err)
	}
	var msg collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(raw, &msg); err != nil {
		return fmt.Errorf("trace: bridge: not an OTLP trace request: %w", err)
	}
	body, err := json.Marshal(zipkinSpans(&msg))
	if err != nil {
		return fmt.Errorf("trace: bridge: %w", err)
	}
	resp, err := http.Post(b.target, "application/json", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("trace: bridge: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("trace: bridge: zipkin answered %s: %.300s", resp.Status, text)
	}
	return nil
}

// zipkinSpans follows the OpenTelemetry page "OpenTelemetry to Zipkin transformation".
func zipkinSpans(msg *collector.ExportTraceServiceRequest) []zipkinSpan {
	out := []zipkinSpan{}
	for _, rs := range msg.GetResourceSpans() {
		service := tags(rs.GetResource().GetAttributes())["service.name"]
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				z := zipkinOf(s, service)
				z.Tags["otel.scope.name"] = ss.GetScope().GetName()
				out = append(out, z)
			}
		}
	}
	return out
}

func zipkinOf(s *otlp.Span, service string) zipkinSpan {
	z := zipkinSpan{
		TraceID:       hex.EncodeToString(s.GetTraceId()),
		ID:            hex.EncodeToString(s.GetSpanId()),
		ParentID:      hex.EncodeToString(s.GetParentSpanId()),
		Name:          s.GetName(),
		Timestamp:     int64(s.GetStartTimeUnixNano() / 1000),
		Duration:      max(1, int64(s.GetEndTimeUnixNano()-s.GetStartTimeUnixNano())/1000),
		LocalEndpoint: zipkinEndpoint{ServiceName: service},
		Tags:          tags(s.GetAttributes()),
	}
	if k := strings.TrimPrefix(s.GetKind().String(), "SPAN_KIND_"); k != "INTERNAL" && k != "UNSPECIFIED" {
		z.Kind = k
	}
	switch s.GetStatus().GetCode() {
	case otlp.Status_STATUS_CODE_ERROR:
		z.Tags["otel.status_code"], z.Tags["error"] = "ERROR", s.GetStatus().GetMessage()
	case otlp.Status_STATUS_CODE_OK:
		z.Tags["otel.status_code"] = "OK"
	}
	for _, e := range s.GetEvents() {
		z.Annotations = append(z.Annotations, zipkinAnnotation{Timestamp: int64(e.GetTimeUnixNano() / 1000), Value: e.GetName()})
	}
	return z
}

func tags(attrs []*common.KeyValue) map[string]string {
	m := map[string]string{}
	for _, kv := range attrs {
		m[kv.GetKey()] = text(kv.GetValue())
	}
	return m
}

func text(v *common.AnyValue) string {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_IntValue:
		return strconv.FormatInt(v.IntValue, 10)
	case *common.AnyValue_DoubleValue:
		return strconv.FormatFloat(v.DoubleValue, 'g', -1, 64)
	case *common.AnyValue_BoolValue:
		return strconv.FormatBool(v.BoolValue)
	case *common.AnyValue_BytesValue:
		return hex.EncodeToString(v.BytesValue)
	case *common.AnyValue_ArrayValue:
		var list []string
		for _, e := range v.ArrayValue.GetValues() {
			list = append(list, text(e))
		}
		raw, _ := json.Marshal(list)
		return string(raw)
	}
	return ""
}
