package main

import (
	"errors"
	"log/slog"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/filters/schedule"
	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/proxy/config"
	"github.com/trapgate/trapgate/proxy/upstream"
)

// A verdict is how an attempt ended.
type verdict struct {
	final   bool          // nothing more is tried for this call
	again   bool          // final, and a filter asks for another call
	plain   bool          // not final: once more at the same upstream, without what we had added
	anew    bool          // not final: once more at the same upstream, with what a filter will send instead
	after   time.Duration // not final: the back-off before the same upstream is tried again
	status  int           // of the upstream; 0: no answer
	err     error         // final: what to tell the agent, nil when it was told
	failure error         // what went wrong with the try itself
}

// nextAttempt prepares the inner ring's view of the attempt.
func (e *exchange) nextAttempt(up *upstream.Upstream, more bool) {
	model := e.model()
	to, renamed := up.Config.Rename(model)
	e.x.CallEdits.Reset()
	if renamed && !e.x.View.Model.Empty() {
		e.x.CallEdits.ReplaceModel(e.x.View, to)
	}
	e.x.Attempt = filters.Attempt{
		Number: e.tries, Upstream: up.Config.Name, Model: to, Credential: credentialOf(up.Config), Plain: e.plain, More: more, Left: e.x.Attempt.Left,
	}
	e.freshMeter()
	e.x.Answer = e.meter.Answer()
	e.sendAsStream(up)
	e.x.Trail.Append("host", "attempt", filters.Attr{Key: "upstream", Value: up.Config.Name})
	e.plain = false
	e.attempts++
	e.tries++
}

// freshMeter makes the meter ready for another answer.
func (e *exchange) freshMeter() {
	e.meter.Reset(e.x.Route.Dialect)
	e.terminal = false
}

// beginUnseen begins the one attempt of a request that no ring sees.
func (e *exchange) beginUnseen(up *upstream.Upstream) {
	e.freshMeter()
	up.Begin()
}

func credentialOf(u *config.Upstream) filters.Credential {
	switch u.Credential {
	case config.CredentialAgent:
		return filters.AgentsCredential
	case config.CredentialKey:
		return filters.OurCredential
	}
	return filters.NoCredential
}

// request is what goes upstream: the agent's own, with the edits spliced in.
func (e *exchange) request() *upstream.Request {
	body := e.body
	if e.x.Edits.Len()+e.x.CallEdits.Len() > 0 {
		edited, err := wire.Apply(e.edited, body, &e.x.Edits, &e.x.CallEdits)
		if err != nil {
			slog.Error("edits overlap: the request goes out unmodified", "id", e.x.ID, "err", err)
		} else {
			e.edited, body = edited, edited
		}
	}
	e.try = upstream.Request{
		Method: e.x.Method, Target: e.x.Target, Fields: e.x.Fields, Body: body, Chunked: e.agent.Chunked(),
		Messages: e.x.Route.Dialect == wire.Messages, Sent: e.onSent,
	}
	return &e.try
}

// requestSent does, while the upstream works, what could wait.
func (e *exchange) requestSent() {
	e.sent = e.clock()
	e.x.Attempt.Sent = true
	switch e.deferred = true; {
	case e.unread >= muchUnread:
		e.x.RunLaterAside()
	case e.stream() && !e.outer.Wants():
		// The first event may come at any moment, and nobody has to know anything before it leaves.
	default:
		e.runLater()
	}
}

// muchUnread is from how many bytes of a new conversation on what is deferred gets a goroutine of its own: the answer may come first.
const muchUnread = 64 << 10

// runLater does what filters have deferred, or waits for what requestSent has begun of it. It is due before anything of the
// answer is shown to a filter.
func (e *exchange) runLater() {
	if !e.deferred {
		return
	}
	e.deferred = false
	if err := e.x.RunLater(); err != nil {
		slog.Error("a filter failed behind the request", "id", e.x.ID, "err", err)
	}
	e.identify()
}

// identify says whose exchange it is.
func (e *exchange) identify() {
	i := &e.x.Identity
	e.span.Identify(i.Tenant, i.Agent, i.Session, i.Program)
}

func (e *exchange) startAttempt(up *upstream.Upstream, r *upstream.Request) *telemetry.Attempt {
	start := telemetry.AttemptStart{
		Upstream: up.Config.Name, Address: up.Config.Host, Model: e.x.Attempt.Model,
		Number: e.x.Attempt.Number, Call: e.x.Call, Start: e.clock(),
	}
	if v := e.x.View; v != nil {
		if start.Stream = v.Stream; !v.MaxTokens.Empty() {
			start.MaxTokens = v.MaxTokensValue()
		}
	}
	e.sent = start.Start
	t := e.span.Attempt(start)
	if t.Contentful() {
		t.Content(e.x.View)
	}
	if r.Traceparent = t.Traceparent(nil); len(r.Traceparent) > 0 {
		r.Inject = true
	}
	return t
}

func (e *exchange) endAttempt(up *upstream.Upstream, t *telemetry.Attempt, v *verdict) {
	e.runLater()
	e.x.RunLater() // an attempt that never sent its request
	if v.anew {
		v.status = e.refusal // also of a stream, whose head had promised more
	}
	end := telemetry.AttemptEnd{At: e.clock(), Status: v.status, ErrorType: errorType(v)}
	if v.status > 0 {
		end.Answer = e.meter.Answer()
		end.Estimated = e.estimate(end.Answer, v.status)
		if e.estimated = end.Estimated; t.Contentful() && !e.stream() {
			t.Output(e.unary)
		}
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
	if v.err == nil && v.failure == nil && v.status < 400 {
		return ""
	}
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
	case !v.final && e.held != nil && e.held.status == v.status:
		return retried{e.held}
	case !v.final:
		return errRetried
	case e.outcome == telemetry.OutcomeTruncated:
		return filters.ErrTruncated
	}
	return nil
}

var errRetried = errors.New("the upstream's answer asks for another attempt")

// retried is errRetried with the answer, which no filter has been shown: it may say what the upstream's limits are.
type retried struct{ answer *heldAnswer }

var _ schedule.Answered = retried{}

func (retried) Error() string { return errRetried.Error() }

func (retried) Unwrap() error { return errRetried }

// Answered implements schedule.Answered.
func (r retried) Answered() (status int, fields filters.Fields, body []byte) {
	return r.answer.status, r.answer.fields, r.answer.body
}
