package digest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
)

// WithSummary is d with a summary (plain text) that a model wrote of all messages evicted so far, as a section of its own; what d
// copied stays. The digests that extend it carry the summary on until they get another. Text that would look like the frame of
// these notes is made harmless. A blank text gives d itself.
func (d *Digest) WithSummary(text string) *Digest {
	if text = strings.TrimSpace(unframed.Replace(text)); text == "" || d == nil {
		return d
	}
	n := &Digest{state: d.state.clone()}
	n.state.Summary, n.state.SummaryAt = string(escape(text)), n.state.Messages
	n.render()
	return n
}

var unframed = strings.NewReplacer("[Context notes", "(Context notes", "[End of context notes", "(End of context notes", "<ctx:pin", "(ctx:pin")

// Summary is the summary as plain text, "" without one. current says that it is of all messages evicted so far, and not only of
// those that an earlier digest had seen.
func (d *Digest) Summary() (text string, current bool) {
	if d == nil || d.state.Summary == "" {
		return "", false
	}
	return string(unescape([]byte(d.state.Summary))), d.state.SummaryAt == d.state.Messages
}

// summarySection is the section's title and text.
func (s *state) summarySection() string {
	title := "Summary, in a model's words:"
	if s.SummaryAt < s.Messages {
		title = "Summary of the first " + strconv.Itoa(s.SummaryAt) + " of them, in a model's words:"
	}
	return title + `\n` + s.Summary
}

// Values are ids, paths and the like of the ledger, as plain text: those that are hardest to find again and newest first, about as
// many tokens of them as most. They are what a summary must name.
func (d *Digest) Values(most int) (values []string) {
	if d == nil {
		return nil
	}
	facts := slices.Clone(d.state.Facts)
	slices.Reverse(facts)
	slices.SortStableFunc(facts, func(a, b fact) int { return int(b.Class) - int(a.Class) })
	for _, f := range facts {
		value := string(unescape([]byte(f.Value)))
		if most -= tokens.Estimate([]byte(value)) + 1; most < 0 {
			break
		}
		if !slices.Contains(values, value) {
			values = append(values, value)
		}
	}
	return values
}

// Accepts checks a summary (plain text) of the messages [from, to) of v that is to stand in d beside the rules and the ledger, which
// d keeps anyway: it must name at least 95 % of values, claim no call of a tool that was never made, and be shorter than its
// source. The error says what is wrong, in words for whoever wrote it.
func (d *Digest) Accepts(summary string, values []string, v *wire.View, from, to int) error {
	lost := 0
	for _, value := range values {
		if !strings.Contains(summary, value) {
			lost++
		}
	}
	switch {
	case strings.TrimSpace(summary) == "":
		return fmt.Errorf("digest: the summary is empty")
	case lost*20 > len(values):
		return fmt.Errorf("digest: the summary lost %d of %d ids and paths", lost, len(values))
	}
	tool := d.falseClaim(summary, v)
	if tool == "" {
		tool = d.invented(summary, v, from, to)
	}
	if tool != "" {
		return fmt.Errorf("digest: the summary says that %s was called, and it never was", tool)
	}
	size := 0
	for i := max(from, 0); i < min(to, len(v.Msgs)); i++ {
		size += tokens.Estimate(v.Raw(v.Msgs[i].Span))
	}
	if before, _ := d.Summary(); before != "" {
		size += tokens.Estimate([]byte(before))
	}
	if n := tokens.Estimate([]byte(summary)); n >= size {
		return fmt.Errorf("digest: the summary has %d tokens, its source %d", n, size)
	}
	return nil
}
