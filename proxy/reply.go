package main

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/head"
	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/proxy/server"
)

// refuseOr ends an exchange that brought no answer: with the reply, else with what err makes of it. When an answer was begun
// already, the connection is cut.
func (e *exchange) refuseOr(reply *filters.Reply, err error) {
	e.agent.Detach()
	err = e.why(err)
	switch {
	case errors.Is(err, filters.ErrAgentGone):
		e.outcome, e.err = telemetry.OutcomeAgentGone, err
		e.agent.Abort()
		return
	case errors.Is(err, filters.ErrShutdown):
		e.outcome, e.err = telemetry.OutcomeShutdown, err
	case errors.Is(err, filters.ErrTruncated):
		e.outcome, e.err = telemetry.OutcomeTruncated, err
	default:
		e.outcome, e.err = telemetry.OutcomeFailed, err
	}
	if e.begun() {
		e.agent.Abort()
		return
	}
	if reply == nil {
		reply = &filters.Reply{Status: 502, Code: "upstream_closed", Message: "the upstream's answer broke off before it was whole: send the request again"}
		if e.outcome == telemetry.OutcomeFailed {
			reply = &filters.Reply{Status: 500, Code: "internal_error", Message: "trapgate failed on this request; its log has the reason under id " + e.x.ID}
		}
	} else if reply.Status < 500 {
		e.outcome = telemetry.OutcomeRefused
	}
	e.write(reply)
}

// refuse answers a request that goes no further.
func (e *exchange) refuse(reply *filters.Reply) {
	e.outcome = telemetry.OutcomeRefused
	e.write(reply)
}

// write sends an error of ours in the dialect's own shape.
func (e *exchange) write(reply *filters.Reply) {
	d := e.x.Route.Dialect
	if d == wire.Other && e.agent.Fields.Has("anthropic-version") {
		d = wire.Messages
	}
	e.status, e.code = reply.Status, reply.Code
	if e.err == nil {
		e.err = reply
	}
	problem := &wire.Error{Status: reply.Status, Code: reply.Code, Message: reply.Message}
	if e.committed {
		e.errorEvent(problem)
		return
	}
	body := wire.AppendError(nil, d, problem)
	fields := replyFields(reply, len(body))
	e.agent.Head(reply.Status, []byte(http.StatusText(reply.Status)), e.ours(fields), server.Sized)
	e.agent.Write(body)
	e.agent.Finish(nil)
}

func replyFields(reply *filters.Reply, length int) head.Fields {
	fields := head.Fields{
		field("Content-Type", wire.ErrorContentType),
		field("Content-Length", strconv.Itoa(length)),
		field("x-trapgate-error", reply.Code),
	}
	if reply.RetryAfter > 0 {
		fields = append(fields, field("Retry-After", strconv.Itoa(int(math.Ceil(reply.RetryAfter.Seconds())))))
	}
	if reply.NoRetry {
		fields = append(fields, field("x-should-retry", "false"))
	}
	return fields
}

// answerJSON sends an answer of our own making.
func (e *exchange) answerJSON(status int, body []byte) {
	e.status = status
	e.agent.Head(status, []byte(http.StatusText(status)), e.ours(head.Fields{
		field("Content-Type", "application/json"), field("Content-Length", strconv.Itoa(len(body))),
	}), server.Sized)
	e.agent.Write(body)
	e.agent.Finish(nil)
}

func field(name, value string) head.Field {
	return head.Field{Name: []byte(name), Value: []byte(value)}
}

func tooLarge(limit int) *filters.Reply {
	return &filters.Reply{Status: 413, Code: "body_too_large", Message: fmt.Sprintf("the request body is over %d bytes: send less, or raise limits.body", limit)}
}

// malformed answers what never became an exchange: it has no dialect that could be known.
func (p *pipeline) malformed(a *server.Agent, status int, code, msg string) {
	reply := &filters.Reply{Status: status, Code: code, Message: msg}
	body := wire.AppendError(nil, wire.Other, &wire.Error{Status: status, Code: code, Message: msg})
	a.CloseAfter()
	a.Head(status, []byte(http.StatusText(status)), replyFields(reply, len(body)), server.Sized)
	a.Write(body)
	a.Finish(nil)
}

