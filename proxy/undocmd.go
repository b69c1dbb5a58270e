package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/trapgate/trapgate/memory/record"
)

type memoryUndo struct {
	memoryFlags
	ID string `arg:"" help:"The id of a fact that a model has found (origin extracted), as list shows it."`
}

// memoryUndone is what an undo did.
type memoryUndone struct {
	Facts    []record.ID `json:"facts"`    // taken back
	Reopened []record.ID `json:"reopened"` // say again what those had ended
}

// Run takes back all that the same answer of the model changed.
func (c *memoryUndo) Run(ctx context.Context, s *streams) error {
	m, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer m.close()
	q := url.Values{}
	c.askTenant(q)
	var u memoryUndone
	if err := m.do(ctx, http.MethodPost, "/"+url.PathEscape(c.ID)+"/undo", q, nil, &u); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, u)
	}
	fmt.Fprintf(s.out, "taken back: %d facts; what they had ended holds again: %d records\n", len(u.Facts), len(u.Reopened))
	for _, id := range u.Facts {
		fmt.Fprintf(s.out, "  %s\n", id)
	}
	return nil
}

// undo takes back what a model's answer changed.
func (a *memoryAPI) undo(ctx context.Context, q url.Values, r *http.Request) (any, error) {
	x, err := a.find(ctx, q, r)
	if err != nil {
		return nil, err
	}
	u, err := a.engine.Undo(ctx, x.Record.Scope.Tenant, x.Record.ID)
	return memoryUndone{append([]record.ID{}, u.Facts...), append([]record.ID{}, u.Reopened...)}, err
}
