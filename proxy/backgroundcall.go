package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/proxy/config"
	"github.com/trapgate/trapgate/proxy/upstream"
	"github.com/trapgate/trapgate/ratelimit/limit"
)

// A backgroundCall is one model request of ours: an exchange without an agent, that passes the inner ring only.
type backgroundCall struct {
	j       *job
	x       *filters.Exchange
	leaver  *leaver
	span    *telemetry.Exchange
	meter   wire.Meter
	model   string // before rename
	raw     []byte // the answer, as the upstream sent it
	answer  []byte // and as the inner ring has passed it on
	retries int
	waited  time.Duration
}

func (j *job) newCall(ctx context.Context, d wire.Dialect, view *wire.View) *backgroundCall {
	model := view.ModelName()
	if model == "" {
		model = j.route.Deployment
	}
	x := &filters.Exchange{
		ID: newID(), Start: time.Now(), Method: "POST", Target: j.targetOf(d, model), Fields: j.fields, View: view,
		AuthName: j.authName, Identity: j.identity,
	}
	x.Route = wire.Route{Dialect: d, Op: wire.Generate, Deployment: j.route.Deployment}
	if d == wire.Embeddings {
		x.Route.Op = wire.Embed
	}
	if d == wire.Messages && !x.Fields.Has("anthropic-version") {
		x.Fields = append(x.Fields[:len(x.Fields):len(x.Fields)], field("anthropic-version", "2023-06-01"))
	}
	c := &backgroundCall{j: j, x: x, leaver: newLeaver(ctx), model: model}
	c.span = j.p.telemetry.Begin(telemetry.ExchangeStart{Start: x.Start, ID: x.ID, Method: x.Method, Target: x.Target, Route: x.Route, Where: x})
	c.span.Model(model)
	c.span.Identify(x.Identity.Tenant, x.Identity.Agent, x.Identity.Session, x.Identity.Program)
	x.Trail.Append("host", "caused_by", filters.Attr{Key: "exchange", Value: j.cause})
	return c
}

// run makes attempts at the candidates in their order until one is final, and writes the record.
func (c *backgroundCall) run() (status int, answer []byte, err error) {
	var v verdict
	n := 0
	defer func() { c.end(v, n) }()
	order := c.candidates()
	if len(order) == 0 {
		v.err = fmt.Errorf("no upstream takes background calls of model %.100q in the %s dialect", c.model, c.x.Route.Dialect)
		return 0, nil, v.err
	}
	for ; ; n++ {
		more := n+1 < len(order)
		v = c.attempt(order[min(n, len(order)-1)], n, more)
		if v.final {
			return v.status, c.answer, v.err
		}
		if !more && !c.wait(v.after) {
			v.err = c.why(context.Canceled)
			return 0, nil, v.err
		}
	}
}

// candidates are those that the model has anyway. The agent's credential goes nowhere but where its own requests go.
func (c *backgroundCall) candidates() []*upstream.Upstream {
	rt, d := c.j.rt, c.x.Route.Dialect
	order := rt.upstreams.Order(nil, rt.config.Candidates(d, c.model), c.x.Identity.Session)
	allowed := order[:0]
	for _, up := range order {
		if up.Config.Credential != config.CredentialAgent || d == c.j.route.Dialect {
			allowed = append(allowed, up)
		}
	}
	return allowed
}

// attempt makes one try at one upstream.
func (c *backgroundCall) attempt(up *upstream.Upstream, number int, more bool) (v verdict) {
	x := c.x
	to, renamed := up.Config.Rename(c.model)
	x.CallEdits.Reset()
	if renamed && !x.View.Model.Empty() {
		x.CallEdits.ReplaceModel(x.View, to)
	}
	x.Attempt = filters.Attempt{Number: number, Upstream: up.Config.Name, Model: to, Credential: credentialOf(up.Config), More: more, Left: x.Attempt.Left}
	c.meter.Reset(x.Route.Dialect)
	x.Answer, c.answer = c.meter.Answer(), nil
	x.Trail.Append("host", "attempt", filters.Attr{Key: "upstream", Value: up.Config.Name})
	c.span.Enter(telemetry.StateQueued, "")
	up.Begin()
	inner, err := c.j.rt.inner.Open(c.leaver, x)
	defer func() {
		if err := inner.Close(closeCause(v)); err != nil {
			slog.Error("a filter failed to close", "id", x.ID, "err", err)
		}
	}()
	if err != nil {
		up.Abandon()
		reply := filters.AsReply(err)
		return verdict{final: reply == nil || !reply.Local || !more, err: c.why(err), failure: err}
	}
	inner.SetSink((*backgroundSink)(c))
	t := c.startAttempt(up)
	defer func() { c.endAttempt(up, t, &v) }()
	body, err := wire.Apply(nil, x.View.Body, nil, &x.CallEdits)
	if err != nil {
		return verdict{final: true, err: err, failure: err}
	}
	resp, err := up.Do(c.leaver, &upstream.Request{
		Method: x.Method, Target: x.Target, Fields: x.Fields, Body: body, Messages: x.Route.Dialect == wire.Messages,
		Traceparent: t.Traceparent(nil), Inject: true, Sent: func() { x.Attempt.Sent = true },
	})
	if err != nil {
		return c.failed(err, more)
	}
	defer resp.Close()
	defer func() {
		if !c.leaver.Detach() {
			resp.Spoil()
		}
	}()
	return c.answered(resp, inner, more)
}

