package identity

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/internal/wire"
)

// A real history of many dialogues, grown turn by turn, is one session throughout, whatever spelling its messages have.
func TestGrowingConversation(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(dataDir(t), "tau_session_dev.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Raw    []string
		Points []int
		Tools  json.RawMessage
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	f := New(Options{})
	a := newAgent(t, f, wire.Chat)
	session, program := "", ""
	for i, point := range d.Points[:250] {
		id := a.one(`{"model":"m","messages":[` + strings.Join(d.Raw[:point], ",") + `],"tools":` + string(d.Tools) + `}`)
		if i == 0 {
			session, program = id.Session, id.Program
		}
		if id.Session != session || id.Program != program || len(id.Chains) != point {
			t.Fatalf("request %d: %q of %q with %d chains, want %q of %q with %d",
				i, id.Session, id.Program, len(id.Chains), session, program, point)
		}
	}
}

// What means the same is the same history.
func TestSpellingsAreOneSession(t *testing.T) {
	spellings := map[string][2]string{
		"content null": {
			`{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"bash","arguments":"{\"a\": 1}"}}]}`,
			`{"role":"assistant","content":"","tool_calls":[{"id":"call_1","type":"function","function":{"name":"bash","arguments":"{\"a\": 1}"}}]}`,
		},
		"content absent, arguments written again": {
			`{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"bash","arguments":"{\"a\": 1}"}}]}`,
			`{"tool_calls":[{"function":{"arguments":"{\"a\":1}","name":"bash"},"type":"function","id":"call_1"}],"role":"assistant","refusal":null}`,
		},
	}
	for name, pair := range spellings {
		t.Run(name, func(t *testing.T) {
			f := New(Options{})
			a := newAgent(t, f, wire.Chat)
			head := js(msg("system", "You help.")) + "," + js(msg("user", "do it"))
			res := js(result("call_1", "done"))
			wrap := func(parts ...string) string {
				return `{"messages":[` + strings.Join(parts, ",") + `],"tools":[` + js(bash) + `]}`
			}
			first := a.one(wrap(head))
			second := a.one(wrap(head, pair[0], res))
			third := a.one(wrap(head, pair[1], res, js(msg("assistant", "well")), js(msg("user", "go on"))))
			same(t, "second", second.Session, first.Session)
			same(t, "third", third.Session, first.Session)
		})
	}
}

// Claude Code's marker moves to the newest message with every request.
func TestCacheControlMoves(t *testing.T) {
	block := func(text string, marked bool) obj {
		b := obj{"type": "text", "text": text}
		if marked {
			b["cache_control"] = obj{"type": "ephemeral"}
		}
		return b
	}
	body := func(turns int) string {
		var messages arr
		for i := range turns {
			role := "user"
			if i%2 == 1 {
				role = "assistant"
			}
			messages = append(messages, obj{"role": role, "content": arr{block(fmt.Sprint("turn ", i), i == turns-1)}})
		}
		return js(obj{
			"model": "m", "max_tokens": 5, "messages": messages,
			"system": arr{block("You are an agent.", true)},
			"tools":  arr{obj{"name": "Bash", "input_schema": obj{"type": "object"}}},
		})
	}
	a := newAgent(t, New(Options{}), wire.Messages)
	first := a.one(body(1))
	for turns := 3; turns < 12; turns += 2 {
		same(t, fmt.Sprint(turns, " messages"), a.one(body(turns)).Session, first.Session)
	}
}

func TestDialectsGrow(t *testing.T) {
	responses := func(items ...any) string {
		return js(obj{"model": "m", "instructions": "Be terse.", "input": items, "tools": arr{obj{"type": "function", "name": "bash"}}})
	}
	call := obj{"type": "function_call", "call_id": "c1", "name": "bash", "arguments": `{"command":"ls"}`}
	out := obj{"type": "function_call_output", "call_id": "c1", "output": "a"}
	think := obj{"type": "reasoning", "id": "rs_1", "summary": arr{}, "encrypted_content": "xx"}
	t.Run("responses", func(t *testing.T) {
		a := newAgent(t, New(Options{}), wire.Responses)
		first := a.one(responses(msg("user", "look around")))
		same(t, "second", a.one(responses(msg("user", "look around"), think, call, out)).Session, first.Session)
		more := obj{"role": "assistant", "content": "one file"}
		same(t, "reasoning left out", a.one(responses(msg("user", "look around"), call, out, more, msg("user", "and?"))).Session, first.Session)
	})
	t.Run("responses, input as a string", func(t *testing.T) {
		a := newAgent(t, New(Options{}), wire.Responses)
		first := a.one(`{"model":"m","input":"look around"}`)
		second := a.one(js(obj{"model": "m", "input": arr{msg("user", "look around"), msg("assistant", "ok"), msg("user", "more")}}))
		same(t, "second", second.Session, first.Session)
	})
	t.Run("several and late system messages", func(t *testing.T) {
		a := newAgent(t, New(Options{}), wire.Chat)
		m := arr{msg("system", "one"), msg("system", "two"), msg("user", "task"), msg("system", "rules")}
		first := a.one(chat(m...))
		m = append(m, msg("assistant", "answer"), msg("user", "next"))
		same(t, "second", a.one(chat(m...)).Session, first.Session)
	})
}

// An agent that goes back to an earlier point stays in its session: what is kept for the messages before it is kept there.
func TestBranch(t *testing.T) {
	a := newAgent(t, New(Options{}), wire.Chat)
	start := arr{msg("system", "s"), msg("user", "u")}
	first := a.one(chat(start...))
	one := append(append(arr{}, start...), msg("assistant", "a1"), msg("user", "u1"))
	same(t, "on", a.one(chat(one...)).Session, first.Session)
	two := append(append(arr{}, one...), msg("assistant", "a2"), msg("user", "u2"))
	same(t, "further on", a.one(chat(two...)).Session, first.Session)
	edited := append(append(arr{}, one...), msg("assistant", "a2"), msg("user", "u2, but otherwise"))
	same(t, "edited", a.one(chat(edited...)).Session, first.Session)
	same(t, "asked again", a.one(chat(one...)).Session, first.Session)
}

// The same task begun once more is another session, also when its answers are the same.
func TestSecondRun(t *testing.T) {
	for _, ids := range []string{"equal call ids", "call ids of their own", "text only"} {
		t.Run(ids, func(t *testing.T) {
			a := newAgent(t, New(Options{}), wire.Chat)
			run := func(n int) (sessions []string) {
				id := "call_abcdefghijklmnop"
				if ids == "call ids of their own" {
					id += fmt.Sprint(n)
				}
				m := arr{msg("system", "s"), msg("user", "u")}
				for step := range 4 {
					if ids == "text only" {
						sessions = append(sessions, a.one(chat(m...)).Session)
						m = append(m, msg("assistant", fmt.Sprint("answer ", step)), msg("user", "next"))
						continue
					}
					k := a.ask(chat(m...)).body(chatCall(fmt.Sprint(id, step), `{"command":"ls"}`)).ok()
					sessions = append(sessions, k.Session)
					m = append(m, calls(fmt.Sprint(id, step), `{"command":"ls"}`), result(fmt.Sprint(id, step), "x"))
				}
				return sessions
			}
			seen := map[int]string{}
			for n := range 4 {
				for _, s := range run(n) {
					remember(t, fmt.Sprint("run ", n), seen, n, s)
				}
			}
		})
	}
}

// Somebody else's conversation that begins with the same words, most of which did not pass through us, is not this one.
func TestUnseenTurns(t *testing.T) {
	a := newAgent(t, New(Options{}), wire.Chat)
	hi := arr{msg("system", "s"), msg("user", "hi")}
	first := a.one(chat(hi...))
	other := append(append(arr{}, hi...), msg("assistant", "hello"), msg("user", "my order?"), msg("assistant", "which?"), msg("user", "42"))
	id := a.one(chat(other...))
	differ(t, "session", first.Session, id.Session)
	differ(t, "program", first.Program, id.Program)
	other = append(other, msg("assistant", "sent"), msg("user", "thanks"))
	same(t, "its next", a.one(chat(other...)).Session, id.Session)
}

// The time in a system text does not make a new session of every request; other instructions do.
func TestSystemTextChanges(t *testing.T) {
	long := strings.Repeat("You are a careful assistant of the airline and follow its policy. ", 4)
	m := arr{msg("user", "book it")}
	a := newAgent(t, New(Options{}), wire.Chat)
	at := func(system string) string { return chat(append(arr{msg("system", system)}, m...)...) }
	first := a.one(at("It is 10:00. " + long))
	m = append(m, msg("assistant", "where?"), msg("user", "there"))
	second := a.one(at("It is 10:01. " + long))
	same(t, "session", second.Session, first.Session)
	m = append(m, msg("assistant", "wait"), msg("user", "yes"))
	third := a.one(at("You are the billing expert. " + strings.Repeat("Money is all. ", 20)))
	same(t, "program", third.Program, first.Program)
	differ(t, "session", third.Session, first.Session)
}

// An agent that cuts its history keeps its session as long as a tool call of ours is in it.
func TestCutHistory(t *testing.T) {
	a := newAgent(t, New(Options{}), wire.Chat)
	system := msg("system", "s")
	m := arr{system, msg("user", "a long task")}
	first := a.ask(chat(m...)).body(chatCall("call_0123456789abcdef", `{"command":"ls"}`)).ok()
	cut := a.one(chat(system, msg("user", "summary of what was"), calls("call_0123456789abcdef", `{"command":"ls"}`), result("call_0123456789abcdef", "x")))
	same(t, "session", cut.Session, first.Session)
}

// Ids that servers count up say nothing about whose a history is.
func TestCountedCallIDs(t *testing.T) {
	a := newAgent(t, New(Options{}), wire.Chat)
	first := a.ask(chat(msg("system", "s"), msg("user", "a long task"))).body(chatCall("call_1", "{}")).ok()
	other := a.one(chat(msg("system", "s"), msg("user", "another task"), calls("call_1", "{}"), result("call_1", "x")))
	differ(t, "session", other.Session, first.Session)
	differ(t, "program", other.Program, first.Program)
}

// Without tools little says that it is the same speaker: a long end of the system text, its length, and an answer.
func TestStampWithoutTools(t *testing.T) {
	rules := strings.Repeat("You are a careful assistant of the airline and follow its policy. ", 10)
	said := []any{msg("user", "u"), msg("assistant", "a"), msg("user", "v")}
	for _, c := range []struct {
		name, then string
		next       []any
		same       bool
	}{
		{"the time", "It is 10:01. " + rules, said, true},
		{"the time behind", rules + "It is 10:01.", said, false}, // no end stays
		{"another role", "You are Ann, who checks what the others have done, and tells them of each mistake that they have made. " + rules, said, false},
		{"nobody has answered", "It is 10:01. " + rules, []any{msg("user", "u"), msg("user", "Ann says: a")}, false},
		{"two answers", "It is 10:01. " + rules, append(said[:3:3], msg("assistant", "b"), msg("user", "w")), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAgent(t, New(Options{}), wire.Chat)
			body := func(system string, m ...any) string {
				return js(obj{"messages": append([]any{msg("system", system)}, m...)})
			}
			first := a.one(body("It is 10:00. "+rules, said[0]))
			second := a.one(body(c.then, c.next...))
			if (first.Session == second.Session) != c.same {
				t.Errorf("sessions %q and %q", first.Session, second.Session)
			}
		})
	}
}

