package memory

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

func TestForgetInAMessage(t *testing.T) {
	k := newKit(t, nil)
	k.say(user("ann", "s1"), "My sister Clara plays the cello in Leipzig.", "Our cat Bailey is afraid of thunder.")
	k.say(user("bob", "s9"), "My friend Clara plays the cello in Dresden.")
	told := k.ask(user("ann", "s2"), "What does Clara play?")
	k.has(told.Note.Text, "Leipzig")
	k.say(user("ann", "s2"), "Please forget everything about Clara.")
	for _, r := range k.records(store.Filter{}) {
		if strings.Contains(r.Text, "Clara") && r.Scope.User == "ann" {
			t.Errorf("still there: %q", r.Text)
		}
	}
	if r := k.ask(user("ann", "s3"), "What does Clara play?"); r.Note.Text != "" {
		t.Error(r.Note.Text)
	}
	if notes, _ := k.Notes(k.Context(), user("ann", "s2")); len(notes) != 0 {
		t.Error("the note still stands:", notes)
	}
	r := k.ask(user("ann", "s3"), "What is our cat afraid of?")
	k.has(r.Note.Text, "thunder")
	r = k.ask(user("bob", "s8"), "What does Clara play?")
	k.has(r.Note.Text, "Dresden")
}

func TestForgettingDoesNotComeBackWithTheHistory(t *testing.T) {
	k := newKit(t, nil)
	s := user("ann", "s1")
	history := []Message{
		{Role: record.User, Text: "I live in Berlin near the old harbour.", Chain: 1, Seq: 0},
		{Role: record.User, Text: "Forget everything about Berlin, please.", Chain: 2, Seq: 1},
	}
	k.Learn(Turn{Scope: s, Messages: history[:1]})
	k.Learn(Turn{Scope: s, Messages: history[1:]})
	k.flush()
	again := newKit(t, k.store) // that has seen none of it
	tram := Message{Role: record.User, Text: "Which tram goes to the museum?", Chain: 3, Seq: 2}
	again.Learn(Turn{Scope: s, Messages: append(history, tram)})
	again.flush()
	for _, r := range again.records(store.Filter{}) {
		if strings.Contains(r.Text, "Berlin") {
			t.Errorf("came back: %q", r.Text)
		}
	}
	// Unless somebody asks for it anew. An old "forget" in the history that comes once more does not undo that.
	anew := append(history, Message{Role: record.User, Text: "Remember that I live in Berlin near the old harbour.", Chain: 4, Seq: 2})
	again.Learn(Turn{Scope: s, Messages: anew})
	again.flush()
	third := newKit(t, k.store)
	tram.Text, tram.Chain, tram.Seq = "Which tram goes to the museum today?", 5, 3
	third.Learn(Turn{Scope: s, Messages: append(anew, tram)})
	third.flush()
	r := third.ask(user("ann", "s2"), "Where do I live?")
	third.has(r.Note.Text, "Berlin")
}

func TestForgetByIDUserAndPending(t *testing.T) {
	var receipts []store.Receipt
	k := newKit(t, nil, func(_ *Config, o *Options) {
		o.Forgotten = func(_ context.Context, tenant string, r store.Receipt, _ []string) error {
			receipts = append(receipts, r)
			if tenant != "t1" {
				return errors.New("whose?")
			}
			return nil
		}
	})
	k.say(user("ann", "s1"), "I live in Berlin near the old harbour.")
	var episode record.ID
	for _, r := range k.records(store.Filter{Kind: record.Episode}) {
		episode = r.ID
	}
	r, err := k.Forget(k.Context(), store.Forget{Filter: store.Filter{Tenant: "t1"}, IDs: []record.ID{episode}})
	if err != nil || r.Records != 2 || len(receipts) != 1 || len(k.records(store.Filter{})) != 0 {
		t.Errorf("%v %+v\n%s", err, r, texts(k.records(store.Filter{})))
	}
	// What waits is forgotten too.
	k.Learn(Turn{Scope: user("ann", "s3"), Messages: []Message{{Role: record.User, Text: "The boiler was repaired by Mr Novak.", Chain: 9}}})
	if r, err = k.ForgetQuery(k.Context(), user("ann", "s3"), "boiler"); err != nil || r.Records != 1 || !r.Verified {
		t.Errorf("%v %+v", err, r)
	}
	k.Learn(Turn{Scope: user("ann", "s3"), Messages: []Message{{Role: record.User, Text: "The gutter was repaired by Mr Novak.", Chain: 10}}})
	all := store.Forget{Filter: store.Filter{Tenant: "t1", User: "ann"}, All: true}
	if r, err = k.Forget(k.Context(), all); err != nil || r.Records != 1 || len(k.records(store.Filter{})) != 0 {
		t.Errorf("%v %+v", err, r)
	}
	for _, query := range []string{"", "everything", "what I told you"} {
		if _, err := k.ForgetQuery(k.Context(), user("ann", "s3"), query); !errors.Is(err, store.ErrForget) {
			t.Errorf("%q: %v", query, err)
		}
	}
}

