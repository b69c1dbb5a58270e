package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/head"
	"github.com/trapgate/trapgate/internal/sse"
	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/proxy/server"
	"github.com/trapgate/trapgate/proxy/upstream"
)

// An exchange is one request of an agent on its way through the pipeline.
type exchange struct {
	p     *pipeline
	rt    *runtime
	agent *server.Agent
	x     filters.Exchange
	outer *filters.Flow
	span  *telemetry.Exchange
	body  []byte // of the request, as it came

	meter    wire.Meter
	parser   sse.Parser
	status   int          // as shown to the agent
	unary    []byte       // a JSON answer as it came, for the meter
	document []byte       // the JSON answer that the rings have made
	shown    *wire.Answer // what the agent was shown

	attempts, retries, fallbacks int
	tries                        int           // of the call under way
	waited                       time.Duration // back-off so far
	held                         *heldAnswer

	sent     time.Time     // the attempt's request had been written
	head     time.Time     // the attempt's head had been read, or it failed
	waiting  time.Duration // in upstreams, over all attempts, up to the head
	added    time.Duration // by us, up to the head
	outcome  telemetry.Outcome
	state    telemetry.State
	code     string
	err      error
	terminal bool
}

// A verdict is how an attempt ended.
type verdict struct {
	final   bool          // nothing more is tried for this call
	again   bool          // final, and a filter asks for another call
	after   time.Duration // not final: the back-off before the same upstream is tried again
	status  int           // of the upstream; 0: no answer
	err     error         // final: what to tell the agent, nil when it was told
	failure error         // what went wrong with the try itself
}

func (p *pipeline) begin(a *server.Agent) *exchange {
	rt := p.current.Load()
	e := &exchange{p: p, rt: rt, agent: a}
	path, _, _ := strings.Cut(a.Target, "?")
	e.x = filters.Exchange{
		ID: newID(), Start: a.Start, Route: wire.Match(a.Method, path),
		Method: a.Method, Target: a.Target, Fields: a.Fields, Remote: a.Remote(),
	}
	e.span = p.telemetry.Begin(telemetry.ExchangeStart{
		Start: a.Start, ID: e.x.ID, Method: a.Method, Target: a.Target, Route: e.x.Route, Fields: a.Fields,
	})
	return e
}

// newID returns 20 characters that are unique enough to find one exchange in logs and traces.
func newID() string {
	const digits = "0123456789abcdefghijklmnopqrstuv"
	b := []byte("tg-00000000000000000")
	r, s := rand.Uint64(), rand.Uint64()
	for i := 3; i < len(b); i++ {
		b[i] = digits[r&31]
		if r >>= 5; i == 14 {
			r = s
		}
	}
	return string(b)
}

// read takes the request in and makes the view of it.
func (e *exchange) read() (*filters.Reply, error) {
	if enc := e.agent.Fields.Get("content-encoding"); len(enc) > 0 && !head.Is(enc, "identity") {
		return &filters.Reply{Status: 415, Code: "unsupported_encoding", Message: "the request body is compressed (content-encoding): send it plain"}, nil
	}
	limit := int(e.rt.config.Limits.Body)
	body, err := e.agent.ReadBody(limit)
	switch {
	case errors.Is(err, server.ErrBodyTooLarge):
		return tooLarge(limit), nil
	case err != nil:
		return nil, errors.Join(filters.ErrAgentGone, err)
	}
	e.body = body
	key := e.bodyKey()
	view, _, err := e.p.views.Lookup(key, e.x.Route.Dialect, body, wire.Limits{})
	var bad *wire.SyntaxError
	if errors.As(err, &bad) {
		return &filters.Reply{Status: 400, Code: bad.Code, Message: bad.Error()}, nil
	} else if err != nil {
		return &filters.Reply{Status: 400, Code: "invalid_json", Message: err.Error()}, nil
	}
	e.x.View = view
	e.x.Later(func() { e.p.views.Store(key, view) })
	e.span.Model(e.model())
	return e.checkIDs(), nil
}

// model returns the model that the agent asked for, "" when it named none.
func (e *exchange) model() string {
	if v := e.x.View; v != nil && !v.Model.Empty() {
		return v.ModelName()
	}
	return e.x.Route.Deployment
}

// wait is a back-off that ends early when the agent leaves.
func (e *exchange) wait(d time.Duration) error {
	e.enter(telemetry.StateBackoff)
	e.waited += d
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-e.agent.Done():
		return e.gone(context.Canceled)
	}
}

// why is err, or the agent's leaving if that is what it comes from.
func (e *exchange) why(err error) error {
	if err != nil && e.agent.Gone() && filters.AsReply(err) == nil && !errors.Is(err, filters.ErrAgentGone) {
		return e.gone(err)
	}
	return err
}

// gone names the reason for which the agent's context ended.
func (e *exchange) gone(err error) error {
	if errors.Is(e.agent.Cause(), server.ErrShutdown) {
		return errors.Join(filters.ErrShutdown, err)
	}
	return errors.Join(filters.ErrAgentGone, err)
}

func (e *exchange) enter(s telemetry.State) {
	e.state = s
	e.span.Enter(s, "")
}

// headArrived books the time since the request was sent on the upstream's account.
func (e *exchange) headArrived() {
	e.head = e.clock()
	e.waiting += e.head.Sub(e.sent)
}

func (e *exchange) clock() time.Time { return time.Now() }