// A short text is too little to know by.
func TestSystemTextChangesWithoutTools(t *testing.T) {
	long := strings.Repeat("You are a careful assistant of the airline and follow its policy. ", 4)
	a := newAgent(t, New(Options{}), wire.Chat)
	body := func(m ...any) string { return js(obj{"messages": m}) }
	first := a.one(body(msg("system", "It is 10:00. "+long), msg("user", "u")))
	second := a.one(body(msg("system", "It is 10:01. "+long), msg("user", "u"), msg("assistant", "a"), msg("user", "v")))
	same(t, "program", second.Program, first.Program)
	differ(t, "session", second.Session, first.Session)
}

// Hand back and forth: each speaker keeps its session, all of them the program.
func TestHandBack(t *testing.T) {
	a := newAgent(t, New(Options{}), wire.Chat)
	m := arr{msg("user", "task")}
	as := func(who string) string { return chat(append(arr{msg("system", who)}, m...)...) }
	triage := a.one(as("triage"))
	m = append(m, calls("c1", "{}"), result("c1", "expert"))
	expert := a.one(as("expert"))
	m = append(m, msg("assistant", "done"), msg("user", "more"))
	same(t, "expert goes on", a.one(as("expert")).Session, expert.Session)
	m = append(m, calls("c2", "{}"), result("c2", "triage"))
	back := a.one(as("triage"))
	same(t, "program", expert.Program, triage.Program)
	same(t, "program", back.Program, triage.Program)
	differ(t, "session", expert.Session, triage.Session)
	same(t, "triage again", back.Session, triage.Session)
}

