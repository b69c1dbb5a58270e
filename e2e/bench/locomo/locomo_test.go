package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/trapgate/trapgate/e2e/bench/locomo/internal/set"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A set in the shape of LoCoMo's, with a category and evidence that it does not have.
const small = `[{"id": "c1", "sessions": [
	{"id": "S1", "date_time": "1:56 pm on 8 May, 2023", "turns": [
		{"id": "D1:1", "speaker": "Ann", "text": "I adopted a grey cat from the shelter yesterday, she is called Pixel."},
		{"id": "D1:2", "speaker": "Ben", "text": "How lovely! Does she get along with your old dog?"},
		{"id": "D1:3", "speaker": "Ann", "text": "They sleep in the same basket already."}]},
	{"id": "S2", "date_time": "9:00 am on 2 June, 2023", "turns": [
		{"id": "D2:1", "speaker": "Ben", "text": "My new bicycle was stolen in front of the library."},
		{"id": "D2:2", "speaker": "Ann", "text": "Did you call the police about the bicycle?"}]}],
	"qa": [
		{"question": "What is the name of Ann's cat?", "category": 4, "evidence": ["D1:1"]},
		{"question": "Where was Ben's bike stolen?", "category": 7, "evidence": ["D2:1", "D9:9"]},
		{"question": "What is missing?", "category": 3, "evidence": []}]}]`

func TestRanksEveryQuestion(t *testing.T) {
	dir := t.TempDir()
	data, out := filepath.Join(dir, "set.json"), filepath.Join(dir, "rank.json")
	if err := os.WriteFile(data, []byte(small), 0o600); err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	if err := run(context.Background(), data, out, "", &printed); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var got ranked
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	r := got.Rankings["c1"]
	if got.System == "" || len(r) != 3 || len(r[0]) == 0 || r[0][0] != "D1:1" || len(r[1]) == 0 || r[1][0] != "D2:1" || r[2] == nil {
		t.Errorf("%s", b)
	}
	for _, want := range []string{"single-hop", "category 7", "recall@10", "p95", "5 turns learned"} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("%q is not printed:\n%s", want, printed.String())
		}
	}
}

func TestRunSaysWhatIsWrong(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(bad, []byte(`{"a": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{bad, bad + ".missing"} {
		if err := run(context.Background(), path, "", "", os.Stdout); err == nil {
			t.Errorf("%s: no error", path)
		}
	}
}

func TestScore(t *testing.T) {
	var s set.Score
	s.Add([]int{3, -1})
	s.Add([]int{12})
	s.Add(nil) // no evidence: not counted
	got := s.Mean()
	want := set.Score{Questions: 2, Any5: .5, Any10: .5, Any20: 1, Recall10: .25, MRR: (1./4 + 1./13) / 2}
	if got != want {
		t.Errorf("%+v, not %+v", got, want)
	}
}
