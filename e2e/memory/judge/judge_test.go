package judge

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/trapgate/trapgate/e2e/memory/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A history that is played is judged: each change is counted once, and in a mind that was told nothing all of them are lost.
func TestJudge(t *testing.T) {
	h := history.Make(1, history.Default)
	for name, plays := range map[string]bool{"told": true, "told nothing": false} {
		t.Run(name, func(t *testing.T) {
			m, err := Open(t.Context(), t.TempDir(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if plays {
				if err := m.Play(t.Context(), h); err != nil {
					t.Fatal(err)
				}
			}
			s := NewScore()
			if err := s.Judge(t.Context(), m, h); err != nil {
				t.Fatal(err)
			}
			var all Counts
			for _, c := range s.Styles {
				all.Add(*c)
			}
			if all.Changes != len(h.Changes) || s.Questions != len(h.Questions) || all.Above+all.Lost > all.Changes {
				t.Errorf("%+v of %d changes and %d questions", all, len(h.Changes), len(h.Questions))
			}
			if plays && (all.Above == 0 || s.Any10 == 0 || s.NoteTokens == 0) {
				t.Errorf("nothing was found: %+v %+v", all, s)
			}
			if !plays && (all.Lost != all.Changes || all.Told+all.Injected+s.Any20+s.NoteTokens != 0) {
				t.Errorf("found what was never said: %+v %+v", all, s)
			}
		})
	}
}

func TestSays(t *testing.T) {
	for _, c := range []struct {
		text, value string
		want        bool
	}{
		{"I live in Oslo.", "Oslo", true},
		{"Oslofjord, Oslo", "Oslo", true},
		{"pnpm", "npm", false},
		{"at 10:30", "0:30", false},
		{"", "Oslo", false},
	} {
		if got := says(c.text, c.value); got != c.want {
			t.Errorf("%q in %q: %v", c.value, c.text, got)
		}
	}
}
