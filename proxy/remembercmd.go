package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// memoryCommand looks at memory and changes it, of a Trapgate that runs or of one that has ended.
type memoryCommand struct {
	Search   memorySearch   `cmd:"" help:"Search as a question would, and say why each was found."`
	List     memoryList     `cmd:"" help:"List what is remembered."`
	Show     memoryShow     `cmd:"" help:"Show one memory, and why it was told."`
	Remember memoryRemember `cmd:"" help:"Remember a text."`
	Forget   memoryForget   `cmd:"" help:"Forget for good: by id, by what is said in it, or all of somebody."`
	Undo     memoryUndo     `cmd:"" help:"Take back what a model found, and all that the same answer of it changed."`
	Export   memoryExport   `cmd:"" help:"Write what is remembered as lines of JSON."`
	Import   memoryImport   `cmd:"" help:"Read an export, or chat logs in OpenAI's form."`
	Audit    memoryAudit    `cmd:"" help:"Look for what should not be there: duplicates, secrets, contradictions."`
	Stats    memoryStatsCmd `cmd:"" help:"Count what is kept."`
}

type memoryFlags struct {
	Tenant string `help:"Of this tenant; by default the only one that there is." placeholder:"NAME"`
	JSON   bool   `name:"json" help:"Print JSON."`
	Config string `help:"Configuration file (YAML)." placeholder:"FILE" env:"TRAPGATE_CONFIG"`
	Admin  string `help:"The admin address of the Trapgate to ask; by default the holder of the data directory, else the configured one." placeholder:"HOST:PORT"`
	Data   string `help:"The directory for state." placeholder:"DIR"`
}

// whoFlags say whose memory is meant.
type whoFlags struct {
	User    string `help:"Of this user." placeholder:"NAME"`
	Session string `help:"Of this conversation." placeholder:"NAME"`
}

type memorySearch struct {
	memoryFlags
	whoFlags
	Text  []string `arg:"" help:"What to search for."`
	Limit int      `help:"How many, at most." default:"10" placeholder:"N"`
	All   bool     `help:"Also what was superseded."`
}

type memoryList struct {
	memoryFlags
	whoFlags
	Agent  string `help:"Of this agent." placeholder:"NAME"`
	Kind   string `help:"Only these: episode or fact." placeholder:"KIND"`
	Origin string `help:"Only what came to be so: captured, ruled, extracted, told or imported." placeholder:"ORIGIN"`
	Since  string `help:"Said on this day or later, or at this time." placeholder:"YYYY-MM-DD"`
	Until  string `help:"Said before." placeholder:"YYYY-MM-DD"`
	All    bool   `help:"Also what was superseded or has expired."`
	Limit  int    `help:"How many, at most." default:"100" placeholder:"N"`
}

type memoryShow struct {
	memoryFlags
	ID string `arg:"" help:"The id, as list shows it."`
}

type memoryRemember struct {
	memoryFlags
	whoFlags
	Text []string `arg:"" help:"The text."`
}

type memoryExport struct {
	memoryFlags
	whoFlags
	Out string `short:"o" help:"The file to write; by default stdout." placeholder:"FILE"`
}

type memoryImport struct {
	memoryFlags
	whoFlags
	File string `arg:"" help:"The file to read; - for stdin."`
}

type memoryAudit struct {
	memoryFlags
	Fix bool `help:"Remove what must not be there, and close what contradicts."`
}

type memoryStatsCmd struct{ memoryFlags }

// Run searches.
func (c *memorySearch) Run(ctx context.Context, s *streams) error {
	q := url.Values{"q": {strings.Join(c.Text, " ")}, "limit": {fmt.Sprint(c.Limit)}}
	set(q, "all", c.All)
	m, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer m.close()
	c.askTenant(q)
	if err = whose(m, s, &c.whoFlags, q); err != nil {
		return err
	}
	var answer struct {
		Hits []memoryHit `json:"hits"`
	}
	if err := m.do(ctx, http.MethodGet, "/search", q, nil, &answer); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, answer)
	}
	for _, h := range answer.Hits {
		fmt.Fprintf(s.out, "%.2f  %s  %s\n      %s\n", h.Score, h.Record.ID, briefly(&h.Record), why(h.Legs))
	}
	if len(answer.Hits) == 0 {
		fmt.Fprintln(s.err, "nothing is like it"+m.hintOthers(ctx, q))
	}
	return nil
}

// Run lists.
func (c *memoryList) Run(ctx context.Context, s *streams) error {
	m, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer m.close()
	q := url.Values{"limit": {fmt.Sprint(min(max(c.Limit, 1), 1000))}}
	c.askTenant(q)
	c.askWho(q)
	for name, value := range map[string]string{"agent": c.Agent, "kind": c.Kind, "origin": c.Origin, "since": c.Since, "until": c.Until} {
		set(q, name, value)
	}
	set(q, "all", c.All)
	page := memoryPage{Records: []memoryRecord{}}
	for {
		var p memoryPage
		if err := m.do(ctx, http.MethodGet, "", q, nil, &p); err != nil {
			return err
		}
		page.Records = append(page.Records, p.Records...)
		if len(page.Records) >= c.Limit || p.Next == "" {
			break
		}
		q.Set("after", p.Next)
	}
	page.Records = page.Records[:min(len(page.Records), max(c.Limit, 0))]
	if c.JSON {
		return printJSON(s.out, page.Records)
	}
	t := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tSAID\tTENANT\tUSER\tKIND\tWHAT")
	for i := range page.Records {
		r := &page.Records[i]
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n",
			r.ID, r.Said.Local().Format(time.DateOnly), printable(r.Tenant), printable(r.User), r.Kind, shortText(r))
	}
	return t.Flush()
}

