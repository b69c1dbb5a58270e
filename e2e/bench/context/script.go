package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
	"github.com/trapgate/trapgate/e2e/engine"
)

// A script is an agent loop that is written down: what the user and the tool say, and what stands in the history for the model's
// words and calls, whatever the model said. Two calls a turn, as in the dialogues of the session: the user's word, a tool call, its
// result, the answer.
type script struct {
	tools    json.RawMessage
	messages []scripted
	points   []int // a call is made before each of these messages
}

type scripted struct {
	role   string
	raw    string
	tokens int // by the engine's own count
}

const (
	scriptSystem = "You keep the mill. You look at its parts one by one with the tool and say what is wrong with each. Never touch the sluice."
	scriptTools  = `[{"type":"function","function":{"name":"look","description":"Looks at a part of the mill.","parameters":{"type":"object","properties":{"part":{"type":"string"}},"required":["part"]}}}]`
)

var scriptStates = strings.Fields("worn dry loose clean rusted warm bent noisy cracked sound")

// newScript writes an agent loop of so many turns. It is the same each time.
func newScript(turns int) *script {
	s := &script{tools: json.RawMessage(scriptTools)}
	s.say("system", scriptSystem)
	r := benchkit.Source(5, 0)
	for i := range turns {
		part := fmt.Sprintf("K-%04X", r.IntN(1<<16))
		s.say("user", fmt.Sprintf("Round %d: look at part %s and tell me what is wrong with it.", i+1, part))
		s.points = append(s.points, len(s.messages))
		s.add("assistant", fmt.Sprintf(`{"role":"assistant","content":null,"tool_calls":[{"id":"call_%05d","type":"function","function":{"name":"look","arguments":"{\"part\":\"%s\"}"}}]}`, i, part))
		result, err := json.Marshal(look(r, part))
		if err != nil {
			panic(err) // a string
		}
		s.add("tool", fmt.Sprintf(`{"role":"tool","tool_call_id":"call_%05d","content":%s}`, i, result))
		s.points = append(s.points, len(s.messages))
		s.say("assistant", fmt.Sprintf("Part %s is %s; it can wait until the harvest is in.", part, scriptStates[r.IntN(len(scriptStates))]))
	}
	return s
}

// look is what the tool says.
func look(r *rand.Rand, part string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "part %s\n", part)
	for _, side := range []string{"upper", "lower", "inner"} {
		fmt.Fprintf(&b, "%s: %s, load %d, seen on day %d\n", side, scriptStates[r.IntN(len(scriptStates))], r.IntN(1000), r.IntN(365))
	}
	return b.String()
}

func (s *script) say(role, words string) {
	s.add(role, fmt.Sprintf(`{"role":%q,"content":%q}`, role, words))
}

func (s *script) add(role, raw string) {
	s.messages = append(s.messages, scripted{role: role, raw: raw})
}

// body is a request with the system message and messages from..to.
func (s *script) body(from, to int) []byte {
	return fmt.Appendf(nil, `{"model":%q,"messages":%s,"tools":%s,"max_tokens":8,"stream":true,"stream_options":{"include_usage":true}}`, engine.Model, s.list(from, to), s.tools)
}

// list is the system message and messages from..to as JSON.
func (s *script) list(from, to int) []byte {
	all := []string{s.messages[0].raw}
	for _, m := range s.messages[max(from, 1):to] {
		all = append(all, m.raw)
	}
	return []byte("[" + strings.Join(all, ",") + "]")
}

// trim is the first message to send besides the system's, when the newest are to be kept that fit beside it and the tools into so many
// tokens, and the first of them has to be the user's. It is what LangChain's trim_messages does with strategy last, include_system and
// start_on human. The end means that nothing is left.
func (s *script) trim(to, limit int) int {
	from, size := to, s.messages[0].tokens
	for from > 1 && size+s.messages[from-1].tokens <= limit {
		from--
		size += s.messages[from].tokens
	}
	for from < to && s.messages[from].role != "user" {
		from++
	}
	return from
}
