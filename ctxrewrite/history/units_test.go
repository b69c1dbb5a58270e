package history_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/internal/wire"
)

// show writes units as kind and number of messages.
func show(units []history.Unit) string {
	var out []string
	for _, u := range units {
		out = append(out, fmt.Sprintf("%c%d", "osuac"[u.Kind], u.To-u.From))
	}
	return strings.Join(out, " ")
}

func TestUnits(t *testing.T) {
	for _, c := range []struct {
		d             wire.Dialect
		history, want string
	}{
		{wire.Chat, "s d u a u a", "s1 s1 u1 a1 u1 a1"},
		{wire.Chat, "s u c1 r1 c2,3 r2,3 a u", "s1 u1 c2 c3 a1 u1"},
		{wire.Chat, "u c1,2 r2,1 a", "u1 c3 a1"},
		{wire.Chat, "u c1 r1 c1 r1", "u1 c2 c2"},     // ids return in each turn
		{wire.Chat, "u c1,2 r1", "u1 c2"},            // one is in flight
		{wire.Chat, "u c1", "u1 c1"},                 // all are
		{wire.Chat, "u c1 s r1 u", "u1 c3 u1"},       // a system message between a call and its result
		{wire.Chat, "u c1,2 r1 u r2 a", "u1 c4 a1"},  // a result that comes late
		{wire.Chat, "u c1 u c2 r2 r1 a", "u1 c5 a1"}, // and later still
		{wire.Chat, "u c1 u a", "u1 c1 u1 a1"},       // a call that was never answered
		{wire.Chat, "u r9 a", "u1 o1 a1"},            // a result without a call
		{wire.Chat, "u c1 r1,9 a", "u1 c3 a1"},       // the same behind a call: it stays there
		{wire.Chat, "u a r9", "u1 a1 o1"},            // and behind an assistant who called nothing
		{wire.Chat, "u f fr f fr a", "u1 c2 c2 a1"},  // without ids
		{wire.Chat, "u o a a", "u1 o1 a1 a1"},        // neighbouring assistants are not one turn here
		{wire.Responses, "s D u c1 r1 a", "s1 s1 u1 c2 a1"},
		{wire.Responses, "u t c1 r1 t a u", "u1 c3 a2 u1"},
		{wire.Responses, "u t a c1,2 r1,2 t c3 r3", "u1 c6 c3"},
		{wire.Responses, "u t w t a u w", "u1 a4 u1 o1"},
		{wire.Responses, "u t d c1 r1 a", "u1 c4 a1"}, // a developer message inside a turn
		{wire.Responses, "u t u a", "u1 o1 u1 a1"},    // reasoning that led nowhere
		{wire.Responses, "u c1 r1 c2 r2", "u1 c2 c2"},
		{wire.Responses, "u c1 c2 r1 a r2 a", "u1 c5 a1"},
		{wire.Responses, "u x a x", "u1 o1 a1 o1"},
		{wire.Responses, "r1 a", "o1 a1"}, // the call is at the provider
		{wire.Messages, "u c1 r1 a u", "u1 c2 a1 u1"},
		{wire.Messages, "u c1,2 ru1,2 a", "u1 c2 a1"},
		{wire.Messages, "u t c1 r1 c2 r2", "u1 c3 c2"}, // thinking and calls in two messages
		{wire.Messages, "u c1,2 r1 r2 u", "u1 c3 u1"},
		{wire.Messages, "u c1 u r1 a", "u1 c3 a1"},
		{wire.Messages, "u c1", "u1 c1"},
		{wire.Messages, "u ru9 a", "u1 o1 a1"},
	} {
		v := view(t, c.d, short(c.d, c.history))
		prefix := []history.Unit{{From: 7, To: 9}}
		if got := show(history.Units(prefix, v)[1:]); got != c.want {
			t.Errorf("%v %q: %s, want %s", c.d, c.history, got, c.want)
		}
	}
	v := view(t, wire.Responses, `{"input":"hello"}`)
	if got := show(history.Units(nil, v)); got != "u1" {
		t.Error(got)
	}
}

// nonsense is a history that nobody would send.
func nonsense(r *rand.Rand, d wire.Dialect) string {
	letters := strings.Fields("s d u u a c1 c1,2 c3 r1 r2 r1,2 r3 r9 ru1 ur2 o x t w D f fr")
	words := []string{"u"}
	for range 1 + r.IntN(16) {
		w := letters[r.IntN(len(letters))]
		switch {
		case (w == "ru1" || w == "ur2") && d != wire.Messages, strings.Contains("t x w D", w) && d != wire.Responses, w[0] == 'f' && d != wire.Chat:
		default:
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}

// Units cover each message once, in order, whatever the history.
func TestUnitsCover(t *testing.T) {
	for seed := range uint64(3000) {
		d := dialects[seed%3]
		s := nonsense(random(seed), d)
		v := view(t, d, short(d, s))
		at := 0
		for _, u := range history.Units(nil, v) {
			if u.From != at || u.To <= u.From {
				t.Fatalf("%v %q: %+v begins at %d", d, s, u, at)
			}
			at = u.To
		}
		if at != len(v.Msgs) {
			t.Fatalf("%v %q: %d of %d messages", d, s, at, len(v.Msgs))
		}
	}
}

func TestUnitsReuseMemory(t *testing.T) {
	v := view(t, wire.Chat, short(wire.Chat, "s u c1 r1 c2,3 r2,3 a u"))
	dst := make([]history.Unit, 0, 16)
	if n := testing.AllocsPerRun(100, func() { dst = history.Units(dst[:0], v) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestStays(t *testing.T) {
	v := view(t, wire.Responses, short(wire.Responses, "s d D x u a c1 r1 t w"))
	for i := range v.Msgs {
		if got := history.Stays(v, &v.Msgs[i]); got != (i < 4) {
			t.Errorf("message %d: %v", i, got)
		}
	}
}

func TestMayStartTail(t *testing.T) {
	for _, c := range []struct {
		d       wire.Dialect
		history string
		p       *history.Profile
		want    string // for each unit
	}{
		{wire.Chat, "s u a u c1 r1 r9 o", history.OpenAI, "nyyyyn"},
		{wire.Chat, "s u a u c1 r1 o", history.Strict, "nnynyn"},
		{wire.Messages, "u c1 ru1 u", history.Anthropic, "yyy"},
		{wire.Messages, "u c1 ru1 u", history.Strict, "nyn"},
		{wire.Responses, "D u t c1 r1 c2 r2 a c3 r3 c4 r4", history.OpenAI, "nyynyy"}, // call 2 may be of the turn of call 1
		{wire.Responses, "D u t c1 r1 c2 r2 a c3 r3 c4 r4", history.Plain, "nyyyyy"},
	} {
		v := view(t, c.d, short(c.d, c.history))
		got := ""
		for _, u := range history.Units(nil, v) {
			got += map[bool]string{true: "y", false: "n"}[history.MayStartTail(v, u, c.p)]
		}
		if got != c.want {
			t.Errorf("%v %q %s: %s, want %s", c.d, c.history, c.p.Name, got, c.want)
		}
	}
}
