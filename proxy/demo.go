package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/charmbracelet/x/term"

	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/proxy/config"
	"github.com/trapgate/trapgate/proxy/simmodel"
)

type demoCommand struct {
	Agents int    `help:"Agents at a time." default:"8"`
	Turns  int    `help:"Tool calls of each agent." default:"4"`
	Calls  int    `help:"Tool calls of the agent that outgrows its window (0: leave out what follows the first part)." default:"50"`
	Keep   bool   `help:"Leave the model and Trapgate running at the end."`
	Seed   uint64 `help:"Decides the agents' texts and the model's faults." default:"1"`
}

// demoModel is a model API of limited capacity, as agents meet it: few slots, a request limit, and now and then an overloaded
// answer that a second try gets past.
func demoModel(seed uint64) simmodel.Options {
	return simmodel.Options{
		Seed: seed, Models: []string{"sim"}, Slots: 4, PrefillRate: 8000, DecodeRate: 200, ContextWindow: 32_000,
		Overhead: simmodel.Duration(20 * time.Millisecond),
		Limits:   simmodel.LimitOptions{RPM: 400, Burst: 1.0 / 24},
		Faults:   []simmodel.FaultRule{{Fault: "status=503x1", P: 0.1}},
	}
}

// A demoSide is one of the two runs: the same agents and the same model, with or without Trapgate between them.
type demoSide struct {
	name   string
	report simmodel.AgentsReport
	model  simmodel.Stats
	totals telemetry.LedgerTotals
}

