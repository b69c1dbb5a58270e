package main

import (
	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/proxy/server"
	"github.com/trapgate/trapgate/proxy/upstream"
)

// tunnel passes a WebSocket on while no piece is on; a piece would not see what goes through it, so agents are then told to
// fall back to POST, which they do at once.
func (e *exchange) tunnel() {
	if e.rt.pieces() && e.x.Route.Dialect != wire.Other {
		e.refuse(&filters.Reply{Status: 426, Code: "websocket_not_supported", NoRetry: true, Message: "model calls go by POST here: WebSockets are tunnelled only while no piece is configured"})
		return
	}
	up, reply := e.passTarget()
	if reply == nil {
		reply = e.checkPassed(up)
	}
	if reply != nil {
		e.refuse(reply)
		return
	}
	e.upgrade(up)
}

// upgrade sends the handshake; a refusal is passed on at once, as it is.
func (e *exchange) upgrade(up *upstream.Upstream) {
	e.outer, _ = filters.NewChain().Open(e.agent, e.x)
	inner, _ := filters.NewInnerChain().Open(e.agent, e.x)
	defer inner.Close(nil)
	e.x.Attempt = filters.Attempt{Upstream: up.Config.Name}
	r := &upstream.Request{Method: e.x.Method, Target: e.x.Target, Fields: e.x.Fields, Upgrade: true}
	var v verdict
	e.beginUnseen(up)
	t := e.startAttempt(up, r)
	defer func() { e.endAttempt(up, t, &v) }()
	e.attempts++
	e.enter(telemetry.StateWaiting)
	resp, err := up.Do(e.agent, r)
	e.headArrived()
	if err != nil {
		v.failure, v.err = err, e.upstreamReply(err)
		e.refuseOr(filters.AsReply(v.err), v.err)
		return
	}
	v.status = resp.Status
	if resp.Status != 101 {
		defer resp.Close()
		if v.err = e.answer(up, resp, inner, t).all(); v.err != nil {
			e.refuseOr(filters.AsReply(v.err), v.err)
		}
		return
	}
	e.agent.Detach()
	e.status = 101
	e.agent.Head(101, resp.Reason, e.ours(resp.Fields), server.Bodiless)
	conn, rest := resp.Take()
	if e.agent.Finish(nil) != nil {
		conn.Close()
		return
	}
	e.agent.Tunnel(conn, rest, up.Config.StreamIdle)
}
