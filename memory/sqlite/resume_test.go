package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A forgetting that is cut off after its rows were removed is ended by the next store over the file: nobody could ask for it again.
func TestForgetCutOff(t *testing.T) {
	dir := t.TempDir()
	s, db := open(t, dir, Options{})
	scope := record.Scope{Tenant: "acme", User: "ann", Session: "s"}
	const canary = "The canary of ward seven sings in the morning."
	r := &record.Record{
		ID: record.EpisodeID(scope, record.User, canary), Scope: scope, Kind: record.Episode, Role: record.User, Trust: record.High,
		Text: canary, Said: time.Now(), Created: time.Now(), Text64: record.TextKey(canary),
	}
	if err := s.Apply(bg, store.Changes{Tenant: "acme", At: time.Now(), Add: []*record.Record{r}}); err != nil {
		t.Fatal(err)
	}
	asks := record.Scope{Tenant: "acme", User: "ann", Session: "asks"}
	note := store.Note{Chain: 7, Text: "- the user said: " + canary, Records: []record.ID{r.ID}, Tokens: 9, At: time.Now()}
	if _, err := s.PutNote(bg, asks, note); err != nil {
		t.Fatal(err)
	}
	f := &forgetting{
		Forget: store.Forget{Filter: store.Filter{Tenant: "acme"}, IDs: []record.ID{r.ID}, At: time.Now()}, s: s, removed: map[record.ID]bool{},
	}
	for _, step := range []func(context.Context) error{f.begin, f.bury, f.records} { // and no further
		if err := step(bg); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Contains(raw(t, dir), []byte(canary)) {
		t.Fatal("the log has nothing of it any more, so nothing is proven")
	}
	next, err := New(db, Options{Key: s.key})
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if notes, err := next.Notes(bg, asks); err != nil || len(notes) != 0 {
		t.Errorf("a note shows what was being forgotten: %v %+v", err, notes)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		left := 0
		err := next.read(bg, `SELECT count(*) FROM memory_forgettings`, nil, func(rows *sql.Rows) error { return rows.Scan(&left) })
		if err != nil || time.Now().After(end) {
			t.Fatalf("%d forgettings are left: %v", left, err)
		}
		if left == 0 {
			break
		}
	}
	if bytes.Contains(raw(t, dir), []byte(canary)) {
		t.Error("the file still has what was being forgotten")
	}
}
