package memory

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

func TestRetriesAndHistoriesAreLearnedOnce(t *testing.T) {
	k := newKit(t, nil)
	s := user("ann", "s1")
	history := []Message{
		{Role: record.User, Text: "The boiler in the cellar was repaired by Mr Novak.", Chain: 1, Seq: 0},
		{Role: record.Assistant, Text: "Noted: Mr Novak repaired the boiler in your cellar yesterday.", Chain: 0, Seq: 1},
	}
	k.Learn(Turn{Scope: s, Messages: history[:1]})
	k.Learn(Turn{Scope: s, Messages: history})
	k.flush()
	history[1].Chain = 2
	applies := k.fake.applies
	k.Learn(Turn{Scope: s, Messages: history})
	k.flush()
	again := newKit(t, k.store)
	again.Learn(Turn{Scope: s, Messages: history})
	again.flush()
	if n := len(k.records(store.Filter{Kind: record.Episode})); n != 2 || k.fake.applies != applies {
		t.Errorf("%d applies\n%s", k.fake.applies-applies, texts(k.records(store.Filter{})))
	}
	if c := again.Counts(); c.Dropped["known"] != 2 {
		t.Errorf("%+v", c)
	}
}

func TestOwnNotesAreNeverLearned(t *testing.T) {
	k := newKit(t, nil)
	k.say(user("ann", "s1"), "My sister Clara plays the cello in Leipzig.")
	ann := user("ann", "s2")
	r := k.ask(ann, "Where does Clara play the cello?")
	k.has(r.Note.Text, "Leipzig")
	lines := strings.Split(r.Note.Text, "\n")
	k.say(ann, "Where does Clara play the cello in the winter season?\n\n"+r.Note.Text)
	inner := strings.Join(lines[1:len(lines)-1], "\n")
	k.learn(ann, record.Assistant, "Here is what I know:\n"+inner+"\nShall I book two tickets for the concert?")
	k.learn(ann, record.Tool, r.Note.Text+"\nThe booking office opens at ten on weekdays.")
	for _, rec := range k.records(store.Filter{Session: "s2"}) {
		if HoldsNote(rec.Text) || strings.Contains(rec.Text, "Leipzig") {
			t.Errorf("learned %q", rec.Text)
		}
	}
	if n := len(k.records(store.Filter{Session: "s2", Kind: record.Episode})); n != 3 {
		t.Errorf("the rest is lost:\n%s", texts(k.records(store.Filter{})))
	}
}

func TestAFullQueueRefusesAndForgetsNothingForGood(t *testing.T) {
	k := newKit(t, nil, func(_ *Config, o *Options) { o.QueueTurns, o.QueueBytes = 3, 4<<10 })
	s := user("ann", "s1")
	turn := func(i int) Turn {
		text := fmt.Sprintf("Pallet %s of the shipment went to the yard in %s.", names[i], names[(i+7)%len(names)])
		return Turn{Scope: s, Messages: []Message{{Role: record.User, Text: text, Chain: uint64(i + 1), Seq: int64(i)}}}
	}
	k.committing.Lock() // nothing is taken
	refused := map[int]bool{}
	for i := range 8 {
		refused[i] = !k.Learn(turn(i))
	}
	if k.Learn(Turn{Scope: s, Messages: []Message{{Text: strings.Repeat("word ", 2000), Role: record.User, Chain: 99}}}) {
		t.Error("more bytes than the bound")
	}
	k.committing.Unlock()
	k.flush()
	if n := len(k.records(store.Filter{})); n < 3 || n > 4 || refused[0] || !refused[7] {
		t.Errorf("%d records, refused %v", n, refused)
	}
	for i := range 8 { // the history comes again
		for !k.Learn(turn(i)) {
			k.flush()
		}
	}
	k.flush()
	if n := len(k.records(store.Filter{Kind: record.Episode})); n != 8 {
		t.Errorf("%d records after the history came again", n)
	}
	if c := k.Counts(); c.Refused < 5 || c.Queue != 0 {
		t.Errorf("%+v", c)
	}
}

