package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/trapgate/trapgate/internal/head"
	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/memory"
	"github.com/trapgate/trapgate/memory/embed"
	"github.com/trapgate/trapgate/proxy/config"
	"github.com/trapgate/trapgate/proxy/upstream"
)

// maxVectors bounds the answer of an embedding call, in bytes.
const maxVectors = 32 << 20

// embedder is who turns texts into vectors, nil without one. Its calls wait in no queue: a question's must come within milliseconds.
func (g *gateway) embedder(c *config.Embed) (memory.Embedder, error) {
	if c == nil {
		return nil, nil
	}
	post := func(ctx context.Context, tenant string, body []byte) (int, []byte, error) {
		up := g.pipeline.current.Load().upstreams.Named(c.Upstream)
		if up == nil {
			return 0, nil, fmt.Errorf("there is no upstream %s any more", c.Upstream)
		}
		call := &embedCall{up: up, span: g.beginEmbed(tenant, c.Model)}
		return call.run(ctx, body, c.Model)
	}
	return embed.NewRemote(post, embed.Options{Model: c.Model, From: c.Upstream})
}

var embedRoute = wire.Route{Dialect: wire.Embeddings, Op: wire.Embed}

// beginEmbed opens the record of a call: the provider bills it, so the ledger counts it.
func (g *gateway) beginEmbed(tenant, model string) *telemetry.Exchange {
	span := g.telemetry.Begin(telemetry.ExchangeStart{
		Start: time.Now(), ID: newID(), Method: "POST", Target: embedTarget, Route: embedRoute, Where: memoryWhere{},
	})
	span.Identify(tenant, "", "", "")
	span.Model(model)
	return span
}

const embedTarget = "/v1/embeddings"

// memoryWhere is what /debug/state shows of an embedding under way.
type memoryWhere struct{}

// Where implements telemetry's interface.
func (memoryWhere) Where() string { return "memory" }

// An embedCall is one request to an embeddings API.
type embedCall struct {
	up    *upstream.Upstream
	span  *telemetry.Exchange
	meter wire.Meter
}

var embedFields = head.Fields{field("Content-Type", "application/json"), field("Accept", "application/json")}

// run makes one try. Retries are the asker's.
func (c *embedCall) run(ctx context.Context, body []byte, model string) (status int, answer []byte, err error) {
	c.meter.Reset(wire.Embeddings)
	attempt := c.span.Attempt(telemetry.AttemptStart{Upstream: c.up.Config.Name, Address: c.up.Config.Host, Model: model, Start: time.Now()})
	leaver := newLeaver(ctx)
	c.up.Begin()
	defer func() {
		leaver.release()
		attempt.End(telemetry.AttemptEnd{Status: status, ErrorType: errorType(&verdict{status: status, err: err}), Answer: c.meter.Answer()})
		if ctx.Err() != nil {
			c.up.Abandon()
		} else {
			c.up.End(err != nil || status >= 500)
		}
		end := telemetry.ExchangeEnd{Status: status, Outcome: outcomeOf(status), Answer: c.meter.Answer(), Attempts: 1}
		if err != nil {
			end.Outcome, end.Err = telemetry.OutcomeFailed, err.Error()
		}
		c.span.End(end)
	}()
	resp, err := c.up.Do(leaver, &upstream.Request{Method: "POST", Target: embedTarget, Fields: embedFields, Body: body})
	if err != nil {
		return 0, nil, err
	}
	defer resp.Close()
	for {
		piece, err := resp.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if answer = append(answer, piece...); err == nil && len(answer) > maxVectors {
			err = fmt.Errorf("the answer is longer than %d bytes", maxVectors)
		}
		if err != nil {
			resp.Spoil()
			return 0, nil, err
		}
	}
	if !leaver.Detach() {
		resp.Spoil()
	}
	c.meter.Body(answer)
	return resp.Status, answer, nil
}
