package main

import (
	"fmt"
	"io"
	"time"

	"github.com/alecthomas/kong"

	"github.com/trapgate/trapgate/ctxrewrite"
	"github.com/trapgate/trapgate/ctxrewrite/store"
	"github.com/trapgate/trapgate/filters/rewrite"
	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/proxy/admin"
	"github.com/trapgate/trapgate/proxy/config"
	"github.com/trapgate/trapgate/proxy/share"
)

// A contexts is the context rewriting of a process. It is made when a configuration first asks for it and lives until the process
// ends: a reload changes settings and keeps every epoch.
type contexts struct {
	engine *ctxrewrite.Engine
	filter *rewrite.Filter
	store  contextStore
}

// newContexts makes the engine over its store and puts the settings of a snapshot in force. The state of the data directory must stay
// open until close.
func newContexts(snap *config.Snapshot, t *telemetry.Telemetry, sharing *share.Sharing) (c *contexts, err error) {
	c = &contexts{}
	if c.store, err = openContextStore(snap.Context, sharing.DB()); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.store.close()
		}
	}()
	if c.engine, err = ctxrewrite.New(snap.Context.Engine, ctxrewrite.Options{Store: c.store, Alone: snap.Context.Shared == nil}); err != nil {
		return nil, err
	}
	c.filter = rewrite.New(c.engine)
	if err = c.configure(snap); err != nil {
		return nil, err
	}
	t.Contexts(c.counts)
	return c, nil
}

// close waits for what is still being made and stored.
func (c *contexts) close() {
	c.engine.Close()
	c.store.close()
}

// A contextStore is where epochs and contents stay.
type contextStore struct {
	store.Store
	close func()
}

// redisTimeout bounds one command. Requests wait for far less: the engine sees to that.
const redisTimeout = 2 * time.Second

// openContextStore makes the store that a configuration asks for: a Redis, which need not answer yet; else db, the state file of the
// process that holds it. A guest (nil) forgets with its end.
func openContextStore(c *config.Context, db *state.DB) (contextStore, error) {
	switch {
	case c != nil && c.Shared != nil:
		s, err := store.OpenRedis(c.Shared.Redis.Reveal(), c.Shared.Prefix, redisTimeout, store.Options{})
		if err != nil {
			return contextStore{}, fmt.Errorf("context.shared.redis: not the address of a Redis (%v)", c.Shared.Redis)
		}
		return contextStore{s, func() { _ = s.Close() }}, nil
	case db != nil:
		return contextStore{store.NewSQLite(db, store.Options{}), func() {}}, nil
	}
	return contextStore{store.NewMemory(store.Options{}), func() {}}, nil
}

// namingOptions say whose key names tenants: that of limits that are shared, else that of rewrites that are.
func namingOptions(snap *config.Snapshot, guest bool) share.Options {
	o := sharingOptions(snap, guest)
	if o.Redis == "" && snap.Context != nil && snap.Context.Shared != nil {
		o.Redis, o.Prefix = snap.Context.Shared.Redis.Reveal(), snap.Context.Shared.Prefix
	}
	return o
}

// configure puts another snapshot's settings in force.
func (c *contexts) configure(snap *config.Snapshot) error {
	urls := make(map[string]string, len(snap.Upstreams))
	for _, u := range snap.Upstreams {
		urls[u.Name] = u.BaseURL
	}
	set := rewrite.Settings{Engine: snap.Context.Engine, Hygiene: snap.Context.Hygiene, BaseURL: func(upstream string) string { return urls[upstream] }}
	for i := range snap.Context.Rules {
		r := &snap.Context.Rules[i]
		set.Pins = append(set.Pins, rewrite.Pin{Text: r.Text, Match: r.Match})
	}
	return c.filter.Configure(set)
}

// state is what /debug/state shows.
func (c *contexts) state() *admin.Context {
	return &admin.Context{Sessions: c.engine.InMemory(), Counts: c.counts()}
}

// counts are what metrics show.
func (c *contexts) counts() telemetry.ContextCounts {
	n := c.engine.Counts()
	observed, saving := c.filter.Observed()
	h := c.filter.Hygiene()
	return telemetry.ContextCounts{
		Requests: n.Requests, Rewritten: n.Rewritten, Removed: n.Removed, Epochs: n.Epochs, InPath: n.InPath, Cuts: n.Cuts,
		Broken: n.Broken, Learnt: n.Learnt, TooLarge: n.TooLarge, Failures: c.filter.Failures(), Observed: observed, Saving: saving,
		Volatile: h.Volatile, VolatileCost: h.Cost, Moved: h.Moved, Breakpoints: h.Marks, CacheKeys: h.Keys,
	}
}

// summarize says what rewriting did in a run.
func (c *contexts) summarize(w io.Writer, t *telemetry.LedgerTotals) {
	n := c.counts()
	fmt.Fprintf(w, "trapgate: context: %d of %d requests rewritten, ~%d tokens left out, %d epochs", n.Rewritten, t.Exchanges, n.Removed, n.Epochs)
	if n.Observed > 0 {
		fmt.Fprintf(w, " | observed: %d would have been rewritten, ~%d tokens left out", n.Observed, n.Saving)
	}
	if t.Tokens.Input > 0 {
		fmt.Fprintf(w, " | read from the prompt cache, as the provider says: %d of %d tokens (%.0f %%)", t.Tokens.Cached, t.Tokens.Input, 100*float64(t.Tokens.Cached)/float64(t.Tokens.Input))
	}
	for _, x := range []struct {
		n    int64
		what string
	}{{n.Cuts, "cut inside their newest turns"}, {n.Learnt, "windows learnt from refusals"}, {n.TooLarge, "over the window with nothing to leave out"}, {n.Broken, "conversations stopped"}, {n.Failures, "failed inside"}} {
		if x.n > 0 {
			fmt.Fprintf(w, " | %d %s", x.n, x.what)
		}
	}
	fmt.Fprintln(w)
}

// A contextMode is the value of --context, and a memoryMode that of --memory: "on" when it stands alone.
type (
	contextMode string
	memoryMode  string
)

// Decode implements kong.MapperValue.
func (m *contextMode) Decode(ctx *kong.DecodeContext) error { return decodeMode(ctx, (*string)(m)) }

// Decode implements kong.MapperValue.
func (m *memoryMode) Decode(ctx *kong.DecodeContext) error { return decodeMode(ctx, (*string)(m)) }

func decodeMode(ctx *kong.DecodeContext, to *string) error {
	*to = "on"
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		return nil
	}
	*to = ctx.Scan.Pop().String()
	switch *to {
	case "on", "observe", "off":
		return nil
	}
	return fmt.Errorf("must be on, observe or off (got %q)", *to)
}

// IsBool lets the flag stand alone.
func (contextMode) IsBool() bool { return true }

// IsBool lets the flag stand alone.
func (memoryMode) IsBool() bool { return true }
