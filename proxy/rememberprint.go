package main

import (
	"bytes"
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"
)

type row struct {
	name  string
	value any
}

func table(w io.Writer, rows []row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t%v\n", r.name, r.value)
	}
	return t.Flush()
}

// why says what made a score, the strongest first as they came.
func why(legs []memoryLeg) string {
	var b bytes.Buffer
	for _, l := range legs {
		if l.Share != 0 {
			fmt.Fprintf(&b, "%s %+.2f  ", l.Name, l.Share)
		}
	}
	return strings.TrimSpace(b.String())
}

// briefly is a record on one line.
func briefly(r *memoryRecord) string {
	return r.Said.Local().Format(time.DateOnly) + "  " + shortText(r)
}

func shortText(r *memoryRecord) string {
	const most = 90
	text := strings.Join(strings.Fields(printable(r.Text)), " ")
	if r.Kind == "fact" {
		text = printable(r.Subject+" "+r.Predicate+" "+r.Object) + ": " + text
	}
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most-3]) + "..."
	}
	return text
}

func when(t time.Time) string { return t.Local().Format(time.DateTime) }

// from is a time with a word in front, "" for none.
func from(word string, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return word + when(t)
}

// set puts a value into a query unless it is empty.
func set[T comparable](q url.Values, name string, value T) {
	if value != *new(T) {
		q.Set(name, fmt.Sprint(value))
	}
}
