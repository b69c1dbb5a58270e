package decide

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/trapgate/trapgate/memory/record"
)

// TestEvidenceStays: of the turns of LoCoMo that answer a question at most one in two hundred may be dropped.
func TestEvidenceStays(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "..", "shared", "data", "locomo_dev.json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("SKIP: %s is missing", path)
	}
	var conversations []struct {
		Sessions []struct {
			DateTime string `json:"date_time"`
			Turns    []struct{ ID, Speaker, Text string }
		}
		QA []struct{ Evidence []string }
	}
	if err := json.Unmarshal(b, &conversations); err != nil {
		t.Fatal(err)
	}
	d := New(Options{})
	turns, dropped, evidence, lost, facts, redacted := 0, 0, 0, 0, 0, 0
	start := time.Now()
	for _, c := range conversations {
		needed := map[string]bool{}
		for _, q := range c.QA {
			for _, id := range q.Evidence {
				needed[id] = true
			}
		}
		for _, s := range c.Sessions {
			at, err := time.Parse("3:04 pm on 2 January, 2006", s.DateTime)
			if err != nil {
				t.Fatal(err)
			}
			for _, turn := range s.Turns {
				out := d.Decide(&Message{Role: record.User, Speaker: turn.Speaker, Text: turn.Text, At: at})
				turns++
				facts += len(out.Facts)
				redacted += out.Redacted
				if os.Getenv("SHOW_FACTS") != "" {
					for _, f := range out.Facts {
						t.Log(brief([]Fact{f}), " <- ", f.Quote)
					}
				}
				if needed[turn.ID] {
					evidence++
				}
				if out.Dropped == Kept {
					continue
				}
				if dropped++; needed[turn.ID] {
					lost++
					t.Logf("evidence dropped (%s): %q", out.Dropped, turn.Text)
				}
			}
		}
	}
	t.Logf("%d turns: %d dropped, %d facts, %d redacted; evidence: %d of %d dropped; %v a turn",
		turns, dropped, facts, redacted, lost, evidence, time.Since(start)/time.Duration(turns))
	if lost*200 > evidence {
		t.Errorf("%d of %d evidence turns were dropped, more than 0.5 %%", lost, evidence)
	}
	if redacted > 0 {
		t.Errorf("%d secrets found where there are none", redacted)
	}
}
