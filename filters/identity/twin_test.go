package identity

import (
	"fmt"
	"testing"

	"github.com/trapgate/trapgate/internal/wire"
)

// Two sub-agents with equal bodies at the same time share the program, and never a session.
func TestTwins(t *testing.T) {
	for _, ids := range []string{"known by their calls", "equal calls", "nothing to know them by"} {
		t.Run(ids, func(t *testing.T) {
			a := newAgent(t, New(Options{}), wire.Chat)
			m := arr{msg("system", "You are a sub-agent."), msg("user", "Count the files.")}
			one, two := a.ask(chat(m...)), a.ask(chat(m...))
			if one.Twin || one.Session == "" || !two.Twin || two.Session != "" {
				t.Fatalf("one %+v, two %+v", one.Identity, two.Identity)
			}
			same(t, "program", two.Program, one.Program)

			id := func(k int) string {
				if ids == "known by their calls" {
					return fmt.Sprint("call_of_the_twin_number_", k)
				}
				return "call_equal_for_both"
			}
			next := func(k int) string {
				return chat(append(append(arr{}, m...), calls(id(k), `{"command":"ls"}`), result(id(k), fmt.Sprint("files ", k)))...)
			}
			if ids == "nothing to know them by" {
				one.body(`{}`).ok()
				two.body(`{}`).ok()
			} else {
				one.body(chatCall(id(1), `{"command":"ls"}`)).ok()
				two.body(chatCall(id(2), `{"command":"ls"}`)).ok()
			}
			two2, one2 := a.one(next(2)), a.one(next(1))
			differ(t, "session", one2.Session, two2.Session)
			same(t, "program", one2.Program, one.Program)
			same(t, "program", two2.Program, one.Program)
			if ids == "known by their calls" {
				same(t, "session of the first", one2.Session, one.Session)
			} else {
				differ(t, "doubt", one2.Session, one.Session)
				differ(t, "doubt", two2.Session, one.Session)
			}
			more := func(k int) string {
				return chat(append(append(arr{}, m...), calls(id(k), `{"command":"ls"}`), result(id(k), fmt.Sprint("files ", k)),
					msg("assistant", "and"), msg("user", "go on"))...)
			}
			same(t, "first goes on", a.one(more(1)).Session, one2.Session)
			same(t, "second goes on", a.one(more(2)).Session, two2.Session)
		})
	}
}

// Twins that stay twins for many steps never meet in one session, whatever the order in which their requests come.
func TestTwinsInStep(t *testing.T) {
	for _, order := range []string{"together", "one after the other"} {
		t.Run(order, func(t *testing.T) {
			a := newAgent(t, New(Options{}), wire.Chat)
			m := arr{msg("system", "s"), msg("user", "u")}
			seen := [2]map[string]bool{{}, {}}
			program := ""
			for step := range 5 {
				one := a.ask(chat(m...))
				if order != "together" && step > 0 {
					one.body(chatCall(fmt.Sprint("call_of_some_length_", step), "{}")).ok()
				}
				two := a.ask(chat(m...))
				if order == "together" || step == 0 {
					one.body(chatCall(fmt.Sprint("call_of_some_length_", step), "{}")).ok()
				}
				two.body(chatCall(fmt.Sprint("call_of_some_length_", step), "{}")).ok()
				if program == "" {
					program = one.Program
				}
				same(t, "program", one.Program, program)
				same(t, "program", two.Program, program)
				seen[0][one.Session], seen[1][two.Session] = true, true
				m = append(m, calls(fmt.Sprint("call_of_some_length_", step), "{}"), result(fmt.Sprint("call_of_some_length_", step), "x"))
			}
			for s := range seen[0] {
				if s != "" && seen[1][s] {
					t.Errorf("session %q belongs to both", s)
				}
			}
		})
	}
}

// What tells two agents apart makes them no twins.
func TestNoTwins(t *testing.T) {
	f := New(Options{})
	a := newAgent(t, f, wire.Chat)
	body := chat(msg("user", "same words"))
	first := a.ask(body)
	for _, h := range [][2]string{
		{"x-trapgate-agent", "coder"},
		{"x-trapgate-program", "p2"},
		{"x-trapgate-user", "eve"},
		{"x-trapgate-session", "mine"},
		{"Authorization", "Bearer other"},
		{"x-session-id", "ses_1"},
		{"User-Agent", "DSPy/3.4.1"},
	} {
		id := a.with(h[0], h[1]).ask(body)
		if id.Twin || id.Session == "" || id.Session == first.Session {
			t.Errorf("%s: %+v", h[0], id.Identity)
		}
		id.body(`{}`).ok()
	}
	first.body(`{}`).ok()
	if id := a.ask(body); id.Twin {
		t.Errorf("twin of an exchange that has ended: %+v", id.Identity)
	}
}

// Many answers to one question: one has the session, all the program.
func TestManyTwins(t *testing.T) {
	a := newAgent(t, New(Options{}), wire.Chat)
	body := chat(msg("user", "sample"))
	var open []*talk
	for i := range 3 * maxPlaces {
		k := a.ask(body)
		if k.Twin != (i > 0) {
			t.Fatalf("exchange %d: %+v", i, k.Identity)
		}
		same(t, "program", k.Program, open0(open, k).Program)
		open = append(open, k)
	}
	for _, k := range open {
		k.body(`{}`).ok()
	}
}

func open0(open []*talk, k *talk) *talk {
	if len(open) == 0 {
		return k
	}
	return open[0]
}

// The one whose answer is here can go on; that the other one then says the same does not make it this one.
func TestTwinAnswersFirst(t *testing.T) {
	a := newAgent(t, New(Options{}), wire.Chat)
	m := arr{msg("user", "u")}
	next := append(append(arr{}, m...), msg("assistant", "same answer"), msg("user", "and?"))
	one, two := a.ask(chat(m...)), a.ask(chat(m...))
	one.body(`{}`).ok()
	one2 := a.one(chat(next...))
	same(t, "the first goes on", one2.Session, one.Session)
	two.body(`{}`).ok()
	two2 := a.one(chat(next...))
	differ(t, "the second goes on", two2.Session, one.Session)
	same(t, "program", two2.Program, one.Program)
}
