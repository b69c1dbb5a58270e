package trace

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

func TestGrow(t *testing.T) {
	root, child := Span{Trace: "t", ID: "1"}, Span{Trace: "t", ID: "2", Parent: "1"}
	tree, err := Grow([]Span{child, root})
	if err != nil || tree.Root.ID != "1" || len(tree.Children["1"]) != 1 {
		t.Fatalf("%+v, %v", tree, err)
	}
	for want, spans := range map[string][]Span{
		"nobody stored": {root, {Trace: "t", ID: "3", Parent: "9"}},
		"2 roots":       {root, {Trace: "t", ID: "3"}},
		"0 roots":       {{Trace: "t", ID: "1", Parent: "2"}, child},
		"twice":         {root, root},
		"another trace": {root, {Trace: "u", ID: "3", Parent: "1"}},
	} {
		if _, err := Grow(spans); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// oneSpan is an export of one span that has a bit of everything.
func oneSpan() *collector.ExportTraceServiceRequest {
	str := func(s string) *common.AnyValue {
		return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
	}
	list := &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: []*common.AnyValue{str("stop")}}}}
	span := &otlp.Span{
		TraceId: bytes.Repeat([]byte{1}, 16), SpanId: bytes.Repeat([]byte{2}, 8), ParentSpanId: bytes.Repeat([]byte{3}, 8),
		Name: "chat m", Kind: otlp.Span_SPAN_KIND_CLIENT, StartTimeUnixNano: 5_000, EndTimeUnixNano: 9_000,
		Attributes: []*common.KeyValue{
			{Key: "n", Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: 7}}},
			{Key: "list", Value: list},
		},
		Events: []*otlp.Span_Event{{Name: "first", TimeUnixNano: 6_000}},
		Status: &otlp.Status{Code: otlp.Status_STATUS_CODE_ERROR, Message: "no"},
	}
	return &collector.ExportTraceServiceRequest{ResourceSpans: []*otlp.ResourceSpans{{
		Resource:   &resource.Resource{Attributes: []*common.KeyValue{{Key: "service.name", Value: str("gate")}}},
		ScopeSpans: []*otlp.ScopeSpans{{Scope: &common.InstrumentationScope{Name: "s"}, Spans: []*otlp.Span{span}}},
	}}}
}

func TestBridge(t *testing.T) {
	var got []byte
	status := http.StatusAccepted
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		w.WriteHeader(status)
	}))
	defer store.Close()
	b, err := NewBridge(store.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()

	raw, err := proto.Marshal(oneSpan())
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(raw)
	_ = z.Close()

	send := func(body []byte, coding string) int {
		req, _ := http.NewRequest(http.MethodPost, b.URL+"/v1/traces", bytes.NewReader(body))
		req.Header.Set("Content-Encoding", coding)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	for _, c := range []struct {
		body   []byte
		coding string
	}{{raw, ""}, {packed.Bytes(), "gzip"}} {
		got = nil
		if s := send(c.body, c.coding); s != http.StatusOK {
			t.Fatalf("%q: status %d, %v", c.coding, s, b.Err())
		}
		var spans []zipkinSpan
		if err := json.Unmarshal(got, &spans); err != nil || len(spans) != 1 {
			t.Fatalf("%v: %s", err, got)
		}
		s := spans[0]
		if s.TraceID != strings.Repeat("01", 16) || s.ID != strings.Repeat("02", 8) || s.ParentID != strings.Repeat("03", 8) ||
			s.Name != "chat m" || s.Kind != "CLIENT" || s.Timestamp != 5 || s.Duration != 4 || s.LocalEndpoint.ServiceName != "gate" ||
			s.Tags["n"] != "7" || s.Tags["list"] != `["stop"]` || s.Tags["error"] != "no" || len(s.Annotations) != 1 {
			t.Errorf("%q: %+v", c.coding, s)
		}
	}
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	if s := send([]byte("\xff"), ""); s != http.StatusBadRequest || b.Err() == nil {
		t.Errorf("rubbish: status %d, %v", s, b.Err())
	}
	status = http.StatusInternalServerError
	if s := send(raw, ""); s != http.StatusBadRequest {
		t.Errorf("a store that fails: status %d", s)
	}
}

func TestJaegerSpan(t *testing.T) {
	var f jaegerSpan
	err := json.Unmarshal([]byte(`{"traceID":"t","spanID":"2","operationName":"chat m","processID":"p1",
		"references":[{"refType":"CHILD_OF","spanID":"1"}],
		"tags":[{"key":"span.kind","value":"client"},{"key":"gen_ai.usage.input_tokens","value":12345678}],
		"logs":[{"fields":[{"key":"event","value":"first"}]}]}`), &f)
	if err != nil {
		t.Fatal(err)
	}
	s := f.span()
	if s.Parent != "1" || s.Kind != "CLIENT" || s.Attrs["gen_ai.usage.input_tokens"] != "12345678" || len(s.Events) != 1 {
		t.Errorf("%+v", s)
	}
}
