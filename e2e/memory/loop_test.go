//go:build e2e && linux

package memory

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/trapgate/trapgate/e2e/memory/history"
)

var noteBlock = regexp.MustCompile(`(?s)\[memory notes:.*?\[end of memory notes\]`)

// quoting is a model that repeats the notes that it sees: whole, or their lines alone. With no notes it says "All right.".
func quoting(whole bool) func(string) string {
	return func(body string) string {
		all := noteBlock.FindAllString(body, -1)
		if len(all) == 0 {
			return "All right."
		}
		var text string
		if json.Unmarshal([]byte(`"`+all[len(all)-1]+`"`), &text) != nil {
			return "All right."
		}
		if !whole {
			lines := strings.Split(text, "\n")
			text = strings.Join(lines[1:len(lines)-1], "\n")
		}
		return "From my notes:\n" + text
	}
}

// TestRecallLoop: agents send whole histories with every turn, with the answers of a model that quotes its notes; users quote them too.
// No note, and no line of one, is ever learned, and hardly anything is kept twice.
func TestRecallLoop(t *testing.T) {
	for name, whole := range map[string]bool{"whole notes": true, "lines of notes": false} {
		t.Run(name, func(t *testing.T) { recallLoop(t, whole, times(1000, 10_000)) })
	}
}

func recallLoop(t *testing.T, whole bool, turns int) {
	u := model(t, quoting(whole))
	g := start(t, t.TempDir()+"/data", u.base(), byHeader)
	users := max(turns/250, 4)
	var asked, told atomic.Int64
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for n := w; n < users; n += 4 {
				a, b := replayed(t, g, u, history.Make(uint64(1000+n), history.Size{Sessions: 8, Changes: 6, Episodes: 12, Filler: 32}), turns/users)
				asked.Add(int64(a))
				told.Add(int64(b))
			}
		})
	}
	all.Wait()
	g.quiet()
	kept := g.kept()
	loops := 0
	for _, e := range kept {
		if strings.Contains(e.Text, "memory notes") || e.Role == "assistant" && e.Text != "All right." {
			if loops++; loops < 10 {
				t.Errorf("learned from a note: %s %s %q", e.Kind, e.Role, e.Text)
			}
		}
	}
	var audit struct{ Records, Exact, Near, RecallLoop, Secrets, Orphans, Conflicts int }
	if err := json.Unmarshal([]byte(g.must("audit", "--json")), &audit); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d turns, %d with notes: %d records, %d of them from notes; the audit: %+v", asked.Load(), told.Load(), len(kept), loops, audit)
	if told.Load() < asked.Load()/20 || audit.Records == 0 {
		t.Error("hardly anything was told, so nothing is proven")
	}
	if audit.RecallLoop > 0 || loops > 0 {
		t.Errorf("%d entries from notes, %d by the audit", loops, audit.RecallLoop)
	}
	if share := float64(audit.Near) / float64(max(audit.Records, 1)); share > 0.03 {
		t.Errorf("%.1f %% near duplicates", 100*share)
	}
}

// replayed has a history's sessions as conversations that grow message by message, and returns the turns and those with notes.
func replayed(t *testing.T, g *gate, u *upstream, h *history.History, turns int) (asked, told int) {
	for _, s := range h.Sessions {
		var conversation []msg
		quote := ""
		for i, m := range s.Messages {
			if m.Role != history.User {
				continue
			}
			text := m.Text
			if quote != "" && i%7 == 0 {
				text = "You said:\n" + quote + "\nIs that so?"
			}
			conversation = append(conversation, says(text))
			r, err := g.ask(u, conversation, "x-user: "+h.User, "x-trapgate-session: "+s.ID)
			if err != nil || r.status != 200 {
				t.Errorf("%s: %v %+v", m.ID, err, r)
				return asked, told
			}
			asked++
			if r.notes() != "" {
				told++
				if r.text != "All right." {
					quote = r.text
				}
			}
			conversation = append(conversation, msg{Role: "assistant", Content: r.text})
			for j := i + 1; j < len(s.Messages) && s.Messages[j].Role == history.Tool; j++ {
				id := fmt.Sprintf("call%d", j)
				conversation = append(conversation, called(id, s.Messages[j].Text)...)
			}
			if asked >= turns {
				return asked, told
			}
		}
	}
	return asked, told
}
