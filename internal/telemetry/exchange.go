package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/trapgate/trapgate/internal/wire"
)

// An Exchange records one exchange. It is used by one goroutine at a time, and not after End, when it is used again for
// another exchange. A nil *Exchange does nothing.
type Exchange struct {
	entry // what /debug/state shows; id, start, dialect and names live here

	t        *Telemetry
	op       wire.Op
	method   string
	target   string
	ctx      context.Context // holds span; nil without an exporter
	span     trace.Span
	record   bool // span is kept
	joined   bool // the agent sent a traceparent
	first    time.Time
	attempts []*Attempt
	used     int
	scratch  []byte
	attrs    []attribute.KeyValue
}

// Begin opens an exchange.
func (t *Telemetry) Begin(s ExchangeStart) *Exchange {
	ex := t.pool.Get().(*Exchange)
	ex.t, ex.op, ex.method, ex.target = t, s.Route.Op, s.Method, s.Target
	ex.id, ex.start, ex.since, ex.dialect = s.ID, s.Start, s.Start, s.Route.Dialect
	ex.where = s.Where
	if t.tracing != nil {
		ex.startSpan(&s)
	}
	t.inflight.add(&ex.entry)
	return ex
}

// Identify says whose exchange it is; empty values are unknown.
func (ex *Exchange) Identify(tenant, agent, session, program string) {
	if ex == nil {
		return
	}
	ex.mu.Lock()
	ex.tenant, ex.agent, ex.session, ex.program = tenant, agent, session, program
	ex.mu.Unlock()
}

// Model says which model the agent asked for.
func (ex *Exchange) Model(model string) {
	if ex == nil {
		return
	}
	ex.mu.Lock()
	ex.model = model
	ex.mu.Unlock()
}

// Enter says where the exchange is: its state, and the filter at work ("" for the host). Both show in /debug/state.
func (ex *Exchange) Enter(s State, filter string) {
	if ex == nil {
		return
	}
	ex.mu.Lock()
	if s != ex.state {
		ex.state, ex.since = s, time.Now()
	}
	ex.filter = filter
	ex.mu.Unlock()
}

// State is where the exchange is.
func (ex *Exchange) State() State {
	if ex == nil {
		return StateOpen
	}
	return ex.state
}

// Recording reports whether spans of this exchange are kept: work for the attributes of Filter and Event pays only then.
func (ex *Exchange) Recording() bool { return ex != nil && ex.record }

// Filter records a child span for a filter that did something.
func (ex *Exchange) Filter(name string, start time.Time, spent time.Duration, attrs ...Attr) {
	if !ex.Recording() {
		return
	}
	_, span := ex.t.tracing.tracer.Start(ex.ctx, name, trace.WithTimestamp(start), internalKind,
		trace.WithAttributes(toAttributes(attrs)...))
	span.End(trace.WithTimestamp(start.Add(spent)))
}

// Event records an event on the exchange's span.
func (ex *Exchange) Event(at time.Time, name string, attrs ...Attr) {
	if !ex.Recording() {
		return
	}
	ex.span.AddEvent(name, trace.WithTimestamp(at), trace.WithAttributes(toAttributes(attrs)...))
}

// spanKinds are the kinds of trail entries that are spans of their own, by the names that OpenTelemetry's conventions for GenAI give them.
// Their attribute durationKey says how long they took, in microseconds, up to the entry.
var spanKinds = map[string]bool{"search_memory": true, "upsert_memory": true}

const durationKey = "duration_us"

// Trail records an entry of a filters.Trail as an event "FILTER.KIND", or as a span when its kind is one of spanKinds; A is filters.Attr.
func Trail[A ~struct {
	Key   string
	Value any
}](ex *Exchange, at time.Time, filter, kind string, attrs []A,
) {
	if !ex.Recording() {
		return
	}
	out := make([]Attr, len(attrs))
	for i := range attrs {
		out[i] = Attr(attrs[i])
	}
	if spanKinds[kind] {
		ex.kindSpan(at, kind, out)
		return
	}
	ex.Event(at, filter+"."+kind, out...)
}

// kindSpan records an entry as a span that ended with it.
func (ex *Exchange) kindSpan(end time.Time, kind string, attrs []Attr) {
	took, kept := time.Duration(0), []Attr{{keyOperation, kind}}
	for _, a := range attrs {
		if us, ok := a.Value.(int64); ok && a.Key == durationKey {
			took = time.Duration(us) * time.Microsecond
			continue
		}
		kept = append(kept, Attr{"trapgate.memory." + a.Key, a.Value})
	}
	ex.Filter(kind, end.Add(-took), took, kept...)
}

