package main

import (
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/head"
	"github.com/trapgate/trapgate/proxy/upstream"
)

// Many upstreams refuse inside a stream: 200, an event or two that say that there is a response, and then an error. So the beginning
// of a stream is looked at while a filter may know a way out. What it costs is that head and opening events leave with the first
// event that says something, and no later than lookTime; that event itself is not held for a moment, and no token is.

// lookTime is for how long the beginning of a stream is kept back at most, from its head on. An upstream refuses for length when it
// has counted the prompt and before it works on it, so what is later is hardly ever a refusal; and no agent gives an answer up that
// soon, or misses a heartbeat. Whether the request is near its window does not matter: a window that is wrong is what we want to hear of.
const lookTime = 2 * time.Second

// lookAhead finds out whether a stream begins with a refusal, and with which; status 0: it does not, or not soon, or it cannot be
// read. The answer's bytes are still all there.
func (e *exchange) lookAhead(resp *upstream.Response) (status int, body []byte) {
	if enc := resp.Fields.Get("content-encoding"); len(enc) > 0 && !head.Is(enc, "identity") {
		return 0, nil
	}
	p := &e.parser
	p.Reset()
	defer func() {
		p.Reset()
		e.freshMeter()
		e.headArrived() // the wait was the upstream's time, not ours
	}()
	by := e.clock().Add(lookTime)
	for seen := 0; seen < maxHeld; {
		piece, ok := resp.Ahead(by)
		if !ok {
			break
		}
		seen += len(piece)
		p.Feed(piece)
		for ev, ok := p.Next(); ok; ev, ok = p.Next() {
			if decided, status, body := filters.Opening(&e.meter, e.x.Route.Dialect, ev.Name, ev.Data); decided {
				return status, body
			}
		}
	}
	return 0, nil
}

// refused asks the inner ring, once a call, whether it knows a way out of a refusal that would be the agent's: an answer that is
// one, or a stream that begins with one.
func (e *exchange) refused(resp *upstream.Response) (again bool, err error) {
	if e.asked || !e.inner.Refusable() {
		return false, nil
	}
	status, body := resp.Status, []byte(nil)
	switch {
	case status >= 400 && resp.Length <= maxHeld:
		e.runLater()
		whole := false
		if body, whole = resp.Peek(maxHeld); !whole {
			return false, nil
		}
	case isStream(resp):
		if status, body = e.lookAhead(resp); status == 0 {
			return false, nil
		}
		e.runLater()
	default:
		return false, nil
	}
	if again, err = e.inner.Refused(status, resp.Fields, body); again {
		e.asked, e.refusal = true, status
		e.x.Trail.Append("host", "anew", filters.Attr{Key: "status", Value: int64(status)})
		if !e.agent.Detach() {
			resp.Spoil()
		}
	}
	return again, err
}
