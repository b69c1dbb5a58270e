package main

import (
	"fmt"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/proxy/upstream"
)

// candidates lists the upstreams of a call in the order in which they are tried.
func (e *exchange) candidates() ([]*upstream.Upstream, *filters.Reply) {
	d, model := e.x.Route.Dialect, e.model()
	if v := e.x.View; v != nil && !v.PreviousID.Empty() {
		if up := e.madeBy(v.PreviousResponse()); up != nil {
			// The conversation is stored there and nowhere else.
			return []*upstream.Upstream{up}, nil
		}
	}
	groups := e.rt.config.Candidates(d, model)
	session := ""
	if len(groups) > 1 || len(groups) == 1 && len(groups[0]) > 1 {
		e.x.RunLater() // only a choice needs to know the session
		session = e.x.Identity.Session
	}
	order := e.rt.upstreams.Order(nil, groups, session)
	if len(order) == 0 {
		return nil, &filters.Reply{Status: 404, Code: "no_upstream", NoRetry: true, Message: fmt.Sprintf("no upstream serves model %.100q in the %s dialect: add it to an upstream's models, or a route", model, d)}
	}
	return order, nil
}

// bodyKey groups requests that may belong to one conversation: same credential, same path, same beginning.
func (e *exchange) bodyKey() uint64 {
	h := xxh3.HashSeed(credential(e.x.Fields), xxh3.HashString(e.x.Target))
	return xxh3.HashSeed(e.body[:min(len(e.body), 512)], h)
}

// estimate counts what the upstream did not, about four bytes to a token, and reports whether it did. It is marked as such
// wherever it is shown.
func (e *exchange) estimate(a *wire.Answer, status int) bool {
	if a.Usage.Known || e.x.Route.Op != wire.Generate || status >= 400 {
		return false
	}
	a.Usage.Input, a.Usage.Output = int64(len(e.body)+3)/4, (a.OutputChars+3)/4
	return true
}

// panicked makes an error of a recovered panic.
func panicked(v any) error {
	if err, ok := v.(error); ok {
		return fmt.Errorf("panic: %w", err)
	}
	return fmt.Errorf("panic: %v", v)
}

// record remembers who made what the upstream now stores under an id.
func (e *exchange) record() {
	if e.recorded || e.shown == nil || e.shown.ID == "" || e.x.Route.Dialect != wire.Responses || !strings.HasPrefix(e.shown.ID, "resp") {
		return
	}
	if e.status < 300 {
		e.recorded = true
		e.p.ids.put(e.shown.ID, e.owner(), e.x.Attempt.Upstream)
		if e.rt.bind != nil {
			e.runLater()
			e.rt.bind(e.shown.ID, &e.x.Identity)
		}
	}
}
