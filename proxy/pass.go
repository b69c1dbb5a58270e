package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/proxy/config"
	"github.com/trapgate/trapgate/proxy/upstream"
)

// pass forwards what nobody reads, as it is: methods, multipart, binary; bodies are streamed in both directions. With a key of
// ours only what routes.passthrough lists goes out.
func (e *exchange) pass() {
	up, reply := e.passTarget()
	if reply == nil {
		reply = e.checkPassed(up)
	}
	if reply != nil {
		e.refuse(reply)
		return
	}
	e.forward(up)
}

// passTarget picks the upstream of a path that no piece knows.
func (e *exchange) passTarget() (*upstream.Upstream, *filters.Reply) {
	d := e.x.Route.Dialect
	if d == wire.Other && e.agent.Fields.Has("anthropic-version") {
		d = wire.Messages
	}
	path, _, _ := strings.Cut(e.x.Target, "?")
	order := e.rt.upstreams.Order(nil, e.rt.config.Pass(d, path), "")
	if len(order) == 0 {
		return nil, &filters.Reply{Status: 404, Code: "not_passed_through", NoRetry: true, Message: fmt.Sprintf("no upstream takes %.200s: with a configured key only the paths of routes[].passthrough are forwarded", path)}
	}
	if id := storedID(path); id != "" {
		if up := e.madeBy(id); up != nil && (up.Config.Credential == config.CredentialAgent || slices.Contains(order, up)) {
			return up, nil
		}
	}
	return order[0], nil
}

// storedID finds the id of a file, container or other stored object in a path.
func storedID(path string) string {
	for part := range strings.SplitSeq(path, "/") {
		if part, err := url.PathUnescape(part); err == nil && providerID(part) {
			return part
		}
	}
	return ""
}

// checkPassed keeps tenants that share a key of ours out of each other's stored objects.
func (e *exchange) checkPassed(up *upstream.Upstream) *filters.Reply {
	if !e.rt.config.HasAuth() || up.Config.Credential == config.CredentialAgent {
		return nil
	}
	path, _, _ := strings.Cut(e.x.Target, "?")
	named := false
	for part := range strings.SplitSeq(path, "/") {
		id, err := url.PathUnescape(part)
		if err != nil || !providerID(id) {
			continue
		}
		if named = true; !e.mayUse(id) {
			return unknownID("object", id)
		}
	}
	if !named && e.x.Method == "GET" && keepsObjects(path) {
		return &filters.Reply{Status: 403, Code: "list_not_allowed", NoRetry: true, Message: "a list would show what other keys have made: ask for an id that this key's requests returned"}
	}
	return nil
}

// keepsObjects reports whether a path lists what is stored under one key.
func keepsObjects(path string) bool {
	for _, kind := range [...]string{"/files", "/containers", "/conversations", "/responses", "/batches", "/vector_stores", "/uploads"} {
		if strings.HasSuffix(strings.TrimSuffix(path, "/"), kind) {
			return true
		}
	}
	return false
}

// forward makes the one attempt of a request that is not read.
func (e *exchange) forward(up *upstream.Upstream) {
	var err error
	if e.outer, err = filters.NewChain().Open(e.agent, e.x); err != nil {
		e.refuseOr(filters.AsReply(err), err)
		return
	}
	inner, _ := filters.NewInnerChain().Open(e.agent, e.x)
	defer inner.Close(nil)
	e.x.Attempt = filters.Attempt{Upstream: up.Config.Name}
	r := &upstream.Request{
		Method: e.x.Method, Target: e.x.Target, Fields: e.x.Fields, Length: e.agent.Length(), Chunked: e.agent.Chunked(),
		Messages: e.agent.Fields.Has("anthropic-version"),
		Sent:     func() { e.sent = e.clock() },
	}
	if reply, err := e.readPassed(up, r); reply != nil || err != nil {
		e.refuseOr(reply, err)
		return
	}
	if body := e.agent.Body(); body != nil && r.Body == nil {
		r.Stream, r.Interrupt = body, e.agent.StopReading
	}
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
	defer resp.Close()
	v.status = resp.Status
	if v.err = e.answer(up, resp, inner, t).all(); v.err != nil {
		e.refuseOr(filters.AsReply(v.err), v.err)
		return
	}
	e.bindPassed(up)
}

// readPassed reads a JSON body after all where tenants share a key of ours: it may name what another tenant has made.
func (e *exchange) readPassed(up *upstream.Upstream, r *upstream.Request) (*filters.Reply, error) {
	if !e.rt.config.HasAuth() || up.Config.Credential == config.CredentialAgent || !wire.IsJSON(e.agent.Fields.Get("content-type")) {
		return nil, nil
	}
	if reply, err := e.takeBody(); reply != nil || err != nil {
		return reply, err
	}
	r.Body = e.body
	return e.foreignIDs(), nil
}

// bindPassed remembers who made a stored object.
func (e *exchange) bindPassed(up *upstream.Upstream) {
	if e.x.Method != "POST" || e.status >= 300 || len(e.unary) == 0 || len(e.unary) > 64<<10 {
		return
	}
	id := gjson.GetBytes(e.unary, "id").String()
	if !providerID(id) {
		return
	}
	if _, taken := e.p.ids.ids.Get(id); !taken { // naming what another has made does not make it one's own
		e.p.ids.put(id, e.owner(), up.Config.Name)
	}
}