func TestABrokenStoreIsTriedOnceMore(t *testing.T) {
	k := newKit(t, nil)
	s := user("ann", "s1")
	m := []Message{{Role: record.User, Text: "The boiler in the cellar was repaired by Mr Novak.", Chain: 1}}
	for _, c := range []struct{ broken, records, failed int }{{1, 1, 0}, {2, 0, 1}} {
		k.fake.mu.Lock()
		k.fake.broken = c.broken
		k.fake.mu.Unlock()
		m[0].Chain++
		m[0].Text += " Again."
		before, failed := len(k.records(store.Filter{})), k.Counts().Failed
		k.Learn(Turn{Scope: s, Messages: m})
		k.flush()
		if n, f := len(k.records(store.Filter{}))-before, k.Counts().Failed-failed; n != c.records || int(f) != c.failed {
			t.Errorf("broken %d times: %d records, %d failed", c.broken, n, f)
		}
	}
	k.Learn(Turn{Scope: s, Messages: m}) // given up, so it is learned when it comes again
	k.flush()
	if n := len(k.records(store.Filter{Kind: record.Episode})); n != 2 {
		t.Errorf("%d records", n)
	}
}

func TestLearnCopies(t *testing.T) {
	k := newKit(t, nil)
	b := []byte("The boiler in the cellar was repaired by Mr Novak.")
	k.committing.Lock()
	k.Learn(Turn{Scope: user("ann", "s1"), Messages: []Message{{Role: record.User, Text: borrowed(b), Chain: 1}}})
	clear(b)
	k.committing.Unlock()
	k.flush()
	if r := k.records(store.Filter{}); len(r) != 1 || !strings.Contains(r[0].Text, "Novak") {
		t.Error(texts(r))
	}
}

func TestClip(t *testing.T) {
	key := "sk-" + strings.Repeat("k", 60)
	long := strings.Repeat("a word or two, ", 3000) + key
	for _, document := range []bool{false, true} {
		for cut := range 80 {
			text := long[cut:] + strings.Repeat(" and more", 9000)
			got := clip(text, document)
			if len(got) > maxMessage+2 || strings.Contains(got, "sk-") && !strings.Contains(got, key) {
				t.Fatalf("%d bytes, half a key at %d", len(got), cut)
			}
		}
	}
	if got := clip(strings.Repeat("x", 200<<10), false); strings.TrimSpace(got) != "" {
		t.Error("a blob without white space is cut in two:", len(got))
	}
}

func TestLearnFromManySides(t *testing.T) {
	k := newKit(t, nil)
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			s := user(fmt.Sprint("u", i%3), fmt.Sprint("s", i))
			for j := range 20 {
				text := fmt.Sprintf("Crate %d of %s went to %s by train in the night.", i*100+j, names[j], names[(i+j)%20])
				k.Learn(Turn{Scope: s, Messages: []Message{{Role: record.User, Text: text, Chain: uint64(j + 1), Seq: int64(j)}}})
				_, _ = k.Recall(t.Context(), &Question{Scope: s, Text: "Which crate went by train?", Chain: uint64(j + 1)})
				_, _ = k.Notes(t.Context(), s)
				if j == 10 {
					_, _ = k.ForgetQuery(t.Context(), s, names[3])
				}
			}
		})
	}
	wait.Wait()
	k.flush()
	if n := len(k.records(store.Filter{Kind: record.Episode})); n < 100 {
		t.Errorf("%d records", n)
	}
}

func TestCloseLearnsWhatWaits(t *testing.T) {
	f := newFake()
	e, err := New(Config{}, Options{Store: f})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		text := fmt.Sprintf("Crate %d of %s went by train in the night.", i, names[i%20])
		e.Learn(Turn{Scope: user("ann", "s"), Messages: []Message{{Role: record.User, Text: text, At: time.Now(), Seq: int64(i)}}})
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if len(f.records) != 50 {
		t.Errorf("%d records", len(f.records))
	}
	if e.Learn(Turn{Scope: user("ann", "s"), Messages: []Message{{Role: record.User, Text: "And one more crate."}}}) {
		t.Error("learned after its end")
	}
}
