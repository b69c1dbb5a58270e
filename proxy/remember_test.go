package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/user"
	"strings"
	"testing"
	"time"
)

// remembering starts Trapgate before one upstream with a memory section whose users come in a header.
func remembering(tb testing.TB, up *fake, more string, change ...func(*gatewayOptions)) *gateway {
	tb.Helper()
	return open(tb, "upstreams: [{name: u, base_url: "+up.url()+"/v1, credential: agent}]\n"+more, change...)
}

const byHeader = "memory: {scope: {user: {header: x-user}}}\n"

// in uses a data directory.
func in(dir string) func(*gatewayOptions) {
	return func(o *gatewayOptions) { o.flags.Data = dir }
}

// says is a request in a conversation of one message.
func says(user, session, text string, lines ...string) string {
	raw, _ := json.Marshal(text)
	lines = append(lines, "Authorization: Bearer one", "x-user: "+user, "x-trapgate-session: "+session, "x-test-session: "+session)
	return post("/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":`+string(raw)+`}]}`, lines...)
}

// settled waits until every exchange so far has ended and what was said is kept.
func (g *gateway) settled(tb testing.TB) {
	tb.Helper()
	eventually(tb, "nothing is under way", func() bool { return len(g.telemetry.InFlight().Snapshot()) == 0 })
	g.learned(tb)
}

// learned waits until all that was said is kept.
func (g *gateway) learned(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), longest)
	defer cancel()
	if err := g.memory.Load().engine.Flush(ctx); err != nil {
		tb.Fatal(err)
	}
}

// asks asks in a conversation of its own, once more when a machine that has much to do was too slow for the deadline, and returns what
// the upstream got, and the response.
func (g *gateway) asks(tb testing.TB, up *fake, user, session, question string, lines ...string) (sent, answer *message) {
	tb.Helper()
	for n, end := 0, time.Now().Add(longest); n == 0 || time.Now().Before(end); n++ {
		answer = g.do(tb, says(user, fmt.Sprint(session, n), question, lines...))
		if h := answer.get("x-trapgate-memory"); !strings.Contains(h, "late") && h != "failed" {
			break
		}
	}
	return up.last(), answer
}

func told(m *message) bool { return strings.Contains(m.Body, "[memory notes") }

// An agent that was told something knows it in another conversation, after a restart too; another user, and a request without a
// user, see nothing of it; what is forgotten stays forgotten when the history is sent again.
func TestMemory(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]string{"alone": "", "with context and schedule": "context: {}\nschedule: {}\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			up := newFake(t, saysPlainly)
			g := remembering(t, up, byHeader+more, in(dir))
			const fact = "Please remember that my cat is called Ottokar, and that he is afraid of the vacuum cleaner."
			m := g.do(t, says("ada", "one", fact))
			if m.status() != 200 || told(up.last()) {
				t.Fatalf("%s: told of nothing: %s", m.Line, up.last().Body)
			}
			g.outcomes(t, 1)
			g.learned(t)
			if err := g.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}

			g = remembering(t, up, byHeader+more, in(dir))
			const question = "What is the name of my cat?"
			sent, m := g.asks(t, up, "ada", "two", question)
			if !told(sent) || !strings.Contains(sent.Body, "Ottokar") || !json.Valid([]byte(sent.Body)) {
				t.Fatalf("%q\n%s", m.get("x-trapgate-memory"), sent.Body)
			}
			if h := m.get("x-trapgate-memory"); !strings.HasPrefix(h, "hits=") || !strings.Contains(h, "; tokens=") {
				t.Errorf("x-trapgate-memory: %q", h)
			}
			for _, other := range []string{"bob", "", "ADA", "ada "} {
				if sent, _ := g.asks(t, up, other, "three"+other, question); told(sent) && strings.TrimSpace(other) != "ada" {
					t.Errorf("%q is told: %s", other, up.last().Body)
				}
			}
			if g.do(t, says("ada", "four", question, "x-trapgate-memory: off")); told(up.last()) {
				t.Errorf("told, though the agent wants none: %s", up.last().Body)
			}
			g.forgets(t, "ada", "Ottokar")
			if sent, _ := g.asks(t, up, "ada", "five", question); told(sent) {
				t.Errorf("told after it was forgotten: %s", up.last().Body)
			}
			replay, _ := json.Marshal([]map[string]string{
				{"role": "user", "content": fact},
				{"role": "assistant", "content": "hi"},
				{"role": "user", "content": "Tell me about the weather in spring."},
			})
			g.do(t, post("/v1/chat/completions", `{"model":"m","messages":`+string(replay)+`}`,
				"Authorization: Bearer one", "x-user: ada", "x-trapgate-session: one"))
			g.settled(t)
			if sent, _ := g.asks(t, up, "ada", "six", question); told(sent) && strings.Contains(up.last().Body, "Ottokar") {
				t.Errorf("a replay brought it back: %s", up.last().Body)
			}
		})
	}
}

// forgets forgets by words, as the admin port does.
func (g *gateway) forgets(tb testing.TB, user, words string) {
	tb.Helper()
	m := g.memory.Load()
	v, err := (&memoryAPI{m.engine, m.store}).forget(tb.Context(), map[string][]string{"user": {user}}, &memoryWhat{Query: words})
	if err != nil {
		tb.Fatal(err)
	}
	if r := v.(memoryReceipt); r.Records == 0 || !r.Verified {
		tb.Errorf("%+v", r)
	}
}

// serve never guesses who the user is: memory is of conversations then, and a warning says so, once.
func TestMemoryOfConversations(t *testing.T) {
	t.Parallel()
	up := newFake(t, saysPlainly)
	g := remembering(t, up, "memory: {}\n")
	g.do(t, says("ada", "one", "My favourite colour is heliotrope, remember that."))
	g.outcomes(t, 1)
	g.learned(t)
	if g.do(t, says("ada", "two", "What is my favourite colour?")); told(up.last()) {
		t.Errorf("told across conversations: %s", up.last().Body)
	}
}

// Observing changes no byte and says what it would do; a reload switches on, and off.
func TestMemoryModes(t *testing.T) {
	t.Parallel()
	up := newFake(t, saysPlainly)
	g := remembering(t, up, "memory: {mode: observe, scope: {user: {header: x-user}}}\n")
	file := g.config.Current().File
	g.do(t, says("ada", "one", "I live in Dresden and I work as a bell founder."))
	g.outcomes(t, 1)
	g.learned(t)
	const question = "Where do I live?"
	if sent, m := g.asks(t, up, "ada", "two", question); told(sent) || !strings.Contains(m.get("x-trapgate-memory"), "observed") {
		t.Errorf("%q: %s", m.get("x-trapgate-memory"), up.last().Body)
	}
	upstreams := "upstreams: [{name: u, base_url: " + up.url() + "/v1, credential: agent}]\n"
	reload := func(more string) {
		t.Helper()
		writeFile(t, file, upstreams+more)
		g.config.Reload()
	}
	reload(byHeader)
	sent, _ := g.asks(t, up, "ada", "three", question)
	if !told(sent) {
		t.Errorf("switched on: %s", sent.Body)
	}
	last := says("ada", sent.get("x-test-session"), question)

	reload("")
	if g.do(t, says("ada", "four", question)); told(up.last()) {
		t.Errorf("switched off: %s", up.last().Body)
	}
	if g.do(t, last); up.last().Body != sent.Body {
		t.Errorf("switched off, a conversation does not keep its bytes:\n%s\n%s", sent.Body, up.last().Body)
	}
}

// A second process on a data directory remembers with the first, which need not remember itself, and goes on alone after it.
func TestMemoryOfGuests(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	up := newFake(t, saysPlainly)
	first := remembering(t, up, "schedule: {}\n", in(dir))
	guest := func(o *gatewayOptions) { o.guest = true }
	second := remembering(t, up, byHeader, in(dir), guest)
	third := remembering(t, up, byHeader, in(dir), guest)
	second.do(t, says("ada", "one", "Remember that the key of the shed hangs behind the clock."))
	second.outcomes(t, 1)
	second.learned(t)
	const question = "Where does the key of the shed hang?"
	if sent, _ := third.asks(t, up, "ada", "two", question); !told(sent) {
		t.Errorf("a guest does not know what another one was told: %s", up.last().Body)
	}
	if err := first.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a guest holds the directory", func() bool { return second.sharing.DB() != nil || third.sharing.DB() != nil })
	if sent, _ := third.asks(t, up, "ada", "three", question); !told(sent) {
		t.Errorf("not known after the holder has ended: %s", up.last().Body)
	}
	third.forgets(t, "ada", "shed clock")
	for _, g := range []*gateway{second, third} {
		if sent, _ := g.asks(t, up, "ada", "four", question); told(sent) {
			t.Errorf("told after it was forgotten: %s", up.last().Body)
		}
	}
}

// run takes the user of this machine, and says so.
func TestMemoryOfARun(t *testing.T) {
	t.Parallel()
	me, err := user.Current()
	if err != nil {
		t.Skip("SKIP: nobody knows who runs this:", err)
	}
	up := newFake(t, saysPlainly)
	var log lockedBuffer
	g := remembering(t, up, "memory: {}\n", func(o *gatewayOptions) { o.flags.User = osUser() })
	g.sayMemory(&log)
	if !strings.Contains(log.String(), "memory: of "+me.Username+", the user of this machine") {
		t.Errorf("%s", log.String())
	}
	g.do(t, says("whoever", "one", "Remember that the spare fuse is in the blue tin."))
	g.outcomes(t, 1)
	g.learned(t)
	if sent, _ := g.asks(t, up, "somebody", "two", "Where is the spare fuse?"); !told(sent) {
		t.Errorf("not told: %s", up.last().Body)
	}
	m := g.memory.Load()
	var summary strings.Builder
	m.summarize(&summary)
	if !strings.HasPrefix(summary.String(), "trapgate: memory: ") || !strings.Contains(summary.String(), "| told ") {
		t.Error(summary.String())
	}
	if s := m.state(); s.Mode != "on" || s.Counts.Hits == 0 || s.Store == "" {
		t.Errorf("%+v", s)
	}
}

// A Qdrant server that does not answer costs no request anything but its notes.
func TestMemoryWithoutItsServer(t *testing.T) {
	t.Parallel()
	up := newFake(t, saysPlainly)
	addr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	g := remembering(t, up, "memory: {store: qdrant, qdrant: {address: '"+addr+"', timeout: 200ms}, scope: {user: {name: ada}}}\n")
	for range 3 {
		start := time.Now()
		if m := g.do(t, says("", "one", "What is there to know about the harbour?")); m.status() != 200 || told(up.last()) {
			t.Errorf("%s", m.Line)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("a request took %v", took)
		}
	}
}
