package telemetry

import (
	"context"
	"encoding/hex"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/trapgate/trapgate/internal/head"
	"github.com/trapgate/trapgate/internal/wire"
)

// A carrier shows header fields to OpenTelemetry's propagator.
type carrier struct{ fields head.Fields }

var _ propagation.TextMapCarrier = carrier{}

// Get implements propagation.TextMapCarrier.
func (c carrier) Get(key string) string { return string(c.fields.Get(key)) }

// Set does nothing: fields are forwarded as they are, and the host replaces traceparent in place.
func (c carrier) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (c carrier) Keys() []string {
	keys := make([]string, len(c.fields))
	for i := range c.fields {
		keys[i] = string(c.fields[i].Name)
	}
	return keys
}

// extract reads the agent's trace context. sent says whether there is a traceparent at all, valid or not; two of them are
// ambiguous and start a new trace, as W3C Trace Context wants.
func extract(ctx context.Context, fields head.Fields) (_ context.Context, sent bool) {
	n := 0
	for i := range fields {
		if head.Is(fields[i].Name, "traceparent") {
			n++
		}
	}
	if n == 1 {
		ctx = propagation.TraceContext{}.Extract(ctx, carrier{fields})
	}
	return ctx, n > 0
}

// appendTraceparent appends version 00 of the header: 55 bytes.
func appendTraceparent(dst []byte, sc trace.SpanContext) []byte {
	if !sc.IsValid() {
		return dst
	}
	tid, sid := sc.TraceID(), sc.SpanID()
	dst = append(dst, "00-"...)
	dst = hex.AppendEncode(dst, tid[:])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, sid[:])
	if sc.IsSampled() {
		return append(dst, "-01"...)
	}
	return append(dst, "-00"...)
}

// operation is gen_ai.operation.name, or "" for what asks no model.
func operation(d wire.Dialect, op wire.Op) string {
	switch {
	case op == wire.Embed:
		return "embeddings"
	case op != wire.Generate:
		return ""
	case d == wire.Completions:
		return "text_completion"
	}
	return "chat"
}

// provider is gen_ai.provider.name as far as the dialect tells.
func provider(d wire.Dialect) string {
	if d == wire.Messages {
		return "anthropic"
	}
	return "openai"
}

// routeNames are the paths of the dialects' routes, by dialect.
var routeNames = [...]string{
	wire.Chat: "chat/completions", wire.Responses: "responses", wire.Messages: "messages",
	wire.Completions: "completions", wire.Embeddings: "embeddings",
}

// postNames are "POST " and a route's name, made once for what nearly all exchanges are.
var postNames = func() (n [len(routeNames)]string) {
	for i, name := range routeNames {
		n[i] = "POST " + name
	}
	return n
}()

// serverName is the name of an exchange's span: method and route, never an id.
func serverName(method string, r wire.Route) string {
	if method == "POST" && (r.Op == wire.Generate || r.Op == wire.Embed) && r.Dialect != wire.Other && int(r.Dialect) < len(postNames) {
		return postNames[r.Dialect]
	}
	switch method {
	case "GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS":
	default:
		method = "HTTP"
	}
	name := ""
	if int(r.Dialect) < len(routeNames) {
		name = routeNames[r.Dialect]
	}
	switch r.Op {
	case wire.ListModels:
		name = "models"
	case wire.GetModel:
		name = "models/{id}"
	case wire.Get, wire.Delete:
		name += "/{id}"
	case wire.Cancel:
		name += "/{id}/cancel"
	case wire.InputItems:
		name += "/{id}/input_items"
	case wire.Count:
		if r.Dialect == wire.Messages {
			name += "/count_tokens"
		} else {
			name += "/input_tokens"
		}
	}
	if name == "" {
		return method
	}
	return method + " " + name
}

// appendString appends a string attribute, or nothing when the value is empty.
func appendString(attrs []attribute.KeyValue, key attribute.Key, value string) []attribute.KeyValue {
	if value == "" {
		return attrs
	}
	return append(attrs, key.String(value))
}

func toAttributes(attrs []Attr) []attribute.KeyValue {
	out := make([]attribute.KeyValue, 0, len(attrs))
	for _, a := range attrs {
		switch v := a.Value.(type) {
		case string:
			out = append(out, attribute.String(a.Key, Redact(v)))
		case bool:
			out = append(out, attribute.Bool(a.Key, v))
		case int:
			out = append(out, attribute.Int(a.Key, v))
		case int64:
			out = append(out, attribute.Int64(a.Key, v))
		case float64:
			out = append(out, attribute.Float64(a.Key, v))
		case fmt.Stringer:
			out = append(out, attribute.String(a.Key, Redact(v.String())))
		}
	}
	return out
}
