package main

import (
	"fmt"
	"io"

	"github.com/alecthomas/kong"

	"github.com/trapgate/trapgate/ctxrewrite"
	"github.com/trapgate/trapgate/ctxrewrite/store"
	"github.com/trapgate/trapgate/filters/rewrite"
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
}

// newContexts makes the engine over the state of the data directory, which must stay open until the engine is closed, and puts the
// settings of a snapshot in force.
func newContexts(snap *config.Snapshot, t *telemetry.Telemetry, sharing *share.Sharing) (*contexts, error) {
	engine, err := ctxrewrite.New(snap.Context.Engine, ctxrewrite.Options{Store: contextStore(sharing)})
	if err != nil {
		return nil, err
	}
	c := &contexts{engine: engine, filter: rewrite.New(engine)}
	if err := c.configure(snap); err != nil {
		return nil, err
	}
	t.Contexts(c.counts)
	return c, nil
}

// contextStore is where epochs and contents stay: in the state file of the process that holds it. A guest forgets with its end.
func contextStore(sharing *share.Sharing) store.Store {
	if db := sharing.DB(); db != nil {
		return store.NewSQLite(db, store.Options{})
	}
	return store.NewMemory(store.Options{})
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
	return telemetry.ContextCounts{
		Requests: n.Requests, Rewritten: n.Rewritten, Removed: n.Removed, Epochs: n.Epochs, InPath: n.InPath, Cuts: n.Cuts,
		Broken: n.Broken, Learnt: n.Learnt, TooLarge: n.TooLarge, Failures: c.filter.Failures(), Observed: observed, Saving: saving,
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

// A contextMode is the value of --context: "on" when it stands alone.
type contextMode string

// Decode implements kong.MapperValue.
func (m *contextMode) Decode(ctx *kong.DecodeContext) error {
	*m = "on"
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		return nil
	}
	*m = contextMode(ctx.Scan.Pop().String())
	switch *m {
	case "on", "observe", "off":
		return nil
	}
	return fmt.Errorf("must be on, observe or off (got %q)", string(*m))
}

// IsBool lets the flag stand alone.
func (contextMode) IsBool() bool { return true }
