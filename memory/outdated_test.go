package memory

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A changeCase is a line of testdata/changes.txt.
type changeCase struct{ kind, first, then, ask, old, now string }

func changeCases(t *testing.T) (all []changeCase) {
	t.Helper()
	f, err := os.Open("testdata/changes.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if p := strings.Split(lines.Text(), " | "); len(p) == 6 && p[0][0] != '#' {
			all = append(all, changeCase{p[0], p[1], p[2], p[3], p[4], p[5]})
		}
	}
	return all
}

// smallTalk is said between a statement and the next one, so that there is something else to find.
var smallTalk = []string{
	"Can you look at the failing build of the parser?", "The parser is on branch fix-tokens, the tests are in parse_test.go.",
	"Summarize the three pull requests of this morning, please.", "The customer in Leeds reported a slow export of large tables.",
}

// Shares of what testdata/changes.txt must reach. Both values of what does not change must be told or found.
const (
	leastNew  = 38 // of 40 changes: the new value is told, and found above the old one
	mostOld   = 2  // of 40: the old one is told
	leastBoth = 20 // of 20: both are found
)

func TestChangesInFreeWords(t *testing.T) {
	s, _ := openSQLite(t, t.TempDir())
	k := newKit(t, s)
	told, above, old, both, changes, keeps := 0, 0, 0, 0, 0, 0
	for i, c := range changeCases(t) {
		name := "u" + string(rune('A'+i/26)) + string(rune('a'+i%26))
		k.say(user(name, name+"1"), smallTalk[0], c.first, smallTalk[1])
		k.learn(user(name, name+"1"), record.Assistant, "Noted: "+c.old)
		k.days(3)
		k.say(user(name, name+"2"), smallTalk[2], c.then, smallTalk[3])
		k.days(3)
		note := k.ask(user(name, name+"3"), c.ask, func(q *Question) { q.First = true }).Note.Text
		hits, err := k.Search(t.Context(), user(name, name+"4"), c.ask, 20, false)
		if err != nil {
			t.Fatal(err)
		}
		at := func(value string) int {
			return slices.IndexFunc(hits, func(h store.Hit) bool { return h.Record.Closed.IsZero() && strings.Contains(h.Record.Text, value) })
		}
		saysOld := false
		for line := range strings.Lines(note) {
			saysOld = saysOld || strings.Contains(line, c.old) && !strings.Contains(line, c.now)
		}
		if c.kind == "keep" {
			keeps++
			if (at(c.old) >= 0 || strings.Contains(note, c.old)) && (at(c.now) >= 0 || strings.Contains(note, c.now)) {
				both++
			} else {
				t.Logf("hidden: %q, %q: %v %v\n%s", c.first, c.then, at(c.old), at(c.now), note)
			}
			continue
		}
		changes++
		isTold := strings.Contains(note, c.now)
		first := slices.IndexFunc(hits, func(h store.Hit) bool {
			text := h.Record.Text
			return h.Record.Closed.IsZero() && strings.Contains(text, c.old) && !strings.Contains(text, c.now)
		})
		isAbove := at(c.now) >= 0 && (first < 0 || at(c.now) < first)
		if isTold {
			told++
		}
		if isAbove {
			above++
		}
		if saysOld {
			old++
		}
		if !isTold || !isAbove || saysOld {
			t.Logf("told %v, above %v, old told %v: %q, %q\n%s", isTold, isAbove, saysOld, c.first, c.then, note)
		}
	}
	t.Logf("of %d changes: new value told %d, above the old %d, old value told %d; both found of %d of %d that stay",
		changes, told, above, old, both, keeps)
	if told < leastNew || above < leastNew || old > mostOld || both < leastBoth {
		t.Error("less than it was")
	}
}
