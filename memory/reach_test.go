package memory

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

func TestForgetReachesWhatIsPrivateToSessions(t *testing.T) {
	k := newKit(t, nil)
	k.learn(user("ann", "s1"), record.Tool, "The inspection of the Ploverhaven depot found three loose bolts near the crane.")
	k.learn(user("bob", "s1"), record.Tool, "The Ploverhaven ferry leaves at nine from the northern pier of the town.")
	k.say(user("ann", "s2"), "Please forget everything about Ploverhaven.")
	left := k.records(store.Filter{})
	if len(left) != 1 || left[0].Scope.User != "bob" {
		t.Error(texts(left))
	}
	k.learn(user("ann", "s1"), record.Tool, "Wuzzlefink is the name of the build server in the basement of the office.")
	if r, err := k.ForgetQuery(k.Context(), user("ann", ""), "Wuzzlefink"); err != nil || r.Records != 1 {
		t.Errorf("%+v %v", r, err)
	}
}

// What was merged into a record does not come back when that is forgotten, nor does it make a value current again that is past.
func TestWhatWasMergedDoesNotComeBack(t *testing.T) {
	s, _ := openSQLite(t, t.TempDir())
	k := newKit(t, s)
	message := func(text string, chain uint64, seq int64) Message {
		return Message{Role: record.User, Text: text, Chain: chain, Seq: seq}
	}
	turn := func(session string, list ...Message) {
		k.Learn(Turn{Scope: user("ann", session), Messages: slices.Clone(list)})
		k.flush()
	}
	restart := func() {
		now := k.now.Load()
		k = newKit(t, s)
		k.now.Store(now)
	}
	history := []Message{
		message("My favourite restaurant is Zanzibartop in Lisbon.", 1, 0), message("My favourite restaurant is Zanzibartop in Lisbon!", 2, 1),
	}
	turn("s1", history[0])
	turn("s1", history[1])
	if _, err := k.ForgetQuery(k.Context(), user("ann", "s1"), "Zanzibartop"); err != nil {
		t.Fatal(err)
	}
	restart()
	turn("s1", append(history, message("Which tram goes to the museum?", 3, 2))...)
	for _, r := range k.records(store.Filter{}) {
		if strings.Contains(r.Text, "Zanzibartop") {
			t.Errorf("came back: %s %q", r.Kind, r.Text)
		}
	}

	turn("e1", message("I live in Hamburg.", 11, 0))
	turn("e2", message("I live in Hamburg.", 21, 0))
	k.days(1)
	turn("e3", message("I moved to Munich.", 31, 0))
	k.days(1)
	restart()
	turn("e2", message("I live in Hamburg.", 21, 0), message("Which bus goes to the harbour at night?", 22, 1))
	note := k.ask(user("ann", "e4"), "Where do I live?").Note.Text
	k.has(note, "Munich")
	k.hasNot(note, "Hamburg")
}

// A history that comes for the first time may be older than what stands: it supersedes nothing but what it says itself.
func TestAHistorySupersedesNothing(t *testing.T) {
	k := newKit(t, nil)
	k.say(user("ann", "s1"), "I moved to Munich.", "I don't like coffee.")
	k.days(1)
	answer := Message{Role: record.Assistant, Text: "Noted, thank you for telling me about it.", Chain: 104, Seq: 3}
	k.Learn(Turn{Scope: user("ann", "s2"), Messages: []Message{
		{Role: record.User, Text: "I live in Oslo.", Chain: 101},
		{Role: record.User, Text: "I moved to Hamburg.", Chain: 102, Seq: 1},
		{Role: record.User, Text: "I like coffee.", Chain: 103, Seq: 2},
		answer,
		{Role: record.User, Text: "My dog is called Rex.", Chain: 105, Seq: 4},
	}})
	k.flush()
	note := k.ask(user("ann", "s3"), "Where do I live?").Note.Text
	k.has(note, "Munich")
	k.hasNot(note, "Hamburg")
	k.hasNot(note, "Oslo")
	for _, r := range k.records(store.Filter{Kind: record.Fact, Current: true}) {
		if r.Predicate == "likes" {
			t.Errorf("the older %q stands beside its contrary", r.Text)
		}
	}
	k.say(user("ann", "s4"), "I moved to Hamburg.")
	k.has(k.ask(user("ann", "s5"), "Where do I live?").Note.Text, "Hamburg")
}

func TestOthersHearOfWhatNoRecordHas(t *testing.T) {
	var words [][]string
	var last store.Receipt
	k := newKit(t, nil, func(_ *Config, o *Options) {
		o.Forgotten = func(_ context.Context, _ string, r store.Receipt, w []string) error {
			words, last = append(words, w), r
			return nil
		}
	})
	if _, err := k.ForgetQuery(k.Context(), user("ann", "s1"), "everything about Mr. O'Hara's boiler!"); err != nil {
		t.Fatal(err)
	}
	if len(words) != 1 || !slices.Contains(words[0], "boiler") || slices.Contains(words[0], "everything") || last.Records != 0 {
		t.Errorf("%q %+v", words, last)
	}
	k.say(user("ann", "s1"), "The boiler was repaired by Mr Novak.")
	if _, err := k.ForgetQuery(k.Context(), user("ann", "s1"), "boiler"); err != nil || len(words) != 2 || last.Records != 1 || last.Whole {
		t.Errorf("%v %q %+v", err, words, last)
	}
	ann := record.Scope{Tenant: "t1", User: "ann"}
	_, err := k.Forget(k.Context(), store.Forget{Filter: store.Filter{Tenant: "t1", User: "ann"}, All: true})
	if err != nil || len(words) != 3 || words[2] != nil || !last.Whole || !slices.Contains(last.Sessions, ann) {
		t.Errorf("%v %q %+v", err, words, last)
	}
}

func TestNoSentenceIsToldTwice(t *testing.T) {
	k := newKit(t, nil)
	k.say(user("ann", "s1"), "I live in Berlin and work as a carpenter.")
	first := k.ask(user("ann", "s2"), "Where do I live?", func(q *Question) { q.First = true }).Note.Text
	k.has(first, "carpenter")
	again := k.ask(user("ann", "s2"), "What work do I do as a carpenter in Berlin, what is my job?").Note.Text
	k.hasNot(again, "carpenter")
	k.say(user("ann", "s3"), "I moved to Munich.") // but what takes its place is
	k.has(k.ask(user("ann", "s2"), "And where do I live now?").Note.Text, "Munich")
}

func TestQuestionsAreNoAnswers(t *testing.T) {
	k := newKit(t, nil)
	k.say(user("ann", "s1"), "Where is the spare key of the boat house? use tool")
	if r := k.ask(user("ann", "s2"), "Where is the spare key of the boat house?"); r.Note.Text != "" {
		t.Error(r.Note.Text)
	}
	k.say(user("ann", "s1"), "Where is the spare key of the boat house? It hangs behind the blue door.")
	k.has(k.ask(user("ann", "s3"), "Where is the spare key of the boat house?").Note.Text, "blue door")
	for text, want := range map[string]bool{
		"Where do I live?": true, "Where do I live? use tool": true, "": false, "I live here.": false, "Hello!": false,
		"Is Rex well? He is ill.": false, "When is it? On 3 May.": false, "Really?\nWhy?": true, "Wo wohne ich? Danke.": true,
	} {
		if onlyAsks(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}