// ours appends the lines that every response carries: the id, and what each piece added up to here.
func (e *exchange) ours(fields head.Fields) head.Fields {
	e.added = max(time.Since(e.x.Start)-e.waiting-e.waited-e.x.Waited, 0)
	b := e.timing[:0]
	for _, t := range e.timings() {
		b = append(append(b, t.Name...), ";dur="...)
		b = append(appendMS(b, t.Dur), ", "...)
	}
	b = appendMS(append(b, "trapgate;dur="...), e.added)
	if e.waiting > 0 {
		b = appendMS(append(b, ", upstream;dur="...), e.waiting)
	}
	if e.x.Waited > 0 {
		b = appendMS(append(b, ", queue;dur="...), e.x.Waited)
	}
	if e.waited > 0 {
		b = appendMS(append(b, ", backoff;dur="...), e.waited)
	}
	e.timing = b
	e.id = append(e.id[:0], e.x.ID...)
	return append(fields,
		head.Field{Name: serverTiming, Value: b},
		head.Field{Name: requestID, Value: e.id})
}

var (
	serverTiming = []byte("Server-Timing")
	requestID    = []byte("x-trapgate-request-id")
)

// appendMS writes milliseconds with three decimals.
func appendMS(b []byte, d time.Duration) []byte {
	us := d.Microseconds()
	b = append(strconv.AppendInt(b, us/1000, 10), '.')
	return append(b, byte('0'+us/100%10), byte('0'+us/10%10), byte('0'+us%10))
}

// timings lists what each filter has taken so far, of the inner ring in the attempt under way. The list is valid until the
// next call.
func (e *exchange) timings() []telemetry.Piece {
	if e.outer == nil {
		return nil
	}
	var buf [8]filters.Timing
	all := e.outer.Timings(buf[:0])
	if e.inner != nil {
		all = e.inner.Timings(all)
	}
	e.parts = e.parts[:0]
	for _, t := range all {
		e.addPiece(t.Name, t.Spent)
	}
	return e.parts
}

// addPiece adds a filter's time to its piece: one that stands in both rings is still one.
func (e *exchange) addPiece(name string, d time.Duration) {
	for i := range e.parts {
		if e.parts[i].Name == name {
			e.parts[i].Dur += d
			return
		}
	}
	e.parts = append(e.parts, telemetry.Piece{Name: name, Dur: d})
}

// pieces splits the added time for the metrics: the filters', and the rest as the host's.
func (e *exchange) pieces() []telemetry.Piece {
	pieces := e.timings()
	rest := e.added
	for _, p := range pieces {
		rest -= p.Dur
	}
	e.parts = append(pieces, telemetry.Piece{Name: "host", Dur: max(rest, 0)})
	return e.parts
}

func outcomeOf(status int) telemetry.Outcome {
	if status >= 400 {
		return telemetry.OutcomeError
	}
	return telemetry.OutcomeOK
}

func statusText(status int) string { return strconv.Itoa(status) }

// admit checks who calls, and from where.
func (e *exchange) admit() *filters.Reply {
	c := e.rt.config
	if last := e.rt.lastHost.Load(); last != nil && *last == e.agent.Host {
		// nearly always
	} else if host := e.agent.Host; c.AllowHost([]byte(host)) {
		e.rt.lastHost.Store(&host)
	} else {
		return &filters.Reply{Status: 403, Code: "host_not_allowed", NoRetry: true, Message: fmt.Sprintf("host %.100q is not served here: call by a loopback name, or add it to hosts in the configuration", e.agent.Host)}
	}
	for _, f := range e.agent.Fields {
		if head.Is(f.Name, "origin") && !c.AllowOrigin(f.Value) {
			return &filters.Reply{Status: 403, Code: "origin_not_allowed", NoRetry: true, Message: fmt.Sprintf("origin %.100q may not call: add it to origins in the configuration", f.Value)}
		}
	}
	if !c.HasAuth() {
		return nil
	}
	name, ok := c.AuthName(credential(e.agent.Fields))
	if !ok {
		return &filters.Reply{Status: 401, Code: "invalid_api_key", NoRetry: true, Message: "this key may not call: present one of auth.keys as Authorization: Bearer, x-api-key or api-key"}
	}
	e.x.AuthName = name
	return nil
}

// credential returns the key that an agent presents, in whichever of the three forms.
func credential(f head.Fields) []byte {
	if v := f.Get("authorization"); len(v) > 7 && strings.EqualFold(string(v[:7]), "bearer ") {
		return v[7:]
	}
	if v := f.Get("x-api-key"); v != nil {
		return v
	}
	return f.Get("api-key")
}
