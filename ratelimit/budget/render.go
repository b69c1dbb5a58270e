package budget

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Formats lists what Render can write.
var Formats = []string{"table", "csv", "json"}

// Render writes the answer of a Query that grouped by the same columns. The table is for people and ends with a total; CSV and JSON
// have exact numbers, money in dollars as a decimal (in JSON as a string, so that nobody's floats round it).
func Render(w io.Writer, format string, by []string, rows []Row) error {
	switch format {
	case "table":
		return renderTable(w, by, rows)
	case "csv":
		return renderCSV(w, by, rows)
	case "json":
		return renderJSON(w, by, rows)
	}
	return fmt.Errorf("usage: no format %q\nhint: one of %s", format, strings.Join(Formats, ", "))
}

func (r *Row) name(column string) string {
	switch column {
	case "day":
		return r.Day.String()
	case "tenant":
		return r.Tenant
	case "agent":
		return r.Agent
	case "model":
		return r.Model
	case "upstream":
		return r.Upstream
	}
	return ""
}

var csvColumns = []string{
	"requests", "attempts", "input", "cached", "written", "output", "estimated", "unpriced", "money", "saved", "aborted", "errors",
}

func renderCSV(w io.Writer, by []string, rows []Row) error {
	out := csv.NewWriter(w)
	record := append(append([]string{}, by...), csvColumns...)
	if err := out.Write(record); err != nil {
		return fmt.Errorf("usage: %w", err)
	}
	for i := range rows {
		r := &rows[i]
		record = record[:0]
		for _, c := range by {
			record = append(record, r.name(c))
		}
		for _, n := range []int64{r.Requests, r.Attempts, r.Input, r.Cached, r.Written, r.Output, r.Estimated, r.Unpriced} {
			record = append(record, strconv.FormatInt(n, 10))
		}
		record = append(record, r.Money.String(), r.Saved.String(), strconv.FormatInt(r.Aborted, 10), strconv.FormatInt(r.Errors, 10))
		if err := out.Write(record); err != nil {
			return fmt.Errorf("usage: %w", err)
		}
	}
	out.Flush()
	return out.Error()
}

// renderJSON writes an array with one object on each line, its names in the order asked for.
func renderJSON(w io.Writer, by []string, rows []Row) error {
	var b bytes.Buffer
	b.WriteString("[")
	for i := range rows {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString("\n  {")
		for _, c := range by {
			name, err := json.Marshal(rows[i].name(c))
			if err != nil {
				return fmt.Errorf("usage: %w", err)
			}
			fmt.Fprintf(&b, "%q: %s, ", c, name)
		}
		totals, err := json.Marshal(rows[i].Totals)
		if err != nil {
			return fmt.Errorf("usage: %w", err)
		}
		b.Write(totals[1:])
	}
	if len(rows) > 0 {
		b.WriteString("\n")
	}
	b.WriteString("]\n")
	_, err := w.Write(b.Bytes())
	return err
}

func renderTable(w io.Writer, by []string, rows []Row) error {
	lines := [][]string{tableHead(by)}
	var sum Row
	for i := range rows {
		lines = append(lines, rows[i].cells(by))
		sum.plus(&rows[i].Totals)
	}
	if len(rows) != 1 {
		total := sum.cells(by)
		for i := range by {
			total[i] = ""
		}
		if len(by) > 0 {
			total[0] = "total"
		}
		lines = append(lines, total)
	}
	var b strings.Builder
	align(&b, lines, len(by))
	if n := sum.Unpriced; n > 0 {
		fmt.Fprintf(&b, "\n%d tokens have no price and count no money: see schedule.prices\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func tableHead(by []string) []string {
	return append(append([]string{}, by...), "requests", "attempts", "input", "cached", "output", "estimated", "usd", "saved", "aborted", "errors")
}

func (r *Row) cells(by []string) []string {
	var c []string
	for _, name := range by {
		c = append(c, printable(r.name(name)))
	}
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	return append(c, n(r.Requests), n(r.Attempts), n(r.Input), percent(r.Cached, r.Input), n(r.Output), percent(r.Estimated, r.Input+r.Output),
		dollars(r.Money), dollars(r.Saved), n(r.Aborted), n(r.Errors))
}

func (t *Totals) plus(o *Totals) {
	t.Requests += o.Requests
	t.Attempts += o.Attempts
	t.Input += o.Input
	t.Cached += o.Cached
	t.Written += o.Written
	t.Output += o.Output
	t.Estimated += o.Estimated
	t.Unpriced += o.Unpriced
	t.Money = Money(add(int64(t.Money), int64(o.Money)))
	t.Saved = Money(add(int64(t.Saved), int64(o.Saved)))
	t.Aborted += o.Aborted
	t.Errors += o.Errors
}

func percent(part, whole int64) string {
	if whole == 0 {
		return "-"
	}
	return strconv.FormatFloat(100*float64(part)/float64(whole), 'f', 1, 64) + "%"
}

// dollars is for people: four decimals, rounded.
func dollars(m Money) string { return strconv.FormatFloat(float64(m)/1e9, 'f', 4, 64) }

// printable keeps a name that an agent chose from steering the terminal.
func printable(s string) string {
	if s == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != utf8.RuneError {
			return r
		}
		return '?'
	}, s)
}

// align writes columns: the first ones to the left, numbers to the right.
func align(b *strings.Builder, lines [][]string, left int) {
	width := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range lines {
		for i, cell := range line {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i > 0 {
				b.WriteString("  ")
			}
			if i < left {
				b.WriteString(cell + pad)
			} else {
				b.WriteString(pad + cell)
			}
		}
		b.WriteString("\n")
	}
}
