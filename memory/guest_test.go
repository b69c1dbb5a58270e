package memory

import (
	"testing"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A note of another process is seen though the session's notes are cached, one that only waits to be stored comes first, and nothing is
// cached of sessions that nobody here asked for.
func TestNotesOfOthers(t *testing.T) {
	f := newFake()
	e, err := New(Config{}, Options{Store: f})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	s := record.Scope{Tenant: "t", User: "u", Session: "s"}
	chains := func() (all []uint64) {
		notes, err := e.Notes(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range notes {
			all = append(all, n.Chain)
		}
		return all
	}
	if got := chains(); len(got) != 0 {
		t.Fatal(got)
	}
	e.notes.add(keyOf(s), noNotes, store.Note{Chain: 1, Text: "ours"})
	for chain, want := range map[uint64]string{1: "ours", 2: "theirs"} {
		if n, err := e.PutNote(t.Context(), s, store.Note{Chain: chain, Text: "theirs"}); err != nil || n.Text != want {
			t.Errorf("%d: %+v, %v", chain, n, err)
		}
	}
	if got := chains(); len(got) != 2 || got[1] != 2 {
		t.Errorf("cached: %v", got)
	}
	other := s
	other.Session = "other"
	if _, err := e.PutNote(t.Context(), other, store.Note{Chain: 3}); err != nil {
		t.Error(err)
	}
	if n, _ := e.notes.get(keyOf(other)); n != nil {
		t.Errorf("cached without its other notes: %+v", n)
	}
}
