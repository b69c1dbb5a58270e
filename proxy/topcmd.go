package main

import (
	"context"

	"github.com/trapgate/trapgate/proxy/admin"
	"github.com/trapgate/trapgate/proxy/config"
	"github.com/trapgate/trapgate/proxy/top"
)

type topCommand struct {
	Config string `help:"Configuration file (YAML)." placeholder:"FILE" env:"TRAPGATE_CONFIG"`
	Admin  string `help:"The admin address of the Trapgate to look at; by default the holder of the data directory, else the configured one." placeholder:"HOST:PORT"`
	Data   string `help:"Its directory for state, where the admin token is." placeholder:"DIR"`
	Once   bool   `help:"Print one look and end."`
}

// Run shows what is in flight.
func (c *topCommand) Run(ctx context.Context, s *streams) error {
	snap, err := config.Open(c.Config, s.env, config.Overrides{Admin: c.Admin, Data: c.Data})
	if err != nil {
		return err
	}
	token, err := admin.ReadToken(snap.Data)
	if err != nil {
		return err
	}
	return top.Run(ctx, top.Options{Admin: adminOf(ctx, snap, c.Admin).String(), Token: token, Once: c.Once, In: s.in, Out: s.out})
}
