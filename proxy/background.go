package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/head"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/ratelimit"
)

// Bounds of the background work under way. What comes on top is not done: it is worth less than what agents wait for.
const (
	maxJobs       = 32
	maxTenantJobs = 8
)

// jobs are the background work of a process. The zero value is ready.
type jobs struct {
	mu      sync.Mutex
	ctx     context.Context // ends with the process; made with the first job
	stop    context.CancelCauseFunc
	closed  bool
	count   int
	tenants map[string]int
	running sync.WaitGroup
}

var errManyJobs = errors.New("too much background work is under way")

// start runs f on a goroutine of its own: exactly once, unless it returns an error.
func (b *jobs) start(tenant string, f func(ctx context.Context)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return filters.ErrShutdown
	case b.count >= maxJobs || b.tenants[tenant] >= maxTenantJobs:
		return errManyJobs
	case b.ctx == nil:
		b.ctx, b.stop = context.WithCancelCause(context.Background())
		b.tenants = make(map[string]int)
	}
	b.count++
	b.tenants[tenant]++
	b.running.Go(func() { b.run(tenant, f) })
	return nil
}

func (b *jobs) run(tenant string, f func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(b.ctx)
	defer func() {
		cancel()
		if v := recover(); v != nil {
			slog.Error("background work failed", "err", panicked(v))
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.count--
		if b.tenants[tenant]--; b.tenants[tenant] == 0 {
			delete(b.tenants, tenant)
		}
	}()
	f(ctx)
}

// close ends all jobs and waits for them.
func (b *jobs) close() {
	b.mu.Lock()
	b.closed = true
	if b.stop != nil {
		b.stop(filters.ErrShutdown)
	}
	b.mu.Unlock()
	b.running.Wait()
}

// A job is background work that an exchange has caused, with all that it needs of the exchange. The agent's credential is in its
// fields: they are nowhere else, and gone with the job.
type job struct {
	p        *pipeline
	rt       *runtime // of the exchange: the agent's credential goes where that one's configuration says
	ctx      context.Context
	cause    string // the exchange's id
	authName string
	identity filters.Identity
	route    wire.Route
	target   string
	fields   head.Fields
}

// startJob is the type of filters.Exchange.Background.
type startJob = func(class string, f func(ctx context.Context, call filters.Caller)) error

// background implements filters.Exchange.Background.
func (e *exchange) background(class string, f func(ctx context.Context, call filters.Caller)) error {
	if s := e.rt.config.Schedule; s != nil && !slices.ContainsFunc(s.Engine.Classes, func(c ratelimit.ClassConfig) bool { return c.Name == class }) {
		return fmt.Errorf("background work: no class %q is configured", class)
	}
	x := e.x
	j := &job{
		p: e.p, rt: e.rt, cause: x.ID, authName: strings.Clone(x.AuthName), identity: causedBy(&x.Identity, class), route: x.Route,
		target: strings.Clone(x.Target), fields: kept(x.Fields),
	}
	j.route.Deployment = strings.Clone(j.route.Deployment)
	err := e.p.jobs.start(j.identity.Tenant, func(ctx context.Context) {
		j.ctx = ctx
		f(ctx, j.call)
	})
	if err == nil {
		x.Trail.Append("host", "background", filters.Attr{Key: "class", Value: class})
	}
	return err
}

// causedBy is who background work is charged to: the same program, beside its conversation.
func causedBy(id *filters.Identity, class string) filters.Identity {
	c := filters.Identity{Class: class, Side: true}
	for _, s := range []struct{ to, from *string }{
		{&c.Tenant, &id.Tenant},
		{&c.User, &id.User},
		{&c.Agent, &id.Agent},
		{&c.Session, &id.Session},
		{&c.Program, &id.Program},
	} {
		*s.to = strings.Clone(*s.from)
	}
	return c
}

// keptLines are the header lines of an agent that its provider needs to know it by. What tells of the one request stays behind.
var keptLines = []string{
	"authorization", "x-api-key", "api-key", "anthropic-version", "anthropic-beta", "openai-organization", "openai-project",
	"openai-beta", "chatgpt-account-id", "originator", "user-agent",
}

// kept copies the lines of an agent that its background calls carry, and adds those that they have themselves.
func kept(from head.Fields) head.Fields {
	fields := head.Fields{field("Content-Type", "application/json"), field("Accept", "application/json"), field("x-trapgate-context", "off")}
	for _, f := range from {
		if slices.ContainsFunc(keptLines, func(name string) bool { return head.Is(f.Name, name) }) {
			fields = append(fields, head.Field{Name: bytes.Clone(f.Name), Value: bytes.Clone(f.Value)})
		}
	}
	return fields
}

// call implements filters.Caller.
func (j *job) call(ctx context.Context, d wire.Dialect, body []byte) (status int, answer []byte, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(j.ctx, func() { cancel(context.Cause(j.ctx)) })()
	view, err := wire.Acquire(d, body, wire.Limits{})
	if err != nil {
		return 0, nil, err
	}
	defer view.Release()
	if view.Stream {
		return 0, nil, errors.New("background calls are not streamed")
	}
	c := j.newCall(ctx, d, view)
	defer c.leaver.release()
	return c.run()
}

// targetOf is the request target of a call: the exchange's own where it is of the same kind, so that a prefix, a version or a
// deployment stays.
func (j *job) targetOf(d wire.Dialect, model string) string {
	if d == j.route.Dialect && (j.route.Op == wire.Generate || j.route.Op == wire.Embed) {
		if own := j.route.Deployment; own != "" && own != model {
			return strings.Replace(j.target, "/deployments/"+own+"/", "/deployments/"+model+"/", 1)
		}
		return j.target
	}
	switch d {
	case wire.Chat:
		return "/v1/chat/completions"
	case wire.Responses:
		return "/v1/responses"
	case wire.Messages:
		return "/v1/messages"
	case wire.Completions:
		return "/v1/completions"
	}
	return "/v1/embeddings"
}

// A leaver stands where an agent stands in other calls: when ctx ends the upstream's connection is killed.
type leaver struct {
	context.Context
	release func() bool

	mu sync.Mutex
	up interface{ Kill() }
}

func newLeaver(ctx context.Context) *leaver {
	l := &leaver{Context: ctx}
	l.release = context.AfterFunc(ctx, l.leave)
	return l
}

func (l *leaver) leave() {
	l.mu.Lock()
	up := l.up
	l.up = nil
	l.mu.Unlock()
	if up != nil {
		up.Kill()
	}
}

// Attach implements upstream.Leaver.
func (l *leaver) Attach(up interface{ Kill() }) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.Err() != nil {
		return false
	}
	l.up = up
	return true
}

// Detach implements upstream.Leaver.
func (l *leaver) Detach() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up = nil
	return l.Err() == nil
}