// nextAttempt prepares the inner ring's view of the attempt.
func (e *exchange) nextAttempt(up *upstream.Upstream) {
	model := e.model()
	to, renamed := up.Config.Rename(model)
	e.x.CallEdits.Reset()
	if renamed && !e.x.View.Model.Empty() {
		e.x.CallEdits.ReplaceModel(e.x.View, to)
	}
	e.x.Attempt = filters.Attempt{Number: e.tries, Upstream: up.Config.Name, Model: to}
	e.x.Trail.Append("host", "attempt", filters.Attr{Key: "upstream", Value: up.Config.Name}, filters.Attr{Key: "number", Value: int64(e.attempts)})
	e.attempts++
	e.tries++
}

// request is what goes upstream: the agent's own, with the edits spliced in.
func (e *exchange) request(up *upstream.Upstream) (*upstream.Request, error) {
	body, err := wire.Apply(nil, e.body, &e.x.Edits, &e.x.CallEdits)
	if err != nil {
		slog.Error("edits overlap: the request goes out unmodified", "id", e.x.ID, "err", err)
		body = e.body
	}
	return &upstream.Request{
		Method: e.x.Method, Target: e.x.Target, Fields: e.x.Fields, Body: body, Chunked: e.agent.Chunked(),
		Messages: e.x.Route.Dialect == wire.Messages,
		Sent: func() {
			e.sent = e.clock()
			e.x.RunLater()
			e.identify()
		},
	}, nil
}

func (e *exchange) identify() {
	i := &e.x.Identity
	e.span.Identify(i.Tenant, i.Agent, i.Session, i.Program)
}

func (e *exchange) startAttempt(up *upstream.Upstream, r *upstream.Request) *telemetry.Attempt {
	up.Begin()
	e.terminal = false
	e.meter.Reset(e.x.Route.Dialect)
	start := telemetry.AttemptStart{
		Upstream: up.Config.Name, Address: up.Config.Host, Model: e.x.Attempt.Model,
		Number: e.x.Attempt.Number, Call: e.x.Call, Start: e.clock(),
	}
	if v := e.x.View; v != nil {
		start.Stream, start.MaxTokens = v.Stream, v.MaxTokensValue()
	}
	e.sent = start.Start
	t := e.span.Attempt(start)
	if r.Traceparent = t.Traceparent(nil); len(r.Traceparent) > 0 {
		r.Inject = true
	}
	return t
}

func (e *exchange) endAttempt(up *upstream.Upstream, t *telemetry.Attempt, v *verdict) {
	e.x.RunLater() // an attempt that never sent its request
	end := telemetry.AttemptEnd{At: e.clock(), Status: v.status, ErrorType: errorType(v)}
	if v.status > 0 {
		end.Answer = e.meter.Answer()
	}
	if e.rt.config.Telemetry.Content {
		end.Input, end.Output = e.body, e.unary
	}
	t.End(end)
	switch {
	case end.ErrorType == "agent_gone":
		up.Abandon()
	default:
		up.End(v.status == 0 || v.status >= 500)
	}
}

// errorType is the closed set that spans and metrics use.
func errorType(v *verdict) string {
	var u *upstream.Error
	switch {
	case errors.Is(v.err, filters.ErrShutdown):
		return "shutdown"
	case errors.Is(v.err, filters.ErrAgentGone):
		return "agent_gone"
	case errors.As(v.failure, &u):
		return u.Kind.String()
	case errors.Is(v.err, filters.ErrTruncated):
		return "truncated"
	case v.status >= 400:
		return statusText(v.status)
	case v.err != nil:
		return "filter"
	}
	return ""
}

// cause is what the streams of an attempt are closed with.
func (e *exchange) cause(v verdict) error {
	switch {
	case v.err != nil:
		return v.err
	case v.failure != nil:
		return v.failure
	case !v.final:
		return errRetried
	case e.outcome == telemetry.OutcomeTruncated:
		return filters.ErrTruncated
	}
	return nil
}

var errRetried = errors.New("the upstream's answer asks for another attempt")

func (e *exchange) logClose(err error) {
	if err != nil {
		slog.Error("a filter failed to close", "id", e.x.ID, "err", err)
	}
}

// finish closes the outer ring and writes the record of the exchange.
func (e *exchange) finish() {
	if v := recover(); v != nil {
		e.refuseOr(nil, panicked(v))
	}
	if e.outer != nil {
		e.logClose(e.outer.Close(e.closeCause()))
	}
	e.dropHeld()
	end := telemetry.ExchangeEnd{
		At: e.clock(), Status: e.status, Outcome: e.outcome, State: e.state, Answer: e.shown,
		Attempts: e.attempts, Retries: e.retries, Fallbacks: e.fallbacks, Added: e.added, Code: e.code,
	}
	if e.err != nil {
		end.Err = e.err.Error()
	}
	e.estimate(&end)
	end.Pieces = e.pieces()
	e.record()
	e.span.End(end)
	if e.x.View != nil {
		e.x.View.Release()
	}
}

func (e *exchange) closeCause() error {
	switch e.outcome {
	case telemetry.OutcomeOK, telemetry.OutcomeError:
		return nil
	case telemetry.OutcomeAgentGone:
		return filters.ErrAgentGone
	case telemetry.OutcomeTruncated:
		return filters.ErrTruncated
	case telemetry.OutcomeShutdown:
		return filters.ErrShutdown
	}
	if e.err != nil {
		return e.err
	}
	return io.ErrUnexpectedEOF
}
