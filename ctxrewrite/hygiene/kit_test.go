package hygiene

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/internal/wire"
)

func init() { wire.Strict = true }

var dialects = []wire.Dialect{wire.Chat, wire.Responses, wire.Messages}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// body is a request with a system text and a conversation of turns: each is a user's text, a call, its result and an answer, and the
// last ends before the answer.
func body(d wire.Dialect, system string, turns int) string {
	var m []string
	for i := range turns {
		user, answer := quote(fmt.Sprintf("question %d: \"why\"\n", i)), quote(fmt.Sprintf("answer %d", i))
		switch d {
		case wire.Chat:
			m = append(m, `{"role":"user","content":`+user+`}`,
				fmt.Sprintf(`{"role":"assistant","content":null,"tool_calls":[{"id":"c%d","type":"function","function":{"name":"ls","arguments":"{}"}}]}`, i),
				fmt.Sprintf(`{"role":"tool","tool_call_id":"c%d","content":"file %d"}`, i, i), `{"role":"assistant","content":`+answer+`}`)
		case wire.Responses:
			m = append(m, `{"role":"user","content":[{"type":"input_text","text":`+user+`}]}`,
				fmt.Sprintf(`{"type":"function_call","call_id":"c%d","name":"ls","arguments":"{}"}`, i),
				fmt.Sprintf(`{"type":"function_call_output","call_id":"c%d","output":"file %d"}`, i, i),
				`{"type":"message","role":"assistant","content":[{"type":"output_text","text":`+answer+`,"annotations":[]}]}`)
		case wire.Messages:
			m = append(m, `{"role":"user","content":`+user+`}`,
				fmt.Sprintf(`{"role":"assistant","content":[{"type":"tool_use","id":"c%d","name":"ls","input":{}}]}`, i),
				fmt.Sprintf(`{"role":"user","content":[{"type":"tool_result","tool_use_id":"c%d","is_error":%v,"content":"file %d"}]}`, i, i%2 == 1, i),
				`{"role":"assistant","content":`+answer+`}`)
		}
	}
	all := strings.Join(m[:len(m)-1], ",")
	switch d {
	case wire.Chat:
		return `{"model":"m","messages":[{"role":"system","content":` + quote(system) + `},` + all + `]}`
	case wire.Responses:
		return `{"model":"m","instructions":` + quote(system) + `,"input":[` + all + `]}`
	}
	return `{"model":"m","max_tokens":9,"system":[{"type":"text","text":` + quote(system) + `}],"messages":[` + all + `]}`
}

func view(t testing.TB, d wire.Dialect, body string) *wire.View {
	v, err := wire.Acquire(d, []byte(body), wire.Limits{})
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return v
}

var moving = Settings{Volatile: VolatileMove}

// fix runs Fix and applies its edits.
func fix(t testing.TB, h *Hygiene, d wire.Dialect, body string, change func(*Request)) (string, Report) {
	v := view(t, d, body)
	defer v.Release()
	var call, out wire.Edits
	r := &Request{View: v, Call: &call, Out: &out, Tenant: "t", Session: "s", Agent: "a", Profile: history.ProfileOf("http://localhost", "m", d), Settings: moving}
	if change != nil {
		change(r)
	}
	rep := h.Fix(r)
	out.All(func(at wire.Span, with []byte) { call.Replace(at, bytes.Clone(with)) })
	sent, err := wire.Apply(nil, v.Body, r.Exchange, &call)
	if err != nil || !json.Valid(sent) {
		t.Fatalf("%v\n%s", err, sent)
	}
	after := view(t, d, string(sent))
	defer after.Release()
	if bad := history.Introduced(history.Check(v, r.Profile), history.Check(after, r.Profile)); len(bad) > 0 {
		t.Fatalf("%+v\n%s", bad, sent)
	}
	return string(sent), rep
}

// head is a request up to the end of its last message, and before the members that follow.
func head(t testing.TB, d wire.Dialect, body string) string {
	v := view(t, d, body)
	defer v.Release()
	return body[:v.Msgs[len(v.Msgs)-1].Span.End]
}

func stampedPrompt(clock string) string {
	return "You are an agent.\nNever delete.\n\tThe time is " + clock + " \"now\".\n" + strings.Repeat("Follow the rules. ", 30) + "\nBe brief."
}
