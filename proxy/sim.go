package main

import (
	"context"
	"fmt"
	"time"

	"github.com/trapgate/trapgate/proxy/simmodel"
)

type simCommand struct {
	Listen  string        `help:"Where to listen." default:"127.0.0.1:4100"`
	File    string        `arg:"" optional:"" help:"Options of the model (JSON); flags win over it."`
	Model   []string      `help:"Models to list." placeholder:"NAME"`
	Slots   int           `help:"Generations at a time (0: no bound)."`
	Prefill float64       `help:"Prompt tokens per second and slot (0: no time)." placeholder:"RATE"`
	Decode  float64       `help:"Output tokens per second and slot (0: no time)." placeholder:"RATE"`
	Context int           `help:"Context window in tokens (0: no bound)."`
	RPM     int           `help:"Requests per minute (0: no limit)."`
	TPM     int           `help:"Tokens per minute (0: no limit)."`
	Output  int           `help:"Mean length of an answer in tokens."`
	Seed    uint64        `help:"Decides every draw."`
	For     time.Duration `help:"Stop after this long (0: when told to)." placeholder:"DURATION"`
}

// Run serves the simulated model until the context ends.
func (c *simCommand) Run(ctx context.Context, s *streams) error {
	o := simmodel.Options{}
	if c.File != "" {
		var err error
		if o, err = simmodel.LoadOptions(c.File); err != nil {
			return err
		}
	}
	c.apply(&o)
	m, err := simmodel.New(o)
	if err != nil {
		return err
	}
	srv, err := m.Start(c.Listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "trapgate: simulated model listening on %s/v1\n", srv.URL)
	if c.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.For)
		defer cancel()
	}
	<-ctx.Done()
	return srv.Close()
}

func (c *simCommand) apply(o *simmodel.Options) {
	if len(c.Model) > 0 {
		o.Models = c.Model
	}
	setInt(&o.Slots, c.Slots)
	setInt(&o.ContextWindow, c.Context)
	setInt(&o.Limits.RPM, c.RPM)
	setInt(&o.Limits.TPM, c.TPM)
	setInt(&o.OutputTokens, c.Output)
	if c.Prefill > 0 {
		o.PrefillRate = c.Prefill
	}
	if c.Decode > 0 {
		o.DecodeRate = c.Decode
	}
	if c.Seed > 0 {
		o.Seed = c.Seed
	}
}

func setInt(dst *int, v int) {
	if v > 0 {
		*dst = v
	}
}
