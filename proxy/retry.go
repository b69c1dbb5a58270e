package main

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/filters/schedule"
	"github.com/trapgate/trapgate/internal/head"
	"github.com/trapgate/trapgate/proxy/server"
	"github.com/trapgate/trapgate/proxy/upstream"
	"github.com/trapgate/trapgate/ratelimit/limit"
)

// maxHeld is the largest error answer that is kept while another attempt is made, in bytes.
const maxHeld = 1 << 20

// firstBackoff is the base of the exponential back-off; jitter takes up to half of it away.
const firstBackoff = 400 * time.Millisecond

// retryable reports whether an answer asks for another attempt and the budget allows one; after is the back-off, which a
// change of upstream does not need.
func (e *exchange) retryable(resp *upstream.Response, more bool) (after time.Duration, ok bool) {
	if !e.retryableStatus(resp.Status) || head.Is(resp.Fields.Get("x-should-retry"), "false") {
		return 0, false
	}
	if more {
		return 0, true
	}
	asked, _ := limit.RetryAfter(e.clock(), resp.Fields)
	if e.rt.config.Schedule != nil && (resp.Status == 429 || resp.Status == 529) {
		return e.holdOff(asked)
	}
	return e.backoff(asked)
}

// maxRefusals is how often a call that waits its turn is refused by the upstream before the refusal is passed on.
const maxRefusals = 8

// holdOff follows a refusal for want of capacity when there is a queue. The pool waits as long as the upstream asked, with
// everybody's calls in their order, so this one goes back there after a moment and uses up no retry.
func (e *exchange) holdOff(asked time.Duration) (time.Duration, bool) {
	if e.refusals >= maxRefusals {
		return 0, false
	}
	d := firstBackoff << min(e.refusals, 4)
	e.refusals++
	if asked > 0 {
		d = min(asked, firstBackoff)
	}
	return d - time.Duration(rand.Int64N(int64(d)/2+1)), true
}

// spent reports whether a refusal says that there is nothing to wait for: an account without money.
func (h *heldAnswer) spent() bool {
	return h != nil && h.status == 429 && schedule.Unpaid(h.body)
}

// retryableStatus reports whether a status is worth another attempt.
func (e *exchange) retryableStatus(status int) bool {
	switch status {
	case 408, 429, 502, 503, 504:
		return true
	case 529:
		return e.rt.config.Schedule != nil
	case 500:
		return e.rt.config.Limits.Retry500
	}
	return false
}

// backoff takes one retry from the budget, if it holds one: what the upstream asked for, else exponential with jitter.
func (e *exchange) backoff(asked time.Duration) (time.Duration, bool) {
	l := &e.rt.config.Limits
	if e.retries >= l.Retries {
		return 0, false
	}
	d := asked
	if d <= 0 {
		d = firstBackoff << e.retries
		d -= time.Duration(rand.Int64N(int64(d)/2 + 1))
	} else if spread := min(d/4, l.RetryTotal-e.waited-d); spread > 0 {
		d += time.Duration(rand.Int64N(int64(spread))) // those who were told the same moment do not all come in it
	}
	if e.waited+d > l.RetryTotal {
		return d, false
	}
	e.retries++
	return d, true
}

// A heldAnswer is an upstream's error answer that goes out if no further attempt brings one.
type heldAnswer struct {
	status   int
	reason   []byte
	fields   head.Fields
	body     []byte
	bodiless bool
}

// hold keeps an error answer. It reports false when the answer is too long to be kept: then it must be relayed now.
func (e *exchange) hold(resp *upstream.Response) bool {
	if resp.Length > maxHeld {
		return false
	}
	h := &heldAnswer{status: resp.Status, reason: bytes.Clone(resp.Reason), fields: resp.Fields.Clone(), bodiless: resp.Bodiless}
	resp.HurryUp(5 * time.Second)
	for {
		piece, err := resp.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || len(h.body)+len(piece) > maxHeld {
			// Not whole, so it is worth nothing to the agent; an earlier one stays.
			return true
		}
		h.body = append(h.body, piece...)
	}
	e.held = h
	return true
}

func (e *exchange) dropHeld() { e.held = nil }

// replay sends the held answer: the last that an upstream gave, byte for byte with its header lines.
func (e *exchange) replay() error {
	h := e.held
	e.held = nil
	r := &relay{
		e: e, resp: &upstream.Response{Status: h.status, Reason: h.reason, Bodiless: h.bodiless},
		head: filters.ResponseHead{Status: h.status, Fields: h.fields},
	}
	f := server.Sized
	if h.bodiless {
		f = server.Bodiless
	}
	e.status = h.status
	if e.committed {
		e.meter.Body(h.body)
		return e.tellError(h.status)
	}
	length := len(h.body)
	if h.bodiless {
		length = -1
	}
	e.agent.Head(h.status, h.reason, r.fields(f, length), f)
	e.meter.Body(h.body)
	e.shown = e.meter.Answer()
	e.outcome = outcomeOf(h.status)
	e.agent.Write(h.body)
	return e.agent.Finish(nil)
}
