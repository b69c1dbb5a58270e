package recall

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trapgate/trapgate/filters/filtertest"
	"github.com/trapgate/trapgate/internal/wire"
	"github.com/trapgate/trapgate/memory"
)

// expect compares what the engine was given since it was asked last.
func (e *scripted) expect(tb testing.TB, what string, want ...string) {
	tb.Helper()
	if diff := cmp.Diff(strings.Join(want, "\n"), strings.Join(e.learned(), "\n")); diff != "" {
		tb.Errorf("%s: %s", what, diff)
	}
}

// Every message is given once, over a conversation whose history comes again with each request.
func TestLearnsOnce(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		for _, stream := range []bool{false, true} {
			e := &scripted{}
			r := newRig(t, e, d)
			r.stream = stream
			history := []string{user(quote("zero"))}
			body := request(d, stream, history...)
			r.send(body)
			e.expect(t, "the first", "user@0: zero", "assistant@1: Very well.")
			r.send(body, answer(d, stream))
			e.expect(t, "made anew, with no answer")
			for turn := 1; turn < 12; turn++ {
				history = append(history, model(d, "Very well."), user(quote(fmt.Sprint("turn ", turn))))
				r.send(request(d, stream, history...), answer(d, stream, "No. ", fmt.Sprint(turn)))
				e.expect(t, "a turn", fmt.Sprintf("user@%d: turn %d", 2*turn, turn), fmt.Sprintf("assistant@%d: No. %d", 2*turn+1, turn))
			}
			again := append(history[:4:4], user(quote("another way")))
			r.send(request(d, stream, again...), answer(d, stream))
			e.expect(t, "back to an earlier turn", "user@4: another way")
			if q := e.asked[len(e.asked)-1]; q.Evicted != nil {
				t.Errorf("of the same history messages are not visible any more: %v", q.Evicted)
			}
			cut := []string{user(quote("a summary")), model(d, "Go on."), user(quote("then"))}
			r.send(request(d, stream, cut...))
			e.expect(t, "a new history", "user@24: a summary", "assistant@25: Go on.", "user@26: then", "assistant@27: Very well.")
			if q := e.asked[len(e.asked)-1]; !slices.Equal(q.Evicted, []memory.Evicted{{To: 24}}) {
				t.Errorf("of a new history messages are not visible any more: %v", q.Evicted)
			}
		}
	}
}

// What tools return is a document, system text is nothing, and what was called or thought is nobody's word.
func TestLearnsWhat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		d    wire.Dialect
		body string
		want []string
	}{
		{
			wire.Chat, `{"messages":[{"role":"system","content":"S"},{"role":"developer","content":"D"},{"role":"user","name":"Ada","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},` +
				`{"role":"assistant","content":"I look.","reasoning_content":"hm","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}]},` +
				`{"role":"tool","tool_call_id":"c","name":"f","content":"out"},{"role":"user","content":"and?"}]}`,
			[]string{"user@2: a\n\nb", "assistant@3: I look.", "doc@4: out", "user@5: and?", "assistant@6: Very well."},
		},
		{
			wire.Messages, `{"system":"S","messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"I look."},{"type":"tool_use","id":"t","name":"f","input":{}},{"type":"tool_use","id":"u","name":"f","input":{}}]},` +
				`{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"out"}]},{"type":"tool_result","tool_use_id":"u","content":"put"},{"type":"text","text":"<system-reminder>x</system-reminder>"},{"type":"text","text":"and?"}]}]}`,
			[]string{"user@0: a", "assistant@1: I look.", "doc@2: out", "doc@2: put", "user@2: and?", "assistant@3: Very well."},
		},
		{
			wire.Responses, `{"instructions":"S","input":[{"role":"developer","content":"D"},{"role":"user","content":"a"},{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},` +
				`{"type":"function_call_output","call_id":"c","output":"out"},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"I see."}]},{"role":"user","content":"and?"}]}`,
			[]string{"user@1: a", "doc@4: out", "assistant@5: I see.", "user@6: and?", "assistant@7: Very well."},
		},
		{wire.Responses, `{"input":"a"}`, []string{"user@0: a", "assistant@1: Very well."}},
	} {
		e := &scripted{}
		newRig(t, e, c.d).send(c.body)
		if c.d == wire.Chat && e.turns[0].Messages[0].Name != "Ada" {
			t.Errorf("the speaker is %q", e.turns[0].Messages[0].Name)
		}
		e.expect(t, c.d.String(), c.want...)
	}
}

// Whoever speaks as the user of a child is the parent's model, and believed as a model.
func TestLearnsFromChildren(t *testing.T) {
	t.Parallel()
	e := &scripted{}
	r := newRig(t, e, wire.Messages).with("x-claude-code-session-id", "C").with("x-claude-code-agent-id", "a1")
	r.fields = r.fields[1:] // not a session of our own
	r.send(request(wire.Messages, false, user(`"Remember that I live in Rome."`)))
	if len(e.turns) != 1 || e.turns[0].Scope.Session != "C/a1" {
		t.Fatalf("%+v", e.turns)
	}
	e.expect(t, "a child", "assistant@0: Remember that I live in Rome.", "assistant@1: Very well.")
}

