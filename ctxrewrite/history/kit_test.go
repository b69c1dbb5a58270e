package history_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/ctxrewrite/history/historytest"
	"github.com/trapgate/trapgate/internal/wire"
)

var (
	dialects = []wire.Dialect{wire.Chat, wire.Responses, wire.Messages}
	profiles = []*history.Profile{
		history.OpenAI, history.Azure, history.Anthropic, history.Gemini, history.DeepSeek, history.Mistral, history.Strict,
		history.Plain,
	}
	pairing = []string{
		history.OrphanResult, history.DuplicateResult, history.Unanswered, history.DuplicateID, history.MissingID,
		history.ReasoningAlone, history.ThinkingBroken,
	}
)

// short writes messages in a few letters, separated by spaces: s system, d developer, u user, a assistant with a text,
// c1,2 calls 1 and 2, r1,2 their results, ru1 a result with a text behind it, f and fr chat's function_call and its result, t
// reasoning (in messages: an assistant's thinking), w a web search, x a compaction, D additional tools, o something else.
func short(d wire.Dialect, s string) string {
	var out []string
	for _, w := range strings.Fields(s) {
		out = append(out, shortMessage(d, w)...)
	}
	key := "messages"
	if d == wire.Responses {
		key = "input"
	}
	return fmt.Sprintf(`{"model":"m","%s":[%s]}`, key, strings.Join(out, ","))
}

var shortPlain = map[string]string{
	"s":  `{"role":"system","content":"rules"}`,
	"d":  `{"role":"developer","content":"rules"}`,
	"u":  `{"role":"user","content":"please"}`,
	"a":  `{"role":"assistant","content":"done"}`,
	"f":  `{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}}`,
	"fr": `{"role":"function","name":"f","content":"out"}`,
	"t":  `{"type":"reasoning","id":"rs_1","summary":[]}`,
	"w":  `{"type":"web_search_call","id":"ws_1","status":"completed"}`,
	"x":  `{"type":"compaction","encrypted_content":"gAAA"}`,
	"D":  `{"type":"additional_tools","role":"developer","tools":[]}`,
	"o":  `{"role":"critic","content":"hm"}`,
}

func shortMessage(d wire.Dialect, w string) []string {
	if d == wire.Messages && w == "t" {
		return []string{`{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"so"}]}`}
	}
	if m, ok := shortPlain[w]; ok {
		return []string{m}
	}
	rest := strings.TrimLeft(w, "cru")
	var parts, each []string
	for _, id := range strings.Split(rest, ",") {
		switch result := strings.Contains(w, "r"); {
		case d == wire.Chat && result:
			each = append(each, fmt.Sprintf(`{"role":"tool","tool_call_id":"%s","content":"out"}`, id))
		case d == wire.Chat:
			parts = append(parts, fmt.Sprintf(`{"id":"%s","type":"function","function":{"name":"f","arguments":"{}"}}`, id))
		case d == wire.Responses && result:
			each = append(each, fmt.Sprintf(`{"type":"function_call_output","call_id":"%s","output":"out"}`, id))
		case d == wire.Responses:
			each = append(each, fmt.Sprintf(`{"type":"function_call","call_id":"%s","name":"f","arguments":"{}"}`, id))
		case result:
			parts = append(parts, fmt.Sprintf(`{"type":"tool_result","tool_use_id":"%s","content":"out"}`, id))
		default:
			parts = append(parts, fmt.Sprintf(`{"type":"tool_use","id":"%s","name":"f","input":{}}`, id))
		}
	}
	switch {
	case each != nil:
		return each
	case d == wire.Chat:
		return []string{`{"role":"assistant","content":null,"tool_calls":[` + strings.Join(parts, ",") + `]}`}
	case w[0] == 'c':
		return []string{`{"role":"assistant","content":[` + strings.Join(parts, ",") + `]}`}
	case strings.HasPrefix(w, "ru"):
		parts = append(parts, `{"type":"text","text":"and now"}`)
	case strings.HasPrefix(w, "ur"):
		parts = append([]string{`{"type":"text","text":"and now"}`}, parts...)
	}
	return []string{`{"role":"user","content":[` + strings.Join(parts, ",") + `]}`}
}

func view(t testing.TB, d wire.Dialect, body string) *wire.View {
	t.Helper()
	v, err := wire.Acquire(d, []byte(body), wire.Limits{})
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	t.Cleanup(v.Release)
	return v
}

// check gives the faults of a body that is not needed any more.
func check(t testing.TB, d wire.Dialect, body string, p *history.Profile) []history.Fault {
	t.Helper()
	v, err := wire.Acquire(d, []byte(body), wire.Limits{})
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	defer v.Release()
	return history.Check(v, p)
}

// keep is the body of v with those messages that are kept only, text put into message at (-1: nowhere).
func keep(v *wire.View, kept func(i int) bool, at int, text string) string {
	var b bytes.Buffer
	b.Write(v.Body[:v.History.Start])
	b.WriteByte('[')
	n := 0
	for i := range v.Msgs {
		if !kept(i) {
			continue
		}
		if n++; n > 1 {
			b.WriteByte(',')
		}
		m := &v.Msgs[i]
		if i != at || m.Text.From == m.Text.To {
			b.Write(v.Raw(m.Span))
			continue
		}
		end := v.Texts[m.Text.From].End - 1
		b.Write(v.Body[m.Span.Start:end])
		b.WriteString(text)
		b.Write(v.Body[end:m.Span.End])
	}
	b.WriteByte(']')
	b.Write(v.Body[v.History.End:])
	return b.String()
}

func codes(faults []history.Fault) (out []string) {
	for _, f := range faults {
		out = append(out, fmt.Sprintf("%s %d", f.Code, f.Message))
	}
	return out
}

func only(faults []history.Fault, of []string) (out []history.Fault) {
	for _, f := range faults {
		if slices.Contains(of, f.Code) {
			out = append(out, f)
		}
	}
	return out
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 7)) }

func generate(seed uint64, d wire.Dialect, p *history.Profile) *historytest.History {
	return historytest.Generate(random(seed), d, historytest.Options{Profile: p})
}
