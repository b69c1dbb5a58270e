package digest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/trapgate/trapgate/ctxrewrite/tokens"
)

// banner begins our text. What stands behind it in a text of the agent is ours and is not read again.
const banner = "[Context notes: "

// A section is a part of the text before it is joined: escaped content.
type section struct {
	name, title string
	lines       []string
}

// render sets text and tokens.
func (d *Digest) render() {
	parts := d.state.parts()
	if len(parts) == 0 {
		return
	}
	d.text = append(d.text, `\n\n`+banner...)
	d.text = strconv.AppendInt(d.text, int64(d.state.Messages), 10)
	d.text = append(d.text, ` earlier messages are left out; quotes are verbatim.]`...)
	for _, p := range parts {
		d.text = p.append(d.text)
	}
	d.text = append(d.text, `\n[End of context notes]`...)
	d.tokens = tokens.Estimate(unescape(d.text))
}

func (p *section) append(dst []byte) []byte {
	dst = append(append(dst, `\n`...), p.title...)
	for _, l := range p.lines {
		dst = append(dst, `\n`...)
		if marker([]byte(l)) == 0 {
			dst = append(dst, "- "...)
		}
		dst = append(dst, l...)
	}
	return dst
}

// Sections are the parts of the text, in their order.
func (d *Digest) Sections() []Section {
	if d == nil {
		return nil
	}
	var out []Section
	for _, p := range d.state.parts() {
		text := strings.TrimPrefix(string(unescape(p.append(nil))), "\n")
		out = append(out, Section{p.name, text, tokens.Estimate([]byte(text))})
	}
	return out
}

func (s *state) parts() []section {
	var out []section
	add := func(name, title string, lines []string, always bool) {
		if len(lines) > 0 || always {
			out = append(out, section{name, title, lines})
		}
	}
	add("rules", "Rules that still hold:", s.rules(), false)
	add("goal", "Goal: the task above.", nil, s.Messages > 0)
	add("summary", s.summarySection(), nil, s.Summary != "")
	add("user", "User, newest first:", raws(s.Users), false)
	add("decisions", "Decisions:", raws(s.Decisions), false)
	add("facts", "Facts:", s.ledger(), false)
	title, lines := s.work()
	add("work", title, lines, title != "")
	if files := s.filesLine(); files != "" {
		add("files", "Files: "+files, nil, true)
	}
	add("errors", "Errors met:", raws(s.Errors), false)
	add("open", "Open:", raws(s.Open), false)
	if s.Next.Raw != "" {
		add("next", "Last plan: "+s.Next.Raw, nil, true)
	}
	var stubs []string
	for _, t := range s.Stubs {
		stubs = append(stubs, t.Raw)
	}
	add("stubs", "Offloaded results (reads may be called again):", stubs, false)
	if len(s.Spans) > 0 {
		spans := "Offloaded messages: span " + strings.Join(s.Spans, ", ")
		if s.Index != "" {
			spans += "; older: " + s.Index
		}
		add("spans", spans, nil, true)
	}
	return out
}

func (s *state) rules() []string {
	lines := slices.Clone(s.Operator)
	for _, p := range s.Pins {
		if !slices.Contains(s.Operator, p.Raw) {
			lines = append(lines, p.Raw)
		}
	}
	return lines
}

func raws(list []item) []string {
	var out []string
	for _, it := range list {
		out = append(out, it.Raw)
	}
	return out
}

// work is the log of calls: one line for each tool, the newest tool first, with its newest arguments as far as they fit.
func (s *state) work() (string, []string) {
	var lines []string
	var names []string
	left, older := s.WorkBudget, s.CallsDone
	for i := len(s.Calls) - 1; i >= 0; i-- {
		c := &s.Calls[i]
		k := slices.Index(names, c.Tool)
		if left -= c.Cost; left < 0 {
			break
		}
		older -= c.Count
		entry := c.entry()
		if k < 0 {
			names = append(names, c.Tool)
			lines = append(lines, c.Tool+": "+entry)
		} else {
			lines[k] += " | " + entry
		}
	}
	if len(lines) == 0 {
		return "", nil
	}
	if older > 0 {
		return "Work done, newest first (" + strconv.Itoa(older) + " older calls offloaded):", lines
	}
	return "Work done, newest first:", lines
}

func (c *call) entry() string {
	e := c.Args
	if e == "" {
		e = "()"
	}
	if c.Count > 1 {
		e += " x" + strconv.Itoa(c.Count)
	}
	if c.Failed {
		e += " FAILED"
	}
	return e
}