// End closes the exchange, and attempts that are still open.
func (ex *Exchange) End(e ExchangeEnd) {
	if ex == nil || ex.t == nil {
		return
	}
	if e.At.IsZero() {
		e.At = time.Now()
	}
	ex.endAttempts(&e)
	t := ex.t
	t.metrics.exchange(ex.dialect, &e)
	t.ledger.exchange(&e)
	if ex.span != nil {
		ex.endSpan(&e)
	}
	t.inflight.remove(&ex.entry)
	ex.line(&e)
	ex.reset()
	t.pool.Put(ex)
}

func (ex *Exchange) endAttempts(e *ExchangeEnd) {
	for _, a := range ex.attempts[:ex.used] {
		if a.done {
			continue
		}
		end := AttemptEnd{At: e.At, ErrorType: "unfinished"}
		switch e.Outcome {
		case OutcomeAgentGone:
			end.ErrorType = ErrorAgentGone
		case OutcomeShutdown:
			end.ErrorType = ErrorShutdown
		}
		a.End(end)
	}
}

// reset forgets everything but the memory of attempts and of the line.
func (ex *Exchange) reset() {
	for _, a := range ex.attempts[:ex.used] {
		*a = Attempt{}
	}
	attempts, scratch, attrs := ex.attempts, ex.scratch, ex.attrs
	if cap(scratch) > 4<<10 {
		scratch = nil
	}
	*ex = Exchange{attempts: attempts, scratch: scratch, attrs: attrs}
}

// Options of every span, made once.
var (
	serverKind   = trace.WithSpanKind(trace.SpanKindServer)
	clientKind   = trace.WithSpanKind(trace.SpanKindClient)
	internalKind = trace.WithSpanKind(trace.SpanKindInternal)
)

// startSpan gives the span no attributes yet: most traces may not be kept, and one call at the end costs least.
func (ex *Exchange) startSpan(s *ExchangeStart) {
	ctx := context.Background()
	ctx, ex.joined = extract(ctx, s.Fields)
	ex.ctx, ex.span = ex.t.tracing.tracer.Start(ctx, serverName(s.Method, s.Route), trace.WithTimestamp(s.Start), serverKind)
	ex.record = ex.span.IsRecording()
}

func (ex *Exchange) endSpan(e *ExchangeEnd) {
	if ex.record {
		a := ex.endAttributes(e)
		ex.span.SetAttributes(a...)
		clear(a)
		ex.attrs = a[:0]
	}
	ex.span.End(trace.WithTimestamp(e.At))
}

func (ex *Exchange) endAttributes(e *ExchangeEnd) []attribute.KeyValue {
	a := append(ex.attrs[:0],
		attribute.String("http.request.method", ex.method),
		attribute.String("url.path", path(ex.target)),
		attribute.String(keyDialect, ex.dialect.String()),
		attribute.String("trapgate.request.id", ex.id),
		attribute.String(keyOutcome, e.Outcome.String()),
		attribute.Int("trapgate.attempts", e.Attempts),
		attribute.Float64("trapgate.added", e.Added.Seconds()),
	)
	if e.Queued > 0 {
		a = append(a, attribute.Float64("trapgate.queued", e.Queued.Seconds()))
	}
	a = appendString(a, "trapgate.tenant", ex.tenant)
	a = appendString(a, "gen_ai.agent.name", ex.agent)
	a = appendString(a, "gen_ai.conversation.id", ex.session)
	a = appendString(a, "trapgate.program", ex.program)
	a = appendString(a, keyModel, ex.model)
	if e.Status != 0 {
		a = append(a, attribute.Int("http.response.status_code", e.Status))
	}
	for i := range e.Pieces {
		a = append(a, attribute.Float64("trapgate.added."+e.Pieces[i].Name, e.Pieces[i].Dur.Seconds()))
	}
	if what := e.errorType(); what != "" {
		a = append(a, attribute.String(keyErrorType, what))
		if e.Status >= 500 || e.Outcome == OutcomeFailed || e.Outcome == OutcomeTruncated {
			ex.span.SetStatus(codes.Error, Redact(e.Err))
		}
	}
	return a
}

// errorType is what went wrong: our code, else the status, else the outcome.
func (e *ExchangeEnd) errorType() string {
	switch {
	case e.Code != "":
		return e.Code
	case e.Outcome == OutcomeAgentGone || e.Outcome == OutcomeTruncated || e.Outcome == OutcomeShutdown || e.Outcome == OutcomeFailed:
		return e.Outcome.String()
	case e.Status >= 400:
		return statusType(e.Status)
	}
	return ""
}
