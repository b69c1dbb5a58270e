package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/trapgate/trapgate/ctxrewrite"
	"github.com/trapgate/trapgate/ctxrewrite/store"
	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/proxy/config"
	"github.com/trapgate/trapgate/proxy/share"
)

// A contextContent is what left a request.
type contextContent struct {
	Handle string `json:"handle"`
	Tool   string `json:"tool,omitempty"` // "" for a span of messages
	Args   string `json:"args,omitempty"`
	Body   string `json:"body"` // raw JSON
}

// errAsk is what whoever asks can mend.
type errAsk string

func (e errAsk) Error() string { return string(e) }

// viewContext answers a question: with handle a contextContent, with session its []ctxrewrite.EpochInfo, oldest first and never empty,
// else all []ctxrewrite.SessionInfo. tenant narrows it down.
func viewContext(ctx context.Context, e *ctxrewrite.Engine, q url.Values) (any, error) {
	tenant := q.Get("tenant")
	switch handle, session := q.Get("handle"), q.Get("session"); {
	case handle != "":
		c, err := e.Content(ctx, tenant, handle)
		if errors.Is(err, store.ErrUnknown) {
			return nil, errAsk(err.Error())
		}
		return contextContent{c.Handle, c.Tool, c.Args, string(c.Body)}, err
	case session != "":
		return viewSession(ctx, e, tenant, session)
	}
	list, err := e.Sessions(ctx, tenant)
	if list == nil {
		list = []ctxrewrite.SessionInfo{}
	}
	return list, err
}

func viewSession(ctx context.Context, e *ctxrewrite.Engine, tenant, session string) (any, error) {
	all, err := e.Sessions(ctx, tenant)
	if err != nil {
		return nil, err
	}
	found := 0
	for _, s := range all {
		if s.Session == session {
			found++
			tenant = s.Tenant
		}
	}
	if found > 1 {
		return nil, errAsk("several tenants have a session of this name\nhint: --tenant, as ls shows them")
	}
	list, err := e.Epochs(ctx, tenant, session)
	if found == 0 || errors.Is(err, ctxrewrite.ErrNoSession) {
		return nil, errAsk(ctxrewrite.ErrNoSession.Error() + "\nhint: trapgate context ls")
	}
	return list, err
}

// showContext is viewContext by HTTP.
func (g *gateway) showContext(w http.ResponseWriter, r *http.Request) {
	fail := func(status int, err error) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		fmt.Fprintln(w, err)
	}
	if g.context == nil {
		fail(http.StatusNotFound, errAsk("context rewriting is off there"))
		return
	}
	v, err := viewContext(r.Context(), g.context.engine, r.URL.Query())
	var ask errAsk
	switch {
	case errors.As(err, &ask):
		fail(http.StatusNotFound, err)
	case err != nil:
		fail(http.StatusInternalServerError, err)
	default:
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(v)
	}
}

// askKept answers from what a Trapgate that has ended left in its data directory, or in the Redis that it shares. done is false when
// nothing is there, or somebody holds the directory.
func askKept(ctx context.Context, snap *config.Snapshot, q url.Values, to any) (done bool, err error) {
	if _, err := os.Stat(filepath.Join(snap.Data, state.File)); snap.Data == "" || err != nil {
		return false, nil
	}
	db, err := state.Open(ctx, state.Options{Dir: snap.Data, Migrations: share.Migrations})
	if held := (*state.HeldError)(nil); errors.As(err, &held) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer db.Close()
	s, err := openContextStore(snap.Context, db)
	if err != nil {
		return false, err
	}
	defer s.close()
	e, err := ctxrewrite.New(ctxrewrite.Config{}, ctxrewrite.Options{Store: s})
	if err != nil {
		return false, err
	}
	defer e.Close()
	v, err := viewContext(ctx, e, q)
	if err != nil {
		return false, fmt.Errorf("context: %w", err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return false, fmt.Errorf("context: %w", err)
	}
	return true, json.Unmarshal(b, to)
}
