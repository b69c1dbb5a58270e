package main

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/head"
	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/proxy/config"
	"github.com/trapgate/trapgate/proxy/server"
	"github.com/trapgate/trapgate/proxy/upstream"
)

// A pipeline is what happens to every request, in execution order. Read Serve, then generate, then call: that is Trapgate.
type pipeline struct {
	current   atomic.Pointer[runtime]
	telemetry *telemetry.Telemetry
	views     *wire.PrefixCache // what is known of recent request bodies
	ids       *ownership        // who made which response, file or container
	jobs      jobs              // background work
}

// A runtime is all that is made from one configuration snapshot. An exchange keeps the one it began with.
type runtime struct {
	config    *config.Snapshot
	upstreams *upstream.Set
	outer     *filters.Chain                                // once for an exchange: identity, recall, tools (audit and policy will stand after identity)
	inner     *filters.Chain                                // once for an attempt: rewrite, schedule
	lastHost  atomic.Pointer[string]                        // that was admitted
	bind      func(responseID string, id *filters.Identity) // tells identity who made a stored response; may be nil
}

// pieces reports whether any piece is on: identity alone changes nothing.
func (rt *runtime) pieces() bool { return rt.outer.Len()+rt.inner.Len() > 1 }

// Serve runs on the connection's goroutine, from the read head to the last byte of the answer.
func (p *pipeline) Serve(a *server.Agent) {
	e := p.begin(a)
	defer e.finish()
	if reply := e.admit(); reply != nil {
		e.refuse(reply)
		return
	}
	switch op := e.x.Route.Op; {
	case op == wire.Pass && a.Fields.Has("upgrade") && head.Is(a.Fields.Get("upgrade"), "websocket"):
		e.tunnel()
	case op == wire.Generate, op == wire.Count, op == wire.Embed:
		e.generate()
	case op == wire.ListModels:
		e.listModels()
	case op == wire.Pass:
		e.pass()
	default:
		e.stored()
	}
}

// generate reads the request, opens the outer ring, and makes calls until no filter asks for another.
func (e *exchange) generate() {
	if reply, err := e.read(); reply != nil || err != nil {
		e.refuseOr(reply, err)
		return
	}
	var err error
	if e.outer, err = e.rt.outer.Open(e.agent, e.x); err != nil {
		e.refuseOr(filters.AsReply(err), err)
		return
	}
	e.outer.SetSink((*agentSink)(e))
	for again := true; again; e.x.Call++ {
		if again, err = e.call(); err != nil {
			e.refuseOr(filters.AsReply(err), err)
			return
		}
	}
}

// call gets one model answer: attempt after attempt, at the candidates in their order, until one is final. Nothing of a call
// is tried again once a byte of its answer has gone to the agent.
func (e *exchange) call() (again bool, err error) {
	order, reply := e.candidates()
	if reply != nil {
		return false, reply
	}
	e.tries, e.asked = 0, false
	for next := 0; ; next++ {
		up := order[min(next, len(order)-1)]
		more := next+1 < len(order)
		v := e.attempt(up, more)
		switch {
		case v.final:
			return v.again, v.err
		case v.plain:
			e.plain = true // the same once more, without what we had added
			next--
		case v.anew:
			next-- // the same upstream, with something else
		case more:
			e.fallbacks++
			e.x.Trail.Append("host", "fallback", filters.Attr{Key: "from", Value: up.Config.Name}, filters.Attr{Key: "to", Value: order[next+1].Config.Name})
		default:
			e.x.Trail.Append("host", "retry", filters.Attr{Key: "after_ms", Value: v.after.Milliseconds()})
			if err := e.wait(v.after); err != nil { // a back-off holds no slot
				return false, err
			}
			next = min(next, len(order)-1) - 1 // the last candidate once more
		}
	}
}

