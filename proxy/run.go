package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/proxy/config"
)

// notUsed is the exit code of run --require when the command made no call through us.
const notUsed = exitCode(3)

type runCommand struct {
	common
	Schedule bool        `help:"Let calls wait their turn, with the defaults where the file has no schedule section."`
	Context  contextMode `help:"Fit conversations to their model's window: --context, or --context=observe or off; with the defaults where the file has no context section."`
	Memory   memoryMode  `help:"Remember what you say, and tell the model where it matters: --memory, or --memory=observe or off; with the defaults where the file has no memory section."`
	Require  bool        `help:"Exit with 3 when the command made no model call through Trapgate."`
	Verbose  bool        `short:"v" help:"Log each exchange to stderr."`
	Command  []string    `arg:"" passthrough:"" help:"The command and its arguments, after --."`
}

// Run starts a gateway on a free loopback port, points the command at it, and prints to stderr what the run did. The exit
// code is the command's.
func (c *runCommand) Run(_ context.Context, s *streams) error {
	if len(c.Command) > 0 && c.Command[0] == "--" {
		c.Command = c.Command[1:]
	}
	if len(c.Command) == 0 {
		return errors.New("run: no command given\nhint: trapgate run -- python my_agent.py")
	}
	s.interrupted() // signals are the command's from here on
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, forwarded...)
	defer signal.Stop(signals)

	g, err := newGateway(context.Background(), gatewayOptions{
		file: c.Config, env: s.env, log: s.err, quiet: !c.Verbose, guest: true,
		flags: config.Overrides{Listen: "127.0.0.1:0", Admin: "off", Upstream: c.Upstream, Data: c.Data, Schedule: c.Schedule, Context: string(c.Context), Memory: string(c.Memory), User: osUser()},
	})
	if err != nil {
		return err
	}
	g.sayMemory(s.err)
	start := time.Now()
	code, runErr := c.child(g, s, signals)
	took := time.Since(start)
	if err := g.Shutdown(context.Background()); err != nil && runErr == nil {
		fmt.Fprintln(s.err, "trapgate:", err)
	}
	totals := g.telemetry.Ledger().Totals() // complete only now: a command may end before its last exchange is written down
	if runErr != nil {
		return runErr
	}
	summarize(s.err, &totals, took, g.schedule != nil, g.URL(), c.Command[0])
	if g.context != nil && totals.Exchanges > 0 {
		g.context.summarize(s.err, &totals)
	}
	if m := g.memory.Load(); m != nil && totals.Exchanges > 0 {
		m.summarize(s.err)
	}
	if totals.Exchanges == 0 && c.Require {
		return notUsed
	}
	if code != 0 {
		return exitCode(code)
	}
	return nil
}

// child runs the command, with signals passed on, and returns its exit code.
func (c *runCommand) child(g *gateway, s *streams, signals <-chan os.Signal) (int, error) {
	args, env := point(c.Command, s.environ, g.URL(), g.ownKeys())
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.in, s.out, s.err
	if err := cmd.Start(); err != nil {
		code := exitCode(126) // as a shell has it: there, but it cannot be run
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
			code = 127
		}
		fmt.Fprintln(s.err, "trapgate: run:", err)
		return 0, code
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case sig := <-signals:
			if !fromTerminal(sig) {
				cmd.Process.Signal(sig)
			}
		case err := <-done:
			var exit *exec.ExitError
			if err == nil {
				return 0, nil
			}
			if !errors.As(err, &exit) {
				return 0, fmt.Errorf("run: %w", err)
			}
			if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
				return 128 + int(ws.Signal()), nil
			}
			return exit.ExitCode(), nil
		}
	}
}

// ownKeys reports whether every upstream is called without the agent's credential, so that SDKs need a key only to start.
func (g *gateway) ownKeys() bool {
	for _, u := range g.pipeline.current.Load().config.Upstreams {
		if u.Credential == config.CredentialAgent {
			return false
		}
	}
	return true
}

// summarize says what a run did, and with the scheduler on what waiting cost and what it saved.
func summarize(w io.Writer, t *telemetry.LedgerTotals, took time.Duration, scheduled bool, url, command string) {
	if t.Exchanges == 0 {
		fmt.Fprintf(w, "trapgate: %s made no call through %s\nhint: %s\n", command, url, howToPoint(command))
		return
	}
	tokens := func(known, estimated int64) string {
		switch {
		case estimated == 0:
			return fmt.Sprint(known)
		case known == 0:
			return fmt.Sprintf("~%d", estimated)
		}
		return fmt.Sprintf("%d + ~%d", known, estimated)
	}
	var b strings.Builder
	word := "requests"
	if t.Exchanges == 1 {
		word = "request"
	}
	fmt.Fprintf(&b, "trapgate: %d %s in %s", t.Exchanges, word, took.Round(10*time.Millisecond))
	fmt.Fprintf(&b, " | tokens in %s, out %s, cached %s", tokens(t.Tokens.Input, t.Estimated.Input), tokens(t.Tokens.Output, t.Estimated.Output), tokens(t.Tokens.Cached, t.Estimated.Cached))
	if t.Tokens.Input > 0 {
		fmt.Fprintf(&b, " (%.0f %%)", 100*float64(t.Tokens.Cached)/float64(t.Tokens.Input))
	}
	fmt.Fprintf(&b, " | added %s in all, p50 %s", t.AddedSum.Round(10*time.Microsecond), t.AddedP50.Round(time.Microsecond))
	fmt.Fprintf(&b, " | retries %d, errors %d", t.Retries, t.Errors)
	if t.Cancelled > 0 {
		fmt.Fprintf(&b, ", left early %d", t.Cancelled)
	}
	if t.Truncated > 0 {
		fmt.Fprintf(&b, ", cut short %d", t.Truncated)
	}
	fmt.Fprintln(w, b.String())
	if scheduled {
		fmt.Fprintf(w, "trapgate: schedule: %d waited their turn, %s in all, the longest %s | failed at upstreams %d, refused by us %d | the prompt cache saved reading %s tokens\n",
			t.Queued, t.QueuedSum.Round(time.Millisecond), t.QueuedMax.Round(time.Millisecond), t.UpstreamErrors, t.Outcomes["refused"],
			tokens(t.Tokens.Cached, t.Estimated.Cached))
	}
}