// stored serves what is kept under an id: GET, DELETE, cancel, input_items, and GET /models/{id}.
func (e *exchange) stored() {
	groups := e.rt.config.Candidates(e.x.Route.Dialect, "")
	if e.x.Route.Op == wire.GetModel {
		groups = e.rt.config.Candidates(e.callersDialect(), e.x.Route.ID)
	}
	order := e.rt.upstreams.Order(nil, groups, "")
	if len(order) == 0 {
		e.refuse(&filters.Reply{Status: 404, Code: "no_upstream", NoRetry: true, Message: "no upstream serves this path: see upstreams[].dialects and models"})
		return
	}
	up := order[0]
	if e.x.Route.Op != wire.GetModel {
		if made := e.madeBy(e.x.Route.ID); made != nil {
			up = made
		} else if up.Config.Credential != config.CredentialAgent && !e.mayUse(e.x.Route.ID) {
			e.refuse(unknownID("response", e.x.Route.ID))
			return
		}
	}
	e.forward(up)
}

// callersDialect is the dialect of a path that all dialects share, such as /models.
func (e *exchange) callersDialect() wire.Dialect {
	if e.agent.Fields.Has("anthropic-version") {
		return wire.Messages
	}
	return wire.Chat
}

// listModels merges the lists of several upstreams, in the caller's dialect; a single one is asked and passed on.
func (e *exchange) listModels() {
	d := e.callersDialect()
	var ups []*upstream.Upstream
	own := e.ownUpstream(d)
	for _, u := range e.rt.upstreams.All() {
		if !u.Config.Speaks(d) && (d != wire.Chat || !u.Config.Speaks(wire.Responses)) {
			continue
		}
		if u.Config.Credential != config.CredentialAgent || u == own {
			ups = append(ups, u)
		}
	}
	switch len(ups) {
	case 0:
		e.refuse(&filters.Reply{Status: 404, Code: "no_upstream", NoRetry: true, Message: "no upstream speaks this dialect"})
	case 1:
		e.forward(ups[0])
	default:
		e.mergeModels(d, ups)
	}
}

// ownUpstream is the one upstream that may be shown the agent's credential, if there is one: it goes to no second.
func (e *exchange) ownUpstream(d wire.Dialect) (own *upstream.Upstream) {
	for _, u := range e.rt.upstreams.All() {
		if u.Config.Credential != config.CredentialAgent {
			continue
		}
		if u.Config.Speaks(d) {
			return u
		}
		if own == nil && d == wire.Chat && u.Config.Speaks(wire.Responses) {
			own = u
		}
	}
	return own
}

// mergeModels asks every upstream and lists each model once, those that it is configured to serve, under the names that
// agents use.
func (e *exchange) mergeModels(d wire.Dialect, ups []*upstream.Upstream) {
	var list bytes.Buffer
	seen := map[string]bool{}
	var last error
	ok := false
	add := func(name string, raw []byte) {
		if seen[name] {
			return
		}
		seen[name] = true
		if list.Len() > 0 {
			list.WriteByte(',')
		}
		list.Write(raw)
	}
	for _, u := range ups {
		body, err := e.fetch(u)
		if err != nil {
			last = err
			if errors.Is(err, filters.ErrAgentGone) {
				e.refuseOr(nil, err)
				return
			}
			continue
		}
		ok = true
		for _, m := range gjson.GetBytes(body, "data").Array() {
			if name := m.Get("id").String(); u.Config.Serves(name) {
				add(name, []byte(m.Raw))
			}
		}
	}
	if !ok {
		e.refuseOr(filters.AsReply(last), last)
		return
	}
	first, tail := `{"object":"list","data":[`, `]}`
	if d == wire.Messages {
		first, tail = `{"data":[`, `],"has_more":false,"first_id":null,"last_id":null}`
	}
	e.answerJSON(200, append(append([]byte(first), list.Bytes()...), tail...))
}

// fetch reads one upstream's whole answer to the agent's GET.
func (e *exchange) fetch(up *upstream.Upstream) ([]byte, error) {
	e.x.Attempt = filters.Attempt{Number: e.attempts, Upstream: up.Config.Name}
	r := &upstream.Request{Method: e.x.Method, Target: e.x.Target, Fields: e.x.Fields, Messages: e.agent.Fields.Has("anthropic-version")}
	var v verdict
	t := e.startAttempt(up, r)
	defer func() { e.endAttempt(up, t, &v) }()
	e.attempts++
	resp, err := up.Do(e.agent, r)
	e.headArrived()
	if err != nil {
		v.failure, v.err = err, e.upstreamReply(err)
		return nil, v.err
	}
	defer func() {
		if !e.agent.Detach() {
			resp.Spoil()
		}
		resp.Close()
	}()
	v.status = resp.Status
	if resp.Status != 200 || !e.hold(resp) || e.held == nil {
		v.err = &filters.Reply{Status: 502, Code: "upstream_models", Message: fmt.Sprintf("upstream %s answered %d to the list of models", up.Config.Name, resp.Status)}
		return nil, v.err
	}
	body := e.held.body
	e.held = nil
	return body, nil
}
