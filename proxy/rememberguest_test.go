package main

import (
	"encoding/json"
	"testing"
)

// A note that a guest put into a conversation stands in it when the holder serves the conversation's next request, and the other way round.
func TestMemoryNotesOfGuests(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	up := newFake(t, saysPlainly)
	holder := remembering(t, up, byHeader, in(dir))
	guest := remembering(t, up, byHeader, in(dir), func(o *gatewayOptions) { o.guest = true })
	holder.do(t, says("ada", "old", "Remember that the key of the shed hangs behind the clock."))
	holder.outcomes(t, 1)
	holder.learned(t)
	var history []map[string]string
	turn := func(g *gateway, text string) string {
		t.Helper()
		history = append(history, map[string]string{"role": "user", "content": text})
		raw, _ := json.Marshal(history)
		m := g.do(t, post("/v1/chat/completions", `{"model":"m","messages":`+string(raw)+`}`,
			"Authorization: Bearer one", "x-user: ada", "x-trapgate-session: s"))
		if m.status() != 200 {
			t.Fatal(m.Line)
		}
		history = append(history, map[string]string{"role": "assistant", "content": "hi"})
		return messageAt(t, up.last().Body, 2)
	}
	turn(holder, "Good morning to you over there, how was the night?")
	shed := turn(guest, "Where does the key of the shed hang?")
	if !told(&message{Body: shed}) {
		t.Skipf("SKIP: this machine is too slow for a note in time: %s", shed)
	}
	if again := turn(holder, "And what shall I cook today?"); again != shed {
		t.Errorf("the holder sends\n%s\nafter a guest sent\n%s", again, shed)
	}
	if again := turn(guest, "And what shall I cook tomorrow?"); again != shed {
		t.Errorf("the guest sends\n%s\nafter\n%s", again, shed)
	}
}

// messageAt is the content of a message of a request.
func messageAt(tb testing.TB, body string, i int) string {
	tb.Helper()
	var r struct {
		Messages []struct{ Content string }
	}
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		tb.Fatal(err)
	}
	if i >= len(r.Messages) {
		return ""
	}
	return r.Messages[i].Content
}
