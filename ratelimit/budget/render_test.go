package budget

import (
	"encoding/csv"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// filled is a state file with the usage of two days.
func filled(t *testing.T) querier {
	db := openState(t, t.TempDir())
	c := newClock()
	b := mustNew(t, config(), NewStore(db), c, Options{})
	for day, agents := range [][]string{{"coder", "writer"}, {"coder", "esc\x1b[2J,\""}} {
		for i, agent := range agents {
			var a Account
			b.Open(&a, Who{Tenant: "team", Agent: agent}, false)
			model := []string{"big-1", "unknown"}[day&i]
			for attempt, how := range []Outcome{Refunded, Failed, Done} {
				if _, err := a.Reserve(attempt+1, model, "up", tokens(1)); err != nil {
					t.Fatal(err)
				}
				a.Settle(attempt+1, Usage{Input: 1000, Cached: 600, Write: 100, Output: 70, Estimated: how == Failed}, how)
			}
			a.Close()
		}
		c.move(86400e9)
	}
	if err := db.Flush(bg); err != nil {
		t.Fatal(err)
	}
	return db.Reader()
}

func TestRender(t *testing.T) {
	db := filled(t)
	var everything, none strings.Builder
	for _, by := range [][]string{{"tenant", "agent", "model", "day"}, {"day"}, {"upstream"}, {}} {
		rows, err := Query(bg, db, 0, 1<<40, by)
		if err != nil {
			t.Fatal(err)
		}
		for _, format := range Formats {
			var out strings.Builder
			if err := Render(&out, format, by, rows); err != nil {
				t.Fatal(err)
			}
			everything.WriteString("--- " + format + " by " + strings.Join(by, ",") + "\n" + out.String())
			switch format {
			case "json":
				var got []map[string]any
				if err := json.Unmarshal([]byte(out.String()), &got); err != nil || len(got) != len(rows) {
					t.Errorf("%v: %s", err, out.String())
				}
			case "csv":
				if got, err := csv.NewReader(strings.NewReader(out.String())).ReadAll(); err != nil || len(got) != len(rows)+1 {
					t.Errorf("%v: %s", err, out.String())
				}
			case "table":
				if strings.Contains(out.String(), "\x1b") {
					t.Errorf("a name reaches the terminal: %q", out.String())
				}
			}
		}
	}
	golden := filepath.Join("testdata", "render.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(everything.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if everything.String() != string(want) {
		t.Errorf("not as in %s:\n%s", golden, everything.String())
	}
	first := DateOf(newClock().now())
	rows, err := Query(bg, db, first, first, []string{"agent"})
	if err != nil || len(rows) != 2 || rows[0].Agent != "coder" || rows[0].Attempts != 3 || rows[0].Requests != 1 {
		t.Errorf("%+v %v", rows, err)
	}
	if rows, err := Query(bg, db, 0, 1, nil); err != nil || len(rows) != 0 {
		t.Errorf("days without usage: %+v %v", rows, err)
	}
	for _, by := range [][]string{{"user"}, {"day", "day"}, {"1; DROP TABLE budget_usage"}} {
		if _, err := Query(bg, db, 0, 1, by); err == nil || !strings.Contains(err.Error(), "hint:") {
			t.Errorf("by %v: %v", by, err)
		}
	}
	if err := Render(&none, "xml", nil, nil); err == nil {
		t.Error("a format that there is not")
	}
}