// Of a broken exchange the user's words are learned, once, and the answer is not; of a refused one nothing is, until it is said again.
func TestLearnsFromFailures(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		e := &scripted{}
		r := newRig(t, e, d)
		r.stream = true
		body := request(d, true, user(`"hi"`))
		refusal := filtertest.Answer{Status: 429, Body: []byte(`{"error":{"message":"slow down","type":"rate_limit"}}`)}
		r.send(body, refusal)
		e.expect(t, "refused")
		cut := answer(d, true, "a", "b")
		cut.Body, cut.How = cut.Body[:len(cut.Body)*3/4], filtertest.Cut
		r.send(body, cut)
		e.expect(t, "cut off", "user@0: hi")
		unended := answer(d, true, "a", "b")
		all := frames(d, "a", "b")
		unended.Body = []byte(strings.Join(all[:len(all)-1], ""))
		r.send(body, unended)
		e.expect(t, "without a terminal event")
		r.send(body, filtertest.Answer{Status: 500, Body: []byte(`{"error":{"message":"a failure"}}`)})
		e.expect(t, "failed")
		r.send(body)
		e.expect(t, "at last", "assistant@1: Very well.")
	}
	e := &scripted{busy: true}
	r := newRig(t, e, wire.Chat)
	r.send(request(wire.Chat, false, user(`"hi"`)))
	e.busy = false
	r.send(request(wire.Chat, false, user(`"hi"`), model(wire.Chat, "Very well."), user(`"you"`)), answer(wire.Chat, false))
	e.expect(t, "after the queue was full", "user@0: hi", "assistant@1: Very well.", "user@2: you")
}

// With a history that the provider keeps, each message is given once, each note is sent once, and the same words said twice are two messages.
func TestServerSideHistory(t *testing.T) {
	t.Parallel()
	for _, key := range []string{`"previous_response_id":"r%d",`, `"conversation":"conv",`, `"conversation":{"id":"conv"},`} {
		e := says("NOTE")
		r := newRig(t, e, wire.Responses)
		for turn := range 4 {
			head := ""
			if turn > 0 || !strings.Contains(key, "previous") {
				if head = key; strings.Contains(key, "%d") {
					head = fmt.Sprintf(key, turn)
				}
			}
			body := `{` + head + request(wire.Responses, false, user(`"yes"`))[1:]
			out := r.send(body)
			if strings.Count(out.sent, "NOTE") != 1 || len(e.asked) != turn+1 || e.asked[turn].Evicted != nil || e.asked[turn].First != (turn == 0) {
				t.Fatalf("turn %d: asked %d times, %+v\n%s", turn, len(e.asked), e.asked[len(e.asked)-1], out.sent)
			}
			got := e.learned()
			if len(got) != 2 || got[0] != fmt.Sprintf("user@%d: yes", 2*turn) || got[1] != fmt.Sprintf("assistant@%d: Very well.", 2*turn+1) {
				t.Errorf("turn %d learned %q", turn, got)
			}
		}
	}
}

// What context leaves out is said to be out of sight, and what stands in the request is visible.
func TestEvicted(t *testing.T) {
	t.Parallel()
	e := &scripted{}
	var seen []string
	e.tell = func(q *memory.Question) (r memory.Recollection, err error) {
		for _, text := range []string{"the first \"thing\"", "second ü", "third 😀", "the fourth"} {
			if q.Visible(text) {
				seen = append(seen, text)
			}
		}
		return r, nil
	}
	r := newRig(t, e, wire.Chat)
	r.filter = New(e, Options{Evicted: func(tenant, session string, chains []uint64) []memory.Evicted {
		if session != "s" || len(chains) != 5 {
			t.Errorf("session %q, %d messages", session, len(chains))
		}
		return []memory.Evicted{{From: 1, To: 2, Handle: "ctx:1"}, {From: 2, To: 3, Handle: "ctx:2"}, {From: 4, To: 9}}
	}})
	r.filter.Configure(Settings{})
	r.send(request(wire.Chat, false, user(`"It was the first \"thing\"."`), model(wire.Chat, "a"), user(`"the second \u00fc"`), model(wire.Chat, "third 😀"), user(`"go on"`)))
	q, want := e.asked[0], []memory.Evicted{{From: 1, To: 2, Handle: "ctx:1"}, {From: 2, To: 3, Handle: "ctx:2"}}
	if !slices.Equal(q.Evicted, want) || len(q.Chains) != 3 || q.Chains[2] != q.Chain || strings.Join(seen, ",") != "the first \"thing\",third 😀" {
		t.Errorf("%v are evicted, %d chains, visible: %q", q.Evicted, len(q.Chains), seen)
	}
}

// Of a very long text beginning and end are given; a very long history goes in turns.
func TestBounds(t *testing.T) {
	t.Parallel()
	e := &scripted{}
	r := newRig(t, e, wire.Chat)
	long := "BEGIN " + strings.Repeat("word\nü ", 10<<10) + "END"
	var history []string
	for range 30 {
		history = append(history, user(quote(long)), model(wire.Chat, "ok"))
	}
	r.send(request(wire.Chat, false, append(history, user(`"hi"`))...), answer(wire.Chat, false, long))
	n, size := 0, 0
	for _, turn := range e.turns {
		size = 0
		for _, m := range turn.Messages {
			size += len(m.Text)
			if n++; len(m.Text) > maxText+16 {
				t.Errorf("a text of %d bytes", len(m.Text))
			}
		}
		if size > maxTurn {
			t.Errorf("a turn of %d bytes", size)
		}
	}
	first, last := e.turns[0].Messages[0].Text, e.turns[len(e.turns)-1].Messages
	if n != 62 || len(e.turns) < 2 || !strings.HasPrefix(first, "BEGIN ") || !strings.HasSuffix(first, " END") {
		t.Errorf("%d messages in %d turns, %.20q ... %q", n, len(e.turns), first, first[len(first)-20:])
	}
	if got := last[len(last)-1].Text; !strings.HasPrefix(long, got) || len(got) < maxAnswer*3/4 {
		t.Errorf("of the answer %d bytes: %q", len(got), got[max(len(got)-20, 0):])
	}
}
