package decide

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// A fresh template of testdata/fresh.txt: a text, and the facts that it has to give at least; none: no fact at all.
type fresh struct {
	text string
	want []string
	held bool
}

func readFresh(t testing.TB) (out []fresh) {
	b, err := os.ReadFile("testdata/fresh.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		text, want, ok := strings.Cut(line, " => ")
		switch {
		case strings.HasPrefix(line, "["):
			n = 0
		case ok && !strings.HasPrefix(line, "#"):
			n++
			f := fresh{text: text, held: n%3 == 0}
			if want != "none" {
				f.want = strings.Split(want, "; ")
			}
			out = append(out, f)
		}
	}
	return out
}

// right reports whether a decision has all that is wanted: subject and predicate as they are, the value within the object. What
// ends an object may name it or, by Any, whatever has its words.
func (f *fresh) right(d *Decision) bool {
	if len(f.want) == 0 {
		return len(d.Facts) == 0
	}
	for _, want := range f.want {
		w, closes := strings.CutPrefix(want, "- ")
		subject, rest, _ := strings.Cut(w, " ")
		predicate, object, _ := strings.Cut(rest, " ")
		if !slices.ContainsFunc(d.Facts, func(g Fact) bool {
			named := g.Predicate == predicate || strings.HasPrefix(g.Predicate, predicate+":") || closes && g.Predicate == Any
			return named && g.Subject == subject && g.Closes == closes &&
				(strings.Contains(strings.ToLower(g.Object), strings.ToLower(object)) || closes && g.Object == "")
		}) {
			return false
		}
	}
	return true
}

// TestFresh: templates that were written before the rules for them, a third held out.
func TestFresh(t *testing.T) {
	var all, right [2]int
	for _, f := range readFresh(t) {
		part := 0
		if f.held {
			part = 1
		}
		all[part]++
		d := say(f.text)
		if f.right(&d) {
			right[part]++
		} else if part == 0 || os.Getenv("SHOW_HELD") != "" {
			t.Logf("missed: %q: %+v, want %q", f.text, brief(d.Facts), f.want)
		}
	}
	for part, name := range [...]string{"written for", "held out"} {
		t.Logf("%s: %d of %d right (%.1f %%)", name, right[part], all[part], 100*float64(right[part])/float64(all[part]))
	}
	if float64(right[0]) < 0.94*float64(all[0]) || float64(right[1]) < 0.75*float64(all[1]) {
		t.Errorf("%d of %d and %d of %d right, fewer than 94 and 75 %%", right[0], all[0], right[1], all[1])
	}
}
