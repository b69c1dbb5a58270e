package decide

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/memory/record"
)

var monday = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func say(text string) Decision {
	return New(Options{}).Decide(&Message{Role: record.User, Text: text, At: monday})
}

// A scripted update of testdata/updates.txt.
type update struct {
	predicate, subject, text, value, old string
	closes, held                         bool
}

func readUpdates(t testing.TB) (out []update) {
	b, err := os.ReadFile("testdata/updates.txt")
	if err != nil {
		t.Fatal(err)
	}
	var head []string
	var values []string
	n := 0
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			what, list, _ := strings.Cut(strings.Trim(line, "[]"), "|")
			head, values, n = strings.Fields(what), strings.Split(list, ";"), 0
		default:
			n++
			text, closes := strings.CutPrefix(line, "- ")
			for i := range values {
				value, old := strings.TrimSpace(values[i]), strings.TrimSpace(values[(i+1)%len(values)])
				out = append(out, update{
					predicate: head[0], subject: head[1], value: value, old: old, closes: closes, held: n%3 == 0,
					text: strings.NewReplacer("NEW", value, "OLD", old).Replace(text),
				})
			}
		}
	}
	return out
}

// told reports whether the update came through: the new value under its predicate and nothing else there, or the old one ended.
func (u *update) told(d *Decision) bool {
	found := false
	for i := range d.Facts {
		f := &d.Facts[i]
		if f.Subject != u.subject {
			continue
		}
		if u.closes {
			ended := f.Object == "" || strings.Contains(strings.ToLower(f.Object), strings.ToLower(u.old)) || !strings.Contains(u.text, u.old)
			found = found || f.Closes && (f.Predicate == u.predicate || f.Predicate == Any) && ended
			continue
		}
		if f.Predicate != u.predicate || f.Closes {
			continue
		}
		low := strings.ToLower(f.Object)
		if !strings.Contains(low, strings.ToLower(u.value)) || strings.Contains(low, strings.ToLower(u.old)) {
			return false
		}
		found = true
	}
	return found
}

// TestUpdates: templates with values, a third of the templates held out while rules were written.
func TestUpdates(t *testing.T) {
	var all, right [2]int
	for _, u := range readUpdates(t) {
		part := 0
		if u.held {
			part = 1
		}
		all[part]++
		d := say(u.text)
		if u.told(&d) {
			right[part]++
		} else if part == 0 || os.Getenv("SHOW_HELD") != "" {
			t.Logf("missed: %q: %+v", u.text, brief(d.Facts))
		}
	}
	for part, name := range [...]string{"written for", "held out"} {
		share := float64(right[part]) / float64(all[part])
		t.Logf("%s: %d of %d updates told (%.1f %%)", name, right[part], all[part], 100*share)
	}
	if float64(right[0]) < 0.99*float64(all[0]) {
		t.Errorf("%d of %d updates came through, fewer than 99 %%", right[0], all[0])
	}
	if float64(right[1]) < 0.85*float64(all[1]) {
		t.Errorf("%d of %d held-out updates came through, fewer than 85 %%", right[1], all[1])
	}
}

func brief(facts []Fact) (out []string) {
	for _, f := range facts {
		s := f.Subject + " " + f.Predicate + " " + f.Object
		if f.Closes {
			s = "- " + s
		}
		out = append(out, s)
	}
	return out
}