func TestPreviousResponse(t *testing.T) {
	f := New(Options{})
	a := newAgent(t, f, wire.Responses)
	ask := func(prev, text string) string {
		return js(obj{"model": "m", "input": arr{msg("user", text)}, "previous_response_id": prev})
	}
	first := a.ask(js(obj{"model": "m", "input": "begin"})).body(`{"id":"resp_1","object":"response","output":[]}`).ok()
	second := a.ask(ask("resp_1", "go on")).data(`{"type":"response.created","response":{"id":"resp_2"}}`).ok()
	same(t, "found in a body", second.Session, first.Session)
	third := a.one(ask("resp_2", "go on"))
	same(t, "found in a stream", third.Session, first.Session)
	if third.Chain == second.Chain {
		t.Error("equal messages after different responses have one chain")
	}
	f.Bind("resp_3", &third)
	same(t, "told by the host", a.one(ask("resp_3", "go on")).Session, first.Session)
	differ(t, "unknown", a.one(ask("resp_9", "go on")).Session, first.Session)
	other := newAgent(t, f, wire.Responses, "Authorization", "Bearer other")
	differ(t, "another tenant", other.one(ask("resp_1", "go on")).Session, first.Session)
}

func TestConversationField(t *testing.T) {
	a := newAgent(t, New(Options{}), wire.Responses)
	id := a.one(`{"model":"m","input":"hi","conversation":"conv_1"}`)
	same(t, "session", id.Session, "conv_1")
	id = a.one(`{"model":"m","input":"hi","conversation":{"id":"conv_2"}}`)
	same(t, "session", id.Session, "conv_2")
	same(t, "program", id.Program, "conv_2")
}