// attempt makes one try of the call at one upstream, and relays the answer if it is final. more says that another candidate
// would follow.
func (e *exchange) attempt(up *upstream.Upstream, more bool) (v verdict) {
	e.nextAttempt(up, more)
	if e.rt.inner.Len() > 0 { // it may hold the attempt, and asks for what is deferred when it needs it
		e.x.Later(e.identify)
		e.enter(telemetry.StateQueued)
		e.queued = e.clock()
	}
	up.Begin() // who waits for it counts when others choose between replicas
	inner, err := e.rt.inner.OpenIn(&e.noInner, e.agent, e.x)
	e.inner = inner
	defer func() { e.logClose(inner.Close(e.cause(v))) }()
	if err != nil {
		up.Abandon()
		return e.notAdmitted(err, more)
	}
	inner.SetSink(e.outer)
	e.stillHere()
	request := e.request()
	t := e.startAttempt(up, request)
	defer func() { e.endAttempt(up, t, &v) }()

	e.enter(telemetry.StateWaiting)
	resp, err := up.Do(e.agent, request)
	e.headArrived()
	if err != nil {
		return e.failed(err, more)
	}
	defer resp.Close()
	v.status = resp.Status
	if after, ok := e.retryable(resp, more); ok && e.hold(resp) {
		if !e.agent.Detach() {
			resp.Spoil()
		}
		if !e.held.spent() {
			v.after = after
			return v
		}
		v.final, v.err = true, e.replay()
		return v
	}
	if again, err := e.refused(resp); again || err != nil {
		v.anew, v.final, v.err = again, !again, err
		return v
	}
	e.dropHeld()
	v.final = true
	answer := e.answer(up, resp, inner, t)
	if v.err = answer.relay(); answer.next != nil {
		return answer.next(v, more)
	}
	if v.err == nil {
		if e.doubted == up && e.x.Attempt.Plain && resp.Status < 300 {
			up.RefuseStreams()
		}
		if e.outer.Edits() { // it may ask for another call, or run a tool first: neither holds this one's place
			e.logClose(inner.Close(e.cause(v)))
		}
		v.again, err = answer.end()
		v.err = e.why(err)
	}
	return v
}

// notAdmitted decides what follows an attempt that the inner ring has not let go: another candidate, when only this upstream has no
// place for it.
func (e *exchange) notAdmitted(err error, more bool) verdict {
	reply := filters.AsReply(err)
	switch {
	case reply == nil || !reply.Local:
	case more:
		return verdict{failure: err}
	case e.held != nil && !e.begun(): // what the upstream itself said last
		return verdict{final: true, err: e.replay()}
	}
	return verdict{final: true, err: e.why(err)}
}

// failed decides what follows a try that brought no answer: another one only when the request reached nobody.
func (e *exchange) failed(err error, more bool) verdict {
	v := verdict{err: err, failure: err}
	var u *upstream.Error
	if errors.As(err, &u) && u.Kind == upstream.Connect {
		if more {
			return v
		}
		if after, ok := e.backoff(0); ok {
			v.after = after
			return v
		}
	}
	v.final = true
	if e.held != nil && !e.begun() {
		v.err = e.replay() // the last answer that an upstream gave
		return v
	}
	v.err = e.upstreamReply(err)
	return v
}

// upstreamReply tells the agent, in its dialect, that no answer came and what to do about it.
func (e *exchange) upstreamReply(err error) error {
	name := e.x.Attempt.Upstream
	var u *upstream.Error
	if !errors.As(err, &u) {
		return err
	}
	switch u.Kind {
	case upstream.Agent:
		return e.gone(err)
	case upstream.Connect:
		return &filters.Reply{Status: 502, Code: "upstream_unreachable", Message: fmt.Sprintf("upstream %s cannot be reached (%v): check that it runs and that its base_url is right", name, u.Err)}
	case upstream.Timeout:
		return &filters.Reply{Status: 504, Code: "upstream_timeout", Message: fmt.Sprintf("upstream %s sent nothing for too long: raise its timeouts.response if it needs more time", name)}
	case upstream.Malformed:
		return &filters.Reply{Status: 502, Code: "upstream_malformed", Message: fmt.Sprintf("upstream %s did not answer in HTTP/1.1 (%v): check its base_url and scheme", name, u.Err)}
	}
	return &filters.Reply{Status: 502, Code: "upstream_closed", Message: fmt.Sprintf("upstream %s closed the connection before it answered; it may have worked on the request: send it again if that is safe", name)}
}
