package telemetry

import (
	"net"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// An Attempt records one attempt. It is used by the exchange's goroutine, and not after the exchange's End. A nil *Attempt
// does nothing.
type Attempt struct {
	ex        *Exchange
	s         AttemptStart
	operation string // of the GenAI conventions; "" for what asks no model
	span      trace.Span
	series    *attemptSeries // of a stream, once it has begun
	first     time.Time
	last      time.Time // chunk
	done      bool
	told      bool // Content was called
	answered  bool // Output was called
}

// Attempt opens an attempt.
func (ex *Exchange) Attempt(s AttemptStart) *Attempt {
	if ex == nil || ex.t == nil {
		return nil
	}
	if ex.used == len(ex.attempts) {
		ex.attempts = append(ex.attempts, &Attempt{})
	}
	a := ex.attempts[ex.used]
	ex.used++
	if s.Provider == "" {
		s.Provider = provider(ex.dialect)
	}
	*a = Attempt{ex: ex, s: s, operation: operation(ex.dialect, ex.op)}
	ex.mu.Lock()
	ex.upstream, ex.attempt = s.Upstream, ex.used
	if ex.model == "" {
		ex.model = s.Model
	}
	if ex.state != StateWaiting {
		ex.state, ex.since = StateWaiting, s.Start
	}
	ex.mu.Unlock()
	ex.tokens.Store(0)
	if ex.record {
		a.startSpan()
	}
	return a
}

// Traceparent appends the traceparent value for the upstream to dst. When nothing was appended, what the agent sent (or
// did not send) stays as it is. Otherwise it replaces the agent's field in place, or is added when there is none.
func (a *Attempt) Traceparent(dst []byte) []byte {
	switch {
	case a == nil || a.ex.span == nil: // no exporter: the agent's own trace goes on through us
		return dst
	case a.span != nil:
		return appendTraceparent(dst, a.span.SpanContext())
	case a.ex.joined: // not recorded by us, perhaps by the agent and the upstream
		return dst
	default:
		return appendTraceparent(dst, a.ex.span.SpanContext())
	}
}

// FirstToken records the arrival of the first token of a stream, or of the head of a unary answer. Only the first call counts.
func (a *Attempt) FirstToken(at time.Time) {
	if a == nil || !a.first.IsZero() || a.done {
		return
	}
	a.first, a.last = at, at
	ex := a.ex
	if ex.first.IsZero() {
		ex.first = at
	}
	ex.mu.Lock()
	ex.state, ex.since = StateStreaming, at
	ex.mu.Unlock()
	if a.s.Stream && a.operation != "" {
		a.series = ex.t.metrics.attempt(a.operation, a.s.Provider, a.s.Model, a.s.Upstream, true)
		a.series.first.Observe(at.Sub(a.s.Start).Seconds())
	}
	if a.span != nil && a.s.Stream {
		a.span.AddEvent("gen_ai.first_token", trace.WithTimestamp(at))
	}
}

// Chunk records the arrival of an output chunk of a stream; the first one stands for FirstToken.
func (a *Attempt) Chunk(at time.Time) {
	if a == nil || a.done {
		return
	}
	if a.first.IsZero() {
		a.FirstToken(at)
		return
	}
	if a.series != nil {
		a.series.perChunk.Observe(at.Sub(a.last).Seconds())
	}
	a.last = at
}

// Tokens shows in /debug/state how much output there is so far, in tokens or chunks.
func (a *Attempt) Tokens(n int64) {
	if a != nil {
		a.ex.tokens.Store(n)
	}
}

// End closes the attempt. Only the first call counts.
func (a *Attempt) End(e AttemptEnd) {
	if a == nil || a.done {
		return
	}
	a.done = true
	if e.At.IsZero() {
		e.At = time.Now()
	}
	what := e.ErrorType
	if what == "" && e.Status >= 400 {
		what = statusType(e.Status)
	}
	a.count(&e, what)
	if a.span != nil {
		if a.ex.t.content {
			a.content(&e)
		}
		a.endSpan(&e, what)
	}
}

// count adds the attempt to metrics and ledger.
func (a *Attempt) count(e *AttemptEnd, what string) {
	m := a.ex.t.metrics
	accepted := e.Status >= 200 && e.Status < 300
	if accepted && (what != "" || a.operation == "") {
		m.models.admit(a.s.Model)
	}
	elapsed := e.At.Sub(a.s.Start).Seconds()
	if what != "" {
		f := m.failure(a.operation, a.s.Provider, a.s.Model, a.s.Upstream, what)
		if f.errors != nil {
			f.errors.Inc()
		}
		if f.duration != nil {
			f.duration.Observe(elapsed)
		}
	}
	if a.operation == "" {
		return
	}
	known := e.Answer != nil && e.Answer.Usage.Known && !e.Estimated
	if what == "" || known {
		s := a.series
		if s == nil {
			s = m.attempt(a.operation, a.s.Provider, a.s.Model, a.s.Upstream, accepted)
		}
		if what == "" {
			s.duration.Observe(elapsed)
		}
		if known {
			s.tokens(&e.Answer.Usage)
		}
	}
	a.ex.t.ledger.attempt(a.s.Model, e.Answer, e.Estimated, blamed(what))
}

func (s *attemptSeries) tokens(u *Usage) {
	s.input.Observe(float64(u.Input))
	s.output.Observe(float64(u.Output))
	if u.CachedInput > 0 {
		s.cached.Add(float64(u.CachedInput))
	}
}

func (a *Attempt) startSpan() {
	name, attrs := a.s.Upstream, a.ex.attrs[:0]
	attrs = append(attrs, attribute.String(keyUpstream, a.s.Upstream), attribute.Int("trapgate.attempt", a.s.Number))
	if a.operation != "" {
		name = a.operation
		if a.s.Model != "" {
			name += " " + a.s.Model
		}
		attrs = append(attrs, attribute.String(keyOperation, a.operation), attribute.String(keyProvider, a.s.Provider),
			attribute.String(keyModel, a.s.Model), attribute.Bool("gen_ai.request.stream", a.s.Stream))
		if a.s.MaxTokens > 0 {
			attrs = append(attrs, attribute.Int64("gen_ai.request.max_tokens", a.s.MaxTokens))
		}
		attrs = appendString(attrs, "gen_ai.conversation.id", a.ex.session)
		attrs = appendString(attrs, "gen_ai.agent.name", a.ex.agent)
	} else {
		name = a.ex.method + " " + name
	}
	attrs = appendAddress(attrs, a.s.Address)
	if a.s.Call > 0 {
		attrs = append(attrs, attribute.Int("trapgate.call", a.s.Call))
	}
	_, a.span = a.ex.t.tracing.tracer.Start(a.ex.ctx, name, trace.WithTimestamp(a.s.Start), clientKind, trace.WithAttributes(attrs...))
	a.ex.attrs = attrs
}

func (a *Attempt) endSpan(e *AttemptEnd, what string) {
	attrs := a.ex.attrs[:0]
	if e.Status != 0 {
		attrs = append(attrs, attribute.Int("http.response.status_code", e.Status))
	}
	if a.operation != "" && a.s.Stream && !a.first.IsZero() {
		attrs = append(attrs, attribute.Float64("gen_ai.response.time_to_first_chunk", a.first.Sub(a.s.Start).Seconds()))
	}
	if r := e.Answer; r != nil && a.operation != "" {
		attrs = appendString(attrs, "gen_ai.response.id", r.ID)
		attrs = appendString(attrs, "gen_ai.response.model", r.Model)
		if len(r.Finish) > 0 {
			attrs = append(attrs, attribute.StringSlice("gen_ai.response.finish_reasons", r.Finish))
		}
		if r.Usage.Known && !e.Estimated {
			attrs = appendUsage(attrs, &r.Usage)
		}
	}
	if what != "" {
		attrs = append(attrs, attribute.String(keyErrorType, what))
		a.span.SetStatus(codes.Error, "")
	}
	a.span.SetAttributes(attrs...)
	a.ex.attrs = attrs
	a.span.End(trace.WithTimestamp(e.At))
}

func appendUsage(attrs []attribute.KeyValue, u *Usage) []attribute.KeyValue {
	attrs = append(attrs,
		attribute.Int64("gen_ai.usage.input_tokens", u.Input),
		attribute.Int64("gen_ai.usage.output_tokens", u.Output),
		attribute.Int64("gen_ai.usage.cache_read.input_tokens", u.CachedInput),
	)
	if u.CacheWrite > 0 {
		attrs = append(attrs, attribute.Int64("gen_ai.usage.cache_creation.input_tokens", u.CacheWrite))
	}
	if u.Reasoning > 0 {
		attrs = append(attrs, attribute.Int64("gen_ai.usage.reasoning.output_tokens", u.Reasoning))
	}
	return attrs
}

func appendAddress(attrs []attribute.KeyValue, addr string) []attribute.KeyValue {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return appendString(attrs, "server.address", addr)
	}
	attrs = appendString(attrs, "server.address", host)
	if n, err := strconv.Atoi(port); err == nil {
		attrs = append(attrs, attribute.Int("server.port", n))
	}
	return attrs
}