func TestACopyThatIsLeftIsAnError(t *testing.T) {
	left := errors.New("an epoch could not be removed")
	k := newKit(t, nil, func(_ *Config, o *Options) {
		o.Forgotten = func(context.Context, string, store.Receipt, []string) error { return left }
	})
	k.say(user("ann", "s1"), "The boiler was repaired by Mr Novak.")
	if r, err := k.ForgetQuery(k.Context(), user("ann", "s1"), "boiler"); !errors.Is(err, left) || r.Records != 1 {
		t.Errorf("%v %+v", err, r)
	}
}

func TestNoNoteTellsWhatIsBeingForgotten(t *testing.T) {
	k := newKit(t, nil, func(_ *Config, o *Options) { o.Deadline = 200 * time.Millisecond })
	s := user("ann", "s1")
	var wait sync.WaitGroup
	for round := range 15 {
		text := "The secret project is called Bluebird " + names[round]
		k.Learn(Turn{Scope: s, Messages: []Message{{Role: record.User, Text: text, Seq: int64(round)}}})
		k.flush()
		asker := user("ann", names[round])
		for i := range 4 {
			wait.Go(func() {
				q := &Question{Scope: asker, Text: "What is the secret project called?", Chain: uint64(100*round + i + 1)}
				_, _ = k.Recall(k.Context(), q)
			})
		}
		if _, err := k.ForgetQuery(k.Context(), s, "Bluebird"); err != nil {
			t.Fatal(err)
		}
		after, _ := k.Notes(k.Context(), asker)
		wait.Wait()
		k.flush()
		later, _ := k.Notes(k.Context(), asker)
		stored, _ := k.store.Notes(k.Context(), asker)
		for _, n := range append(append(after, later...), stored...) {
			if strings.Contains(n.Text, "Bluebird") {
				t.Fatal("a note tells of it:", n.Text)
			}
		}
	}
}

func TestRemember(t *testing.T) {
	k := newKit(t, nil)
	s := user("ann", "s1")
	got, err := k.Remember(k.Context(), s, "I live in Berlin.")
	if err != nil || len(got) != 2 || got[0].Origin != record.Told || got[0].Scope.Session != "" || got[0].Importance < 0.9 {
		t.Fatalf("%v\n%s", err, texts(got))
	}
	r := k.ask(s, "Where do I live?")
	k.has(r.Note.Text, "Berlin")
	if _, err := k.ForgetQuery(k.Context(), s, "Berlin"); err != nil {
		t.Fatal(err)
	}
	if got, err = k.Remember(k.Context(), s, "I live in Berlin."); err != nil || len(k.records(store.Filter{})) != 2 {
		t.Errorf("not revived: %v %s", err, texts(got))
	}
	if _, err := k.Remember(k.Context(), s, "green tea"); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "  ", "[memory notes: x]\n- since 2026-01-01: y\n[end of memory notes]"} {
		if _, err := k.Remember(k.Context(), s, bad); !errors.Is(err, ErrNothing) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	alone := record.Scope{Tenant: "t1", Session: "s5"}
	if _, err := k.Remember(k.Context(), alone, "My name is Zoe."); err != nil {
		t.Error(err)
	}
	r = k.ask(alone, "What is my name?")
	k.has(r.Note.Text, "Zoe")
}
