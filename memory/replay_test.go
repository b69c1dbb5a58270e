package memory

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A talker replays an agent's conversations: it sends all of a history each time, retries, repeats what it was told, pastes notes,
// says the same in other words, and lets a tool repeat them too.
type talker struct {
	*kit
	rand    *rand.Rand
	session record.Scope
	history []Message
	last    string // note
	sum     int    // tokens of the notes that requests carried
	asked   int
}

var (
	places = strings.Fields("Berlin Munich Lisbon Oslo Kyoto Quito Dakar Turin Leeds Ghent Cork Basel")
	things = strings.Fields("pump valve ledger gateway parser turbine archive sensor crane router boiler scanner")
	doings = strings.Fields("repaired painted moved replaced inspected delayed cancelled approved audited rebuilt")
)

func (k *talker) statement() string {
	pick := func(of []string) string { return of[k.rand.IntN(len(of))] }
	switch k.rand.IntN(8) {
	case 0:
		return "I moved to " + pick(places) + "."
	case 1:
		return "My favourite " + pick([]string{"colour", "tea", "editor"}) + " is " + pick(names) + "."
	case 2:
		return "Where did we put the " + pick(names) + " " + pick(things) + ", and who " + pick(doings) + " it?"
	case 3:
		return "I no longer live in " + pick(places) + "."
	case 4:
		return "ok, thanks"
	}
	return fmt.Sprintf("The %s %s in %s was %s by the %s team because of the %s %s.", pick(names), pick(things), pick(places), pick(doings),
		pick(names), pick(names), pick(things))
}

// turn is one exchange.
func (k *talker) turn(i int) {
	k.Helper()
	if i%40 == 0 {
		k.session, k.history, k.last = user("ann", fmt.Sprint("s", i/40)), nil, ""
	}
	text := k.statement()
	switch k.rand.IntN(10) {
	case 0:
		text += "\n" + k.last // pasted
	case 1:
		if n := len(k.history); n > 0 {
			text = k.history[k.rand.IntN(n)].Text + " !"
		}
	}
	at := time.UnixMilli(k.now.Add(60_000)).UTC()
	add := func(role record.Role, text string) {
		k.chain++
		k.history = append(k.history, Message{
			Role: role, Text: text, Chain: k.chain, Seq: int64(len(k.history)), At: at, Document: role == record.Tool,
		})
	}
	add(record.User, text)
	r, err := k.Recall(k.Context(), &Question{Scope: k.session, Text: text, Chain: k.chain, First: len(k.history) == 1})
	if err != nil {
		k.Fatal(err)
	}
	if r.Note.Text != "" {
		k.last = r.Note.Text
	}
	notes, err := k.Notes(k.Context(), k.session)
	if err != nil {
		k.Fatal(err)
	}
	for _, n := range notes {
		k.sum += n.Tokens
	}
	k.asked++
	answer := "I see: " + k.statement()
	if lines := strings.Split(k.last, "\n"); len(lines) > 2 && k.rand.IntN(3) == 0 {
		inner := strings.Join(lines[1:len(lines)-1], "\n")
		answer = fmt.Sprintf("From what you told me:\n%s\nShall I go on with the %s of %s?", inner, things[i%12], places[i/3%12])
	}
	if k.rand.IntN(8) == 0 {
		add(record.Tool, "search result: "+k.statement()+"\n"+k.last)
	}
	add(record.Assistant, answer)
	t := Turn{Scope: k.session, Messages: k.history}
	for !k.Learn(t) || k.rand.IntN(5) == 0 { // retried
		if k.rand.IntN(2) == 0 {
			k.flush()
		}
	}
}

// replay lets a talker say so many turns, and audits what is kept. Now and then the engine starts anew, with nothing in mind.
func replay(t *testing.T, s store.Store, turns int) {
	k := &talker{kit: newKit(t, s), rand: rand.New(rand.NewPCG(1, 2))}
	for i := range turns {
		if i%500 == 499 {
			k.flush()
			now, chain := k.now.Load(), k.chain
			k.kit = newKit(t, k.store)
			k.now.Store(now)
			k.chain = chain
		}
		k.turn(i)
	}
	k.flush()
	r, err := k.Audit(t.Context(), "t1", false)
	if err != nil || r.RecallLoop != 0 || r.Conflicts != 0 || r.Orphans != 0 || r.Secrets != 0 || r.Records < turns/4 {
		t.Errorf("%+v %v", r, err)
	}
	if share := float64(r.Near) / float64(r.Records); share > 0.03 {
		t.Errorf("%.1f %% near duplicates", 100*share)
	}
	mean := float64(k.sum) / float64(k.asked)
	if mean > DefaultSessionTokens { // this talker speaks of the same few things all the time, so that every message finds some
		t.Errorf("%.0f tokens of notes in a request", mean)
	}
	t.Logf("%d turns: %+v; %.0f tokens of notes in a request on average; %+v", turns, r, mean, k.Counts())
}

func TestReplay(t *testing.T) {
	s, _ := openSQLite(t, t.TempDir())
	replay(t, s, 60)
}
