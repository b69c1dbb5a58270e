//go:build e2e && linux

package memory

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/e2e/memory/history"
	"github.com/trapgate/trapgate/e2e/memory/judge"
	engine "github.com/trapgate/trapgate/memory"
	"github.com/trapgate/trapgate/memory/record"
)

// Floors, in percent, of what 200 histories reach: less is a step back. The target is 99 above and 0 told.
const (
	leastAbovePlain = 70
	leastAny10      = 90
)

// TestChanges: in histories in which things change the current value stands above the old one, and evidence is found.
func TestChanges(t *testing.T) {
	m, err := judge.Open(t.Context(), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}()
	s := judge.NewScore()
	for seed := range uint64(times(60, 200)) {
		h := history.Make(seed, history.Default)
		if err := m.Play(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		if err := s.Judge(t.Context(), m, h); err != nil {
			t.Fatal(err)
		}
	}
	for _, style := range []history.Style{history.Plain, history.Free, history.Kept} {
		c := s.Styles[style]
		share := func(n int) float64 { return 100 * float64(n) / float64(max(c.Changes, 1)) }
		t.Logf("%-5s %d: above %.1f %%, not found %.1f %%, told %.1f %%, a closed value told %.1f %%", style, c.Changes,
			share(c.Above), share(c.Lost), share(c.Told), share(c.Injected))
		if style == history.Plain && share(c.Above) < leastAbovePlain {
			t.Errorf("above the old value: %.1f %%, want %d at least", share(c.Above), leastAbovePlain)
		}
	}
	any10 := 100 * float64(s.Any10) / float64(s.Questions)
	t.Logf("%d questions: any@10 %.1f %%; notes of %.0f tokens", s.Questions, any10, float64(s.NoteTokens)/float64(s.Notes))
	if any10 < leastAny10 {
		t.Errorf("any@10 %.1f %%, want %d at least", any10, leastAny10)
	}
}

// TestClockBackwards: a clock that goes back loses nothing, brings nothing back, and what was said last still counts.
func TestClockBackwards(t *testing.T) {
	m, err := judge.Open(t.Context(), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}()
	scope := record.Scope{Tenant: judge.Tenant, User: "ann", Agent: "a", Session: "one"}
	say := func(session, text string) {
		t.Helper()
		scope.Session = session
		if err := m.LearnNow(t.Context(), engine.Turn{Scope: scope, Messages: []engine.Message{{Role: record.User, Text: text}}}); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	m.Set(now)
	say("one", "I live in Oslo. My cat is called Ottokar.")
	for i, back := range []time.Duration{time.Second, time.Hour, 40 * 24 * time.Hour} {
		city, before := []string{"Ghent", "Kyoto", "Denver"}[i], []string{"Oslo", "Ghent", "Kyoto"}[i]
		t.Run(fmt.Sprint(back), func(t *testing.T) {
			m.Set(now.Add(-back))
			told, err := m.Ask(t.Context(), scope, "Where do I live, and what is my cat called?")
			if err != nil || !strings.Contains(told.Note.Text, before) || !strings.Contains(told.Note.Text, "Ottokar") {
				t.Errorf("%v: %v is told: %s", err, before, told.Note.Text)
			}
			say("two"+city, "I moved to "+city+".")
			told, err = m.Ask(t.Context(), scope, "Where do I live, and what is my cat called?")
			note := told.Note.Text
			if err != nil || !strings.Contains(note, city) || !strings.Contains(note, "Ottokar") || strings.Contains(note, before) {
				t.Errorf("%v: %v should be told, and not %s: %s", err, city, before, note)
			}
		})
	}
}
