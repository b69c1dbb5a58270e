package main

import (
	"context"
	"fmt"
	"time"

	"github.com/trapgate/trapgate/internal/state"
	"github.com/trapgate/trapgate/proxy/config"
	"github.com/trapgate/trapgate/ratelimit/budget"
)

type usageCommand struct {
	By     []string `help:"Columns to add up by: day, tenant, agent, model, upstream." default:"tenant,agent,model" placeholder:"COLUMN,..."`
	From   string   `help:"First day, in UTC; by default 30 days ago." placeholder:"YYYY-MM-DD"`
	To     string   `help:"Last day, in UTC; by default today." placeholder:"YYYY-MM-DD"`
	Format string   `help:"table, csv or json." enum:"table,csv,json" default:"table"`
	Config string   `help:"Configuration file (YAML)." placeholder:"FILE" env:"TRAPGATE_CONFIG"`
	Data   string   `help:"The directory for state." placeholder:"DIR"`
}

// Run adds up what was used. It reads the state file, which a running Trapgate that holds the directory goes on writing.
func (c *usageCommand) Run(ctx context.Context, s *streams) error {
	now := time.Now()
	from, err := c.day("from", c.From, now.AddDate(0, 0, -30))
	if err != nil {
		return err
	}
	to, err := c.day("to", c.To, now)
	if err != nil {
		return err
	}
	snap, err := config.Open(c.Config, s.env, config.Overrides{Data: c.Data})
	if err != nil {
		return err
	}
	db, err := state.OpenReader(ctx, snap.Data)
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := budget.Query(ctx, db, from, to, c.By)
	if err != nil {
		return err
	}
	return budget.Render(s.out, c.Format, c.By, rows)
}

func (c *usageCommand) day(flag, text string, otherwise time.Time) (budget.Date, error) {
	if text == "" {
		return budget.DateOf(otherwise), nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, fmt.Errorf("usage: --%s: must be a day such as %s (got %q)", flag, otherwise.UTC().Format(time.DateOnly), text)
	}
	return budget.DateOf(t), nil
}