// failed decides what follows a try that brought no answer: another one only when the request reached nobody.
func (c *backgroundCall) failed(err error, more bool) verdict {
	var u *upstream.Error
	v := verdict{err: c.why(err), failure: err}
	if errors.As(err, &u) && u.Kind == upstream.Connect {
		if after, ok := c.backoff(0, 0, more); ok {
			v.after, v.err = after, nil
			return v
		}
	}
	v.final = true
	return v
}

// answered reads the answer and passes it through the ring, unless it asks for another attempt.
func (c *backgroundCall) answered(resp *upstream.Response, inner *filters.Flow, more bool) verdict {
	v := verdict{final: true, status: resp.Status}
	if v.err = c.gather(resp); v.err != nil {
		v.failure = v.err
		return v
	}
	if c.retryable(resp.Status) {
		asked, _ := limit.RetryAfter(time.Now(), resp.Fields)
		if after, ok := c.backoff(asked, resp.Status, more); ok {
			held := &heldAnswer{status: resp.Status, fields: resp.Fields.Clone(), body: c.raw}
			return verdict{status: resp.Status, after: after, failure: retried{held}}
		}
	}
	c.x.RunLater()
	c.meter.Body(c.raw)
	h := filters.ResponseHead{Status: resp.Status, Fields: resp.Fields}
	if v.err = inner.Head(&h); v.err == nil {
		v.err = inner.Emit(filters.Event{Raw: c.raw, Data: c.raw, Body: true})
	}
	if v.err == nil {
		_, v.err = inner.End()
	}
	return v
}

// gather reads the whole answer.
func (c *backgroundCall) gather(resp *upstream.Response) error {
	if isStream(resp) {
		return fmt.Errorf("upstream %s answered with a stream that nobody asked for", c.x.Attempt.Upstream)
	}
	c.raw = nil // the last one may be held
	for {
		piece, err := resp.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return c.why(errors.Join(filters.ErrTruncated, err))
		}
		if c.raw = append(c.raw, piece...); len(c.raw) > maxUnary {
			return fmt.Errorf("the answer of upstream %s is longer than %d bytes", c.x.Attempt.Upstream, maxUnary)
		}
	}
}

func (c *backgroundCall) retryable(status int) bool {
	switch status {
	case 408, 429, 502, 503, 504, 529:
		return true
	}
	return status == 500 && c.j.rt.config.Limits.Retry500
}

// backoff reports whether there is another attempt: at the next candidate, else with one retry from the same budget that an
// exchange has. With a queue a refusal goes back there, as often as one of an exchange does.
func (c *backgroundCall) backoff(asked time.Duration, status int, more bool) (time.Duration, bool) {
	if more {
		return 0, true
	}
	cfg := c.j.rt.config
	most := cfg.Limits.Retries
	if cfg.Schedule != nil && (status == 429 || status == 529) {
		most, asked = max(most, maxRefusals), min(asked, firstBackoff) // the pool waits as long as was asked
	}
	d := asked
	if d <= 0 {
		d = firstBackoff << min(c.retries, 4)
		d -= time.Duration(rand.Int64N(int64(d)/2 + 1))
	}
	if c.retries >= most || c.waited+d > cfg.Limits.RetryTotal {
		return 0, false
	}
	c.retries++
	c.waited += d
	return d, true
}

// wait is a back-off that ends early when the work does.
func (c *backgroundCall) wait(d time.Duration) bool {
	c.span.Enter(telemetry.StateBackoff, "")
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.leaver.Done():
		return false
	}
}

// why names the reason for which the work ended, if that is what err comes from: what filters take for an agent's leaving.
func (c *backgroundCall) why(err error) error {
	if c.leaver.Err() == nil {
		return err
	}
	cause := context.Cause(c.leaver)
	if errors.Is(cause, filters.ErrShutdown) {
		return errors.Join(filters.ErrShutdown, err)
	}
	return errors.Join(filters.ErrAgentGone, cause, err)
}

// closeCause is what the ring's streams are closed with.
func closeCause(v verdict) error {
	if v.err != nil {
		return v.err
	}
	return v.failure
}

// backgroundSink is where the answer leaves the inner ring.
type backgroundSink backgroundCall

// Emit implements filters.Sink.
func (s *backgroundSink) Emit(ev filters.Event) error {
	s.answer = append(s.answer, ev.Raw...)
	return nil
}