// Run shows one.
func (c *memoryShow) Run(ctx context.Context, s *streams) error {
	var x memoryShown
	if err := c.one(ctx, s, http.MethodGet, "/"+url.PathEscape(c.ID), nil, &x); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, x)
	}
	r := &x.Record
	t := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, printable(value))
		}
	}
	line("id", r.ID.String())
	line("kind", r.Kind+", "+r.Origin+", trust "+r.Trust)
	line("of", strings.Join([]string{"tenant " + r.Tenant, "user " + cmp.Or(r.User, "-"), "session " + cmp.Or(r.Session, "-")}, ", "))
	if r.Kind == "fact" {
		line("fact", r.Subject+" "+r.Predicate+" "+r.Object)
	}
	line("said", when(r.Said)+" by the "+r.Role)
	line("holds", strings.TrimSpace(from("from ", r.From)+from(" to ", r.To)))
	line("superseded", from("", r.Closed))
	if r.SupersededBy != nil {
		line("by", r.SupersededBy.String())
	}
	line("expires", from("", r.Expires))
	line("told", fmt.Sprintf("%d times", r.Uses))
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "\n%s\n", printable(r.Text))
	for _, told := range x.Told {
		reason := why(told.Legs)
		if told.Score == 0 {
			reason = "for what it is, not for what was asked"
		}
		fmt.Fprintf(s.out, "\ntold %s in session %s: score %.2f\n  %s\n", when(told.At), printable(told.Session), told.Score, reason)
	}
	return nil
}

// Run remembers.
func (c *memoryRemember) Run(ctx context.Context, s *streams) error {
	m, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer m.close()
	q := url.Values{}
	c.askTenant(q)
	if err = whose(m, s, &c.whoFlags, q); err != nil {
		return err
	}
	var page memoryPage
	if err := m.do(ctx, http.MethodPost, "", q, map[string]string{"text": strings.Join(c.Text, " ")}, &page); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, page.Records)
	}
	for i := range page.Records {
		fmt.Fprintf(s.out, "remembered %s  %s\n", page.Records[i].ID, briefly(&page.Records[i]))
	}
	if len(page.Records) == 0 {
		fmt.Fprintln(s.out, "known already")
	}
	return nil
}

// Run exports.
func (c *memoryExport) Run(ctx context.Context, s *streams) (err error) {
	m, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer m.close()
	q := url.Values{}
	c.askTenant(q)
	c.askWho(q)
	body, err := m.send(ctx, http.MethodGet, "/export", q, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	out := s.out
	if c.Out != "" {
		f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		out = f
	}
	if _, err = io.Copy(out, body); err != nil {
		return fmt.Errorf("export: not complete: %w", err)
	}
	return nil
}

// Run imports.
func (c *memoryImport) Run(ctx context.Context, s *streams) error {
	in := s.in
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return fmt.Errorf("import: %w", err)
		}
		defer f.Close()
		in = f
	}
	m, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer m.close()
	q := url.Values{}
	c.askTenant(q)
	c.askWho(q)
	var n map[string]int
	if err := m.do(ctx, http.MethodPost, "/import", q, in, &n); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, n)
	}
	_, err = fmt.Fprintf(s.out, "imported: %d records, %d messages of %d chats; %d skipped\n",
		n["records"], n["messages"], n["chats"], n["skipped"])
	return err
}

// Run audits.
func (c *memoryAudit) Run(ctx context.Context, s *streams) error {
	method := http.MethodGet
	if c.Fix {
		method = http.MethodPost
	}
	var n map[string]int
	if err := c.one(ctx, s, method, "/audit", nil, &n); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, n)
	}
	return table(s.out, []row{
		{"records that are current", n["records"]},
		{"the same text as another", n["exact"]},
		{"nearly the same, those included", n["near"]},
		{"never told", n["never_used"]},
		{"learned from our own notes", n["recall_loop"]},
		{"that hold a secret", n["secrets"]},
		{"facts that stand on nothing", n["orphans"]},
		{"facts that contradict a later one", n["conflicts"]},
		{"mended", n["fixed"]},
	})
}

// Run counts.
func (c *memoryStatsCmd) Run(ctx context.Context, s *streams) error {
	var n memoryStats
	if err := c.one(ctx, s, http.MethodGet, "/stats", nil, &n); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, n)
	}
	return table(s.out, []row{
		{"episodes", n.Episodes},
		{"facts", n.Facts},
		{"of them no longer current", n.Closed},
		{"notes in conversations", n.Notes},
		{"vectors", n.Vectors},
		{"forgotten for good, or never to be learned", n.Tombstones},
		{"users, and conversations without one", n.Spaces},
		{"tenants", n.Tenants},
		{"size", inBytes(n.Bytes)},
		{"indexes in memory", fmt.Sprintf("%d, %s", n.Loaded, inBytes(n.IndexBytes))},
	})
}
