package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/trapgate/trapgate/proxy/config"
	"github.com/trapgate/trapgate/proxy/simmodel"
)

// The second part of the demo: one agent whose conversation outgrows its model's window.
const (
	outgrowWindow = 16_000 // tokens
	outgrowLate   = 10     // the user says the last rule after so many
)

// outgrowRules are what the user says must hold: with the task, and the last one later.
var outgrowRules = [...]string{
	"Never touch the file keep-me.txt.", "Every answer must be in plain English.", "From now on always run the tests first.",
}

// A wireLook is what was seen of an agent's requests where the model gets them.
type wireLook struct {
	calls int // that the task takes

	mu       sync.Mutex
	last     []byte                  // the newest request
	requests int                     // so many came
	changed  int                     // of them did not begin with the one before
	whole    int                     // had all rules, byte for byte, that one before had
	said     [len(outgrowRules)]bool // rules that were there once
}

// decide is the model: it asks for the step after the one that the newest tool result tells of. Each request passes here.
func (l *wireLook) decide(q simmodel.Turn) *simmodel.Step {
	l.see(q.Body)
	step := 0
	fmt.Sscanf(q.Result, "step %d ", &step) // no result yet: the first one
	if step == l.calls {
		return &simmodel.Step{Say: "All steps are done."}
	}
	return &simmodel.Step{Say: "I go on.", Calls: []simmodel.Call{{Tool: "work", Args: fmt.Appendf(nil, `{"step":%d}`, step+1)}}}
}

// see counts a request.
func (l *wireLook) see(body []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	messages, _, _ := bytes.Cut(l.last, []byte(`],"tools":`))
	l.changed += btoi(!bytes.HasPrefix(body, messages))
	l.last = bytes.Clone(body)
	l.requests++
	lost := false
	for i, rule := range outgrowRules {
		there := bytes.Contains(body, []byte(rule))
		lost = lost || l.said[i] && !there
		l.said[i] = l.said[i] || there
	}
	l.whole += btoi(!lost)
}

// An outgrown is what one agent came to.
type outgrown struct {
	run    simmodel.AgentRun
	model  simmodel.Stats
	look   *wireLook
	epochs int64 // of Trapgate; -1: it is not there
}

// outgrow lets the same agent work three times: sending all it has, trimming its own history, and through Trapgate.
func (c *demoCommand) outgrow(ctx context.Context, s *streams) error {
	fmt.Fprintf(s.out, "One agent makes %d tool calls against a model with a window of %d tokens, of which nobody told Trapgate.\n"+
		"Its user says %d rules with the task and one after %d calls. Counted where the model gets the requests:\n\n",
		c.Calls, outgrowWindow, len(outgrowRules)-1, min(outgrowLate, c.Calls))
	direct, err := c.outgrowOnce(ctx, 0, nil)
	if err != nil {
		return err
	}
	trims, err := c.outgrowOnce(ctx, outgrowWindow, nil)
	if err != nil {
		return err
	}
	through, err := c.outgrowThrough(ctx, s)
	if err != nil {
		return err
	}
	compareOutgrown(s.out, direct, trims, through)
	return nil
}

func (c *demoCommand) outgrowThrough(ctx context.Context, s *streams) (*outgrown, error) {
	data, err := os.MkdirTemp("", "trapgate-demo-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(data)
	var g *gateway
	defer func() {
		if g != nil {
			g.Shutdown(context.Background())
		}
	}()
	o, err := c.outgrowOnce(ctx, 0, func(url string) (string, error) {
		var err error
		g, err = demoGateway(ctx, s, config.Overrides{Upstream: url, Data: data, Context: "on"})
		if err != nil {
			return "", err
		}
		return g.URL(), nil
	})
	if err != nil {
		return nil, err
	}
	o.epochs = g.context.counts().Epochs
	return o, nil
}

// outgrowOnce runs the agent against a fresh model; between puts something in front of it.
func (c *demoCommand) outgrowOnce(ctx context.Context, trim int, between func(url string) (string, error)) (*outgrown, error) {
	o := &outgrown{look: &wireLook{calls: c.Calls}, epochs: -1}
	m, err := simmodel.New(simmodel.Options{Seed: c.Seed, ContextWindow: outgrowWindow, Decide: o.look.decide})
	if err != nil {
		return nil, err
	}
	defer m.Close()
	srv, err := m.Start("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer srv.Close()
	url := srv.URL + "/v1"
	if between != nil {
		if url, err = between(url); err != nil {
			return nil, err
		}
	}
	report := simmodel.RunAgents(ctx, simmodel.AgentsOptions{
		BaseURL: url, Key: "demo", Turns: c.Calls, Trim: trim, Seed: c.Seed,
		Task: func(int) string {
			return "Go through the files of the parser and mend what is broken. " + strings.Join(outgrowRules[:len(outgrowRules)-1], " ")
		},
		Result: func(_, turn int) string { return outgrowResult(turn + 1) },
		User: func(_, turn int) string {
			if turn+1 != min(outgrowLate, c.Calls) {
				return ""
			}
			return outgrowRules[len(outgrowRules)-1]
		},
	})
	if ctx.Err() != nil {
		return nil, errors.New("demo: interrupted")
	}
	o.run, o.model = report.Runs[0], m.Stats()
	return o, nil
}

// outgrowResult is what the agent's tool says of a step: some 700 tokens of a file.
func outgrowResult(step int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "step %d read src/part%d.go:\n", step, step)
	for line := 1; line <= 32; line++ {
		fmt.Fprintf(&b, "%d: the reader of part %d keeps line %d until the whole header has come, then parses it\n", line, step, line*step)
	}
	return b.String()
}

// compareOutgrown prints the three beside each other.
func compareOutgrown(w io.Writer, all ...*outgrown) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\tdirect\ttrims its own history\tthrough Trapgate\t\n")
	row := func(name string, f func(*outgrown) string) {
		fmt.Fprint(t, name, "\t")
		for _, o := range all {
			fmt.Fprint(t, f(o), "\t")
		}
		fmt.Fprintln(t)
	}
	row("how it ended", func(o *outgrown) string {
		switch {
		case o.run.Err == nil:
			return "done"
		case strings.Contains(o.run.Err.Error(), "context_length_exceeded"):
			return "context_length_exceeded"
		}
		return "failed"
	})
	row("model calls answered", func(o *outgrown) string { return fmt.Sprint(o.run.Calls) })
	row("refused by the model as too long", func(o *outgrown) string { return fmt.Sprint(o.model.Rejected["context"]) })
	row("errors the agent saw", func(o *outgrown) string { return fmt.Sprint(o.run.Retries + btoi(o.run.Err != nil)) })
	row("requests with all rules said so far", func(o *outgrown) string { return fmt.Sprintf("%d of %d", o.look.whole, o.look.requests) })
	row("requests with another beginning", func(o *outgrown) string { return fmt.Sprint(o.look.changed) })
	row("epochs", func(o *outgrown) string {
		if o.epochs < 0 {
			return "-"
		}
		return fmt.Sprint(o.epochs)
	})
	row("prompt tokens", func(o *outgrown) string { return fmt.Sprint(o.run.In) })
	row("of them cached", func(o *outgrown) string {
		return fmt.Sprintf("%.0f %%", 100*float64(o.run.Cached)/float64(max(o.run.In, 1)))
	})
	row("read anew", func(o *outgrown) string { return fmt.Sprint(o.run.In - o.run.Cached) })
	t.Flush()
	fmt.Fprintln(w)
}