// Run lets the agents work direct, then through Trapgate, and compares what was measured.
func (c *demoCommand) Run(ctx context.Context, s *streams) error {
	fmt.Fprintf(s.out, "A simulated model (4 slots, 400 requests a minute, 1 request in 10 meets an overloaded server once)\nand %d agents at once, each with %d tool calls and an SDK's two retries. Everything below is measured.\n\n", c.Agents, c.Turns)
	direct, model, err := c.side(ctx, s, "direct", nil)
	if err != nil {
		return err
	}
	model.Close()
	data, err := os.MkdirTemp("", "trapgate-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(data)
	var g *gateway
	through, model, err := c.side(ctx, s, "through Trapgate", func(url string) (string, error) {
		var err error
		g, err = demoGateway(ctx, s, config.Overrides{Upstream: url, Data: data, Schedule: true})
		if err != nil {
			return "", err
		}
		return g.URL(), nil
	})
	if g != nil {
		defer func() { g.Shutdown(context.Background()) }()
	}
	if err != nil {
		return err
	}
	defer model.Close()
	through.totals = g.telemetry.Ledger().Totals()
	compare(s.out, direct, through)
	if c.Calls > 0 {
		if err := c.outgrow(ctx, s); err != nil {
			return err
		}
		if err := c.remember(ctx, s); err != nil {
			return err
		}
	}
	return c.goodbye(ctx, s.out, g)
}

// demoGateway starts a Trapgate on a free port that knows nothing but its flags.
func demoGateway(ctx context.Context, s *streams, flags config.Overrides) (*gateway, error) {
	flags.Listen, flags.Admin = "127.0.0.1:0", "off"
	return newGateway(ctx, gatewayOptions{
		env: config.Env{Lookup: func(string) (string, bool) { return "", false }}, log: s.err, quiet: true, flags: flags,
	})
}

// side runs the agents once against a fresh model; between puts something in front of it.
func (c *demoCommand) side(ctx context.Context, s *streams, name string, between func(url string) (string, error)) (*demoSide, *simmodel.Server, error) {
	m, err := simmodel.New(demoModel(c.Seed))
	if err != nil {
		return nil, nil, err
	}
	srv, err := m.Start("127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	url := srv.URL + "/v1"
	if between != nil {
		if url, err = between(url); err != nil {
			srv.Close()
			return nil, nil, err
		}
	}
	view := newDemoView(s.out, name, c.Agents, c.Turns)
	side := &demoSide{name: name}
	side.report = simmodel.RunAgents(ctx, simmodel.AgentsOptions{
		BaseURL: url, Key: "demo", Agents: c.Agents, Turns: c.Turns, SystemTokens: 1500, TaskTokens: 200, ResultTokens: 250,
		OutputTokens: 40, ToolTime: 150 * time.Millisecond, Stagger: 20 * time.Millisecond, Seed: c.Seed, OnEvent: view.tell,
	})
	view.close()
	if err := ctx.Err(); err != nil {
		srv.Close()
		return nil, nil, errors.New("demo: interrupted")
	}
	side.model = m.Stats()
	return side, srv, nil
}

// compare prints the two sides beside each other.
func compare(w io.Writer, direct, through *demoSide) {
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\tdirect\tthrough Trapgate\t\n")
	row := func(name string, f func(*demoSide) string) {
		fmt.Fprintf(t, "%s\t%s\t%s\t\n", name, f(direct), f(through))
	}
	row("agents that finished", func(s *demoSide) string {
		n := 0
		for _, r := range s.report.Runs {
			if r.Err == nil {
				n++
			}
		}
		return fmt.Sprintf("%d of %d", n, len(s.report.Runs))
	})
	row("time, all agents", func(s *demoSide) string { return s.report.Wall.Round(10 * time.Millisecond).String() })
	row("time to first token, median", func(s *demoSide) string { return s.firstToken().Round(time.Millisecond).String() })
	row("errors the agents saw", func(s *demoSide) string {
		return fmt.Sprint(s.sum(func(r *simmodel.AgentRun) int { return r.Retries + btoi(r.Err != nil) }))
	})
	row("tokens in / out", func(s *demoSide) string {
		return fmt.Sprintf("%d / %d", s.sum(func(r *simmodel.AgentRun) int { return r.In }), s.sum(func(r *simmodel.AgentRun) int { return r.Out }))
	})
	row("cached share", func(s *demoSide) string {
		return fmt.Sprintf("%.0f %%", 100*float64(s.sum(func(r *simmodel.AgentRun) int { return r.Cached }))/float64(max(s.sum(func(r *simmodel.AgentRun) int { return r.In }), 1)))
	})
	row("requests the model got", func(s *demoSide) string { return fmt.Sprint(s.model.Requests) })
	row("time added, median", func(s *demoSide) string {
		if s.totals.Exchanges == 0 {
			return "-"
		}
		return s.totals.AddedP50.Round(time.Microsecond).String()
	})
	t.Flush()
	fmt.Fprintln(w)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (s *demoSide) sum(f func(*simmodel.AgentRun) int) (n int) {
	for i := range s.report.Runs {
		n += f(&s.report.Runs[i])
	}
	return n
}

func (s *demoSide) firstToken() time.Duration {
	var all []time.Duration
	for _, r := range s.report.Runs {
		all = append(all, r.FirstToken...)
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// goodbye says how to try it by hand.
func (c *demoCommand) goodbye(ctx context.Context, w io.Writer, g *gateway) error {
	url := g.URL()
	if !c.Keep {
		fmt.Fprintf(w, "Base URL while it ran: %s. To try it by hand: trapgate demo --keep, then\n", url)
	} else {
		fmt.Fprintf(w, "Base URL: %s (until you press Ctrl-C). Try it:\n", url)
	}
	fmt.Fprintf(w, "\n  curl %s/chat/completions -H 'Content-Type: application/json' -d '{\"model\":\"sim\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}'\n\n", url)
	if c.Keep {
		<-ctx.Done()
	}
	return nil
}

// A demoView shows the agents at work: redrawn in place on a terminal, else one line for each agent that ends.
type demoView struct {
	out    io.Writer
	redraw bool
	turns  int
	events chan simmodel.AgentEvent
	done   chan struct{}
	rows   []demoRow
	drawn  bool
}

type demoRow struct {
	turn    int
	doing   string
	retries int
}

func newDemoView(out io.Writer, name string, agents, turns int) *demoView {
	f, ok := out.(*os.File)
	v := &demoView{
		out: out, redraw: ok && term.IsTerminal(f.Fd()), turns: turns,
		events: make(chan simmodel.AgentEvent, 1024), done: make(chan struct{}), rows: make([]demoRow, agents),
	}
	fmt.Fprintf(out, "%s:\n", name)
	go v.run()
	return v
}

// tell takes an event; it may be called by all agents at once.
func (v *demoView) tell(e simmodel.AgentEvent) { v.events <- e }

func (v *demoView) close() {
	close(v.events)
	<-v.done
}

func (v *demoView) run() {
	defer close(v.done)
	var last time.Time
	for e := range v.events {
		r := &v.rows[e.Agent]
		r.turn, r.doing = e.Turn, doing[e.Kind]
		switch e.Kind {
		case "retry":
			r.retries++
			r.doing += " (" + e.Text + ")"
		case "failed":
			r.doing += ": " + e.Text
		}
		if !v.redraw {
			if e.Kind == "done" || e.Kind == "failed" {
				fmt.Fprintln(v.out, v.line(e.Agent))
			}
			continue
		}
		if time.Since(last) > 80*time.Millisecond || len(v.events) == 0 {
			last = time.Now()
			v.draw()
		}
	}
	if v.redraw {
		v.draw()
	}
}

var doing = map[string]string{
	"call": "waits for the model", "first": "receives tokens", "tool": "runs its tool", "retry": "was refused, waits", "done": "done", "failed": "gave up",
}

func (v *demoView) line(i int) string {
	r := v.rows[i]
	done := min(r.turn, v.turns)
	if r.doing == "done" {
		done = v.turns
	}
	text := fmt.Sprintf("  agent %-2d %s%s  %s", i+1, strings.Repeat("#", done), strings.Repeat(".", v.turns-done), r.doing)
	if r.retries > 0 {
		text += fmt.Sprintf(", %d retries", r.retries)
	}
	if len(text) > 100 {
		text = text[:100]
	}
	return text
}

func (v *demoView) draw() {
	var b strings.Builder
	if v.drawn {
		fmt.Fprintf(&b, "\x1b[%dA", len(v.rows))
	}
	v.drawn = true
	for i := range v.rows {
		b.WriteString("\x1b[2K" + v.line(i) + "\n")
	}
	io.WriteString(v.out, b.String())
}
