package main

import (
	"errors"
	"log/slog"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/proxy/upstream"
)

// The record of a background call: the provider bills it, so the ledger counts it, and operators see it like an exchange.

func (c *backgroundCall) startAttempt(up *upstream.Upstream) *telemetry.Attempt {
	return c.span.Attempt(telemetry.AttemptStart{
		Upstream: up.Config.Name, Address: up.Config.Host, Model: c.x.Attempt.Model, Number: c.x.Attempt.Number,
		MaxTokens: c.x.View.MaxTokensValue(), Start: time.Now(),
	})
}

func (c *backgroundCall) endAttempt(up *upstream.Upstream, t *telemetry.Attempt, v *verdict) {
	if err := c.x.RunLater(); err != nil {
		slog.Error("a filter failed behind a background call", "id", c.x.ID, "err", err)
	}
	end := telemetry.AttemptEnd{Status: v.status, ErrorType: errorType(v)}
	if v.status > 0 {
		end.Answer = c.meter.Answer()
		if a := end.Answer; !a.Usage.Known && v.status < 300 { // about four bytes to a token
			end.Estimated = true
			a.Usage.Input, a.Usage.Output = int64(len(c.x.View.Body)+3)/4, (a.OutputChars+3)/4
		}
	}
	t.End(end)
	if end.ErrorType == telemetry.ErrorAgentGone || end.ErrorType == telemetry.ErrorShutdown {
		up.Abandon()
	} else {
		up.End(v.status == 0 || v.status >= 500)
	}
}

// end writes the record of a call whose attempt with that number was the last.
func (c *backgroundCall) end(v verdict, last int) {
	for _, entry := range c.x.Trail.Entries() {
		telemetry.Trail(c.span, entry.At, entry.Filter, entry.Kind, entry.Attrs)
	}
	end := telemetry.ExchangeEnd{
		Status: v.status, Outcome: outcomeOf(v.status), Answer: c.meter.Answer(), Attempts: last + 1, Retries: c.retries,
		Fallbacks: max(last-c.retries, 0), Queued: c.x.Waited,
	}
	if err := v.err; err != nil {
		end.Err = err.Error()
		switch {
		case errors.Is(err, filters.ErrShutdown):
			end.Outcome = telemetry.OutcomeShutdown
		case errors.Is(err, filters.ErrAgentGone):
			end.Outcome = telemetry.OutcomeAgentGone
		case errors.Is(err, filters.ErrTruncated):
			end.Outcome = telemetry.OutcomeTruncated
		case filters.AsReply(err) != nil:
			end.Outcome, end.Code = telemetry.OutcomeRefused, filters.AsReply(err).Code
		default:
			end.Outcome = telemetry.OutcomeFailed
		}
	}
	c.span.End(end)
}
