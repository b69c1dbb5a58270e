package top

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/charmbracelet/x/ansi"

	"github.com/trapgate/trapgate/internal/telemetry"
	"github.com/trapgate/trapgate/proxy/admin"
)

// maxCell bounds a column; ids are cut before agents, models and upstreams are.
const maxCell = 28

// rates are changes between two looks.
type rates struct {
	known          bool
	exchanges, out float64 // a second
}

func between(before, now *admin.State) rates {
	if before == nil || now == nil || before.PID != now.PID || !before.Started.Equal(now.Started) {
		return rates{}
	}
	d := now.Now.Sub(before.Now).Seconds()
	if d <= 0 {
		return rates{}
	}
	return rates{
		true, float64(now.Totals.Exchanges-before.Totals.Exchanges) / d,
		float64(now.Totals.Tokens.Output+now.Totals.Estimated.Output-before.Totals.Tokens.Output-before.Totals.Estimated.Output) / d,
	}
}

// lines draws a state: header, upstreams, table. The first line of the table is at index head.
func lines(s *admin.State, r rates) (out []string, head int) {
	out = append(out, title(s), totals(&s.Totals, r), troubles(&s.Totals))
	for _, why := range s.Reasons {
		out = append(out, "! "+plain(why))
	}
	for _, u := range s.Upstreams {
		out = append(out, fmt.Sprintf("upstream %s: breaker %s, %d busy, %d idle, %d dials, %d redials",
			plain(u.Name), plain(u.Breaker), u.Busy, u.Idle, u.Dials, u.Redials))
	}
	out = append(out, queue(s.Schedule)...)
	if s.Context != nil {
		out = append(out, contextLine(s.Context))
	}
	if s.Memory != nil {
		out = append(out, memoryLine(s.Memory))
	}
	out = append(out, "", fmt.Sprintf("in flight: %d", len(s.InFlight)))
	head = len(out)
	return append(out, table(s.InFlight)...), head
}

func title(s *admin.State) string {
	ready := "ready"
	if !s.Ready {
		ready = "NOT READY"
	}
	return fmt.Sprintf("trapgate %s  %s  pid %d  up %s  configuration %d  %s",
		plain(s.Version), plain(s.Listen), s.PID, age(s.Now.Sub(s.Started)), s.Generation, ready)
}

func totals(t *telemetry.LedgerTotals, r rates) string {
	b := fmt.Sprintf("exchanges %d", t.Exchanges)
	if r.known {
		b += fmt.Sprintf(" (%.1f/s)", r.exchanges)
	}
	b += fmt.Sprintf("  tokens in %s, out %s", tokens(t.Tokens.Input, t.Estimated.Input), tokens(t.Tokens.Output, t.Estimated.Output))
	if r.known {
		b += fmt.Sprintf(" (%.0f/s)", r.out)
	}
	b += ", cached " + count(t.Tokens.Cached)
	if t.Tokens.Input > 0 {
		b += fmt.Sprintf(" (%.0f %%)", 100*float64(t.Tokens.Cached)/float64(t.Tokens.Input))
	}
	return b + fmt.Sprintf("  added p50 %s, p99 %s", short(t.AddedP50), short(t.AddedP99))
}

func troubles(t *telemetry.LedgerTotals) string {
	return fmt.Sprintf("retries %d  fallbacks %d  errors %d  upstream errors %d  cancelled %d  truncated %d",
		t.Retries, t.Fallbacks, t.Errors, t.UpstreamErrors, t.Cancelled, t.Truncated)
}

// contextLine says what context rewriting has done; troubles only when there are some.
func contextLine(c *admin.Context) string {
	n := &c.Counts
	b := fmt.Sprintf("context: %d epochs, %d of %d requests rewritten, ~%s tokens left out, %d conversations",
		n.Epochs, n.Rewritten, n.Requests, count(n.Removed), c.Sessions)
	for _, x := range []struct {
		n    int64
		what string
	}{
		{n.Observed, "would be rewritten"},
		{n.Cuts, "cut inside"},
		{n.Learnt, "windows learnt"},
		{n.TooLarge, "too large to fit"},
		{n.Broken, "stopped"},
		{n.Failures, "failed inside"},
	} {
		if x.n > 0 {
			b += fmt.Sprintf(", %d %s", x.n, x.what)
		}
	}
	return b
}

