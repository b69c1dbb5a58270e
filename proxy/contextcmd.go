package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/trapgate/trapgate/ctxrewrite"
	"github.com/trapgate/trapgate/proxy/admin"
	"github.com/trapgate/trapgate/proxy/config"
)

// contextCommand looks at rewritten conversations, of a Trapgate that runs or of one that has ended.
type contextCommand struct {
	Ls   contextLs   `cmd:"" help:"List the sessions of which something was left out."`
	Show contextShow `cmd:"" help:"Show what the model sees of a session, section by section, or what left a request, by its handle."`
	Diff contextDiff `cmd:"" help:"Show what was left out of a session, and what stands in its place."`
}

type contextFlags struct {
	Tenant string `help:"Only of this tenant." placeholder:"NAME"`
	JSON   bool   `name:"json" help:"Print JSON."`
	Config string `help:"Configuration file (YAML)." placeholder:"FILE" env:"TRAPGATE_CONFIG"`
	Admin  string `help:"The admin address of the Trapgate to ask; by default the holder of the data directory, else the configured one." placeholder:"HOST:PORT"`
	Data   string `help:"The directory for state." placeholder:"DIR"`
}

type contextLs struct{ contextFlags }

type contextShow struct {
	contextFlags
	What string `arg:"" name:"session" help:"The session, as ls shows it, or a handle (ctx:...)."`
}

type contextDiff struct {
	contextFlags
	Session string `arg:"" help:"The session, as ls shows it."`
}

// Run lists sessions.
func (c *contextLs) Run(ctx context.Context, s *streams) error {
	var list []ctxrewrite.SessionInfo
	if err := c.ask(ctx, s, url.Values{}, &list); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, list)
	}
	t := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SESSION\tTENANT\tEPOCHS\tCONTENTS\tSIZE\tLAST USE")
	for _, x := range list {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%s\t%s\n", printable(x.Session), printable(x.Tenant), x.Epochs, x.Contents, inBytes(x.Bytes), x.Used.Local().Format(time.DateTime))
	}
	return t.Flush()
}

// Run shows a session's newest epoch, or a content.
func (c *contextShow) Run(ctx context.Context, s *streams) error {
	if strings.HasPrefix(c.What, "ctx:") {
		var x contextContent
		if err := c.ask(ctx, s, url.Values{"handle": {c.What}}, &x); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(s.out, x)
		}
		if x.Tool != "" {
			fmt.Fprintf(s.out, "result of %s %s\n", printable(x.Tool), printable(x.Args))
		}
		_, err := fmt.Fprintln(s.out, printable(x.Body))
		return err
	}
	var list []ctxrewrite.EpochInfo
	if err := c.ask(ctx, s, url.Values{"session": {c.What}}, &list); err != nil {
		return err
	}
	x := &list[len(list)-1]
	if c.JSON {
		return printJSON(s.out, x)
	}
	fmt.Fprintf(s.out, "epoch %d: messages up to %d as they are, with this inside the last of them, then those from %d on\n", x.Number, x.Task, x.Cover)
	for _, part := range x.Sections {
		fmt.Fprintf(s.out, "\n== %s (%d tokens, %s)\n%s\n", part.Name, part.Tokens, inBytes(int64(len(part.Text))), printable(part.Text))
	}
	for _, rule := range x.Dropped {
		fmt.Fprintf(s.out, "\nover the budget of rules, so not in it: %s\n", printable(rule))
	}
	return nil
}

// Run shows what each epoch of a session left out.
func (c *contextDiff) Run(ctx context.Context, s *streams) error {
	var list []ctxrewrite.EpochInfo
	if err := c.ask(ctx, s, url.Values{"session": {c.Session}}, &list); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, list)
	}
	for i := range list {
		x := &list[i]
		after := "the task"
		if x.Parent > 0 {
			after = fmt.Sprintf("epoch %d", x.Parent)
		}
		fmt.Fprintf(s.out, "epoch %d, after %s: the request was about to outgrow the window\n", x.Number, after)
		fmt.Fprintf(s.out, "  - messages %d to %d", x.From, x.Cover-1)
		if x.Evicted > 0 {
			fmt.Fprintf(s.out, ": %d tokens", x.Evicted)
		}
		if x.Span != "" {
			fmt.Fprintf(s.out, ", kept as %s", x.Span)
		}
		fmt.Fprintf(s.out, "\n  + notes inside message %d: %d tokens before, %d after:", x.Task, x.Before, x.Tokens)
		for _, part := range x.Sections {
			fmt.Fprintf(s.out, " %s %d", part.Name, part.Tokens)
		}
		fmt.Fprintln(s.out)
		for _, rule := range x.Dropped {
			fmt.Fprintf(s.out, "  ! over the budget of rules: %s\n", printable(rule))
		}
	}
	return nil
}

// ask gets an answer of the Trapgate that holds the data directory; when none does, from what is kept there.
func (c *contextFlags) ask(ctx context.Context, s *streams, q url.Values, to any) error {
	snap, err := config.Open(c.Config, s.env, config.Overrides{Admin: c.Admin, Data: c.Data})
	if err != nil {
		return err
	}
	if c.Tenant != "" {
		q.Set("tenant", c.Tenant)
	}
	addr := adminOf(ctx, snap, c.Admin)
	if c.Admin == "" && addr.Network != "unix" {
		if done, err := askKept(ctx, snap, q, to); done || err != nil {
			return err
		}
	}
	return askAdmin(ctx, snap, addr, q, to)
}

// askAdmin asks a running Trapgate.
func askAdmin(ctx context.Context, snap *config.Snapshot, addr config.Addr, q url.Values, to any) error {
	if addr.IsZero() {
		return errors.New("context: the admin listener is off: set admin in the configuration")
	}
	token, err := admin.ReadToken(snap.Data)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+admin.ContextPath+"?"+q.Encode(), nil)
	if err != nil {
		return fmt.Errorf("context: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, addr.Network, addr.Address)
	}}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return fmt.Errorf("context: %w\nhint: is Trapgate running, and is this its admin address?", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxContextAnswer))
	if err != nil {
		return fmt.Errorf("context: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("context: %s", printable(strings.TrimSpace(string(body[:min(len(body), 512)]))))
	}
	if err := json.Unmarshal(body, to); err != nil {
		return fmt.Errorf("context: not an answer: %w", err)
	}
	return nil
}

const maxContextAnswer = 256 << 20 // a content may be as long as a request

// kib is a size for people.
func inBytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/1024)
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printable takes out what would steer a terminal: sessions, tools and texts come from outside.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || 0x7f <= r && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, text)
}