// memoryLine says what memory has done; troubles only when there are some.
func memoryLine(m *admin.Memory) string {
	n := &m.Counts
	learned := int64(0)
	for _, k := range n.Learned {
		learned += k
	}
	b := fmt.Sprintf("memory %s, in %s: %s remembered, %s told in %s notes, ~%s tokens, at %s questions, %d waiting",
		plain(m.Mode), plain(m.Store), count(learned), count(n.Hits), count(n.Notes), count(n.Tokens), count(n.Recalls), n.Queue)
	for _, x := range []struct {
		n    int64
		what string
	}{
		{n.Abstained, "not worth telling"},
		{n.Forgotten, "forgotten"},
		{n.Late, "too late"},
		{n.Refused + n.Failed, "not kept"},
		{n.Failures, "failed inside"},
	} {
		if x.n > 0 {
			b += fmt.Sprintf(", %s %s", count(x.n), x.what)
		}
	}
	return b
}

var columns = []string{"ID", "AGE", "STATE", "FOR", "FILTER", "TENANT", "AGENT", "SESSION", "PROGRAM", "MODEL", "UPSTREAM", "TRY", "TOKENS"}

// table draws what is in flight.
func table(list []telemetry.InFlightInfo) []string {
	rows := [][]string{columns}
	for i := range list {
		e := &list[i]
		try := ""
		if e.Attempt > 0 {
			try = strconv.Itoa(e.Attempt)
		}
		rows = append(rows, []string{
			plain(e.ID), age(ms(e.AgeMS)), plain(e.State), age(ms(e.SinceMS)), plain(e.Filter), plain(e.Tenant), plain(e.Agent),
			plain(e.Session), plain(e.Program), plain(e.Model), plain(e.Upstream), try, count(e.Tokens),
		})
	}
	if len(rows) == 1 {
		return nil
	}
	return aligned(rows)
}

// aligned writes rows below their titles; a column in which nothing stands is left out.
func aligned(rows [][]string) []string {
	titles := rows[0]
	widths := make([]int, len(titles))
	for c := range titles {
		for _, row := range rows[1:] {
			row[c] = ansi.Truncate(row[c], maxCell, "~")
			widths[c] = max(widths[c], ansi.StringWidth(row[c]))
		}
		if widths[c] > 0 {
			widths[c] = max(widths[c], len(titles[c]))
		}
	}
	out := make([]string, len(rows))
	for i, row := range rows {
		var b strings.Builder
		for c, cell := range row {
			if widths[c] == 0 {
				continue
			}
			b.WriteString(cell)
			b.WriteString(strings.Repeat(" ", widths[c]-ansi.StringWidth(cell)+2))
		}
		out[i] = strings.TrimRight(b.String(), " ")
	}
	return out
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

// plain takes out of a string what a terminal would obey, and line breaks.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// plainLines is plain for a text of several lines.
func plainLines(s string) string {
	list := strings.Split(strings.TrimSpace(s), "\n")
	for i := range list {
		list[i] = plain(list[i])
	}
	return strings.Join(list, "\n")
}

func age(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", max(d, 0).Seconds())
	case d < time.Hour:
		return d.Truncate(time.Second).String()
	}
	return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
}

func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%dus", d.Microseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fms", float64(d.Microseconds())/1000)
	}
	return d.Truncate(time.Second).String()
}

// tokens shows what was reported and, apart, what we counted.
func tokens(known, estimated int64) string {
	switch {
	case estimated == 0:
		return count(known)
	case known == 0:
		return "~" + count(estimated)
	}
	return count(known) + " + ~" + count(estimated)
}

func count(n int64) string {
	switch {
	case n < 10_000:
		return strconv.FormatInt(n, 10)
	case n < 10_000_000:
		return fmt.Sprintf("%.1fk", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1fM", float64(n)/1e6)
}
