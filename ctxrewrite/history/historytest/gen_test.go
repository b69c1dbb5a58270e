package historytest_test

import (
	"bytes"
	"math/rand/v2"
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
)

// Generated bodies are read, have no fault, and hold what is planted in the message that is named.
func TestGenerate(t *testing.T) {
	pins, decoys, ids, faults := 0, 0, 0, 0
	for seed := range uint64(30) {
		for _, d := range dialects {
			for _, p := range profiles {
				opt := historytest.Options{Profile: p, NoCalls: seed%10 == 0, Huge: int(seed%5) * 1000}
				h := historytest.Generate(rand.New(rand.NewPCG(seed, 1)), d, opt)
				again := historytest.Generate(rand.New(rand.NewPCG(seed, 1)), d, opt)
				if !bytes.Equal(h.Body, again.Body) {
					t.Fatal("two bodies from one seed")
				}
				v, err := wire.Acquire(d, h.Body, wire.Limits{})
				if err != nil {
					t.Fatalf("%v\n%s", err, h.Body)
				}
				for _, f := range history.Check(v, p) {
					if faults++; faults < 10 {
						t.Errorf("seed %d, %v, %s: %+v\n%s", seed, d, p.Name, f, v.Raw(v.Msgs[f.Message].Span))
					}
				}
				if v.Msgs[h.Task].Role != wire.User {
					t.Errorf("the task is message %d of %v", h.Task, v.Msgs[h.Task].Role)
				}
				planted(t, v, h.Pins, wire.System, wire.Developer, wire.User)
				planted(t, v, h.Decoys, wire.Assistant, wire.Tool, wire.NoRole, wire.User)
				planted(t, v, h.IDs)
				pins, decoys, ids = pins+len(h.Pins), decoys+len(h.Decoys), ids+len(h.IDs)
				v.Release()
			}
		}
	}
	if pins < 1000 || decoys < 1000 || ids < 1000 {
		t.Errorf("only %d pins, %d decoys, %d ids planted", pins, decoys, ids)
	}
}

// All that is promised does occur.
func TestGenerateVaries(t *testing.T) {
	all := []string{
		`"x_meta":`, `"cache_control":`, `<environment_context>`, `\ud83d and`, `\r\n`, "Größe", `\u00f6\u00df`, `\/srv\/`, "\r\n\t",
		`"id":"call_0"`, // returns in each turn
	}
	marks := map[wire.Dialect][]string{
		wire.Chat: {
			`"content":null`, `"content":""`, `"reasoning_content":`, `"function_call":{`, `"image_url"`, `"tool_name":`, `"role":"developer"`,
			`"refusal":null`, `"role":"tool"`, `"role":"function"`,
		},
		wire.Responses: {
			`"type":"reasoning"`, `"type":"web_search_call"`, `"type":"custom_tool_call"`, `"type":"local_shell_call"`,
			`"type":"shell_call"`, `"type":"compaction"`, `"type":"additional_tools"`, `"type":"input_image"`, `"instructions":`,
		},
		wire.Messages: {
			`"type":"thinking"`, `"type":"redacted_thinking"`, `"is_error":true`, `"type":"image"`, `"system":"`, `"system":[`,
			`"role":"system"`,
		},
	}
	for _, d := range dialects {
		var bodies []byte
		kinds := map[string]int{}
		for seed := range uint64(200) {
			h := historytest.Generate(rand.New(rand.NewPCG(seed, 2)), d, historytest.Options{})
			bodies = append(bodies, h.Body...)
			v, err := wire.Acquire(d, h.Body, wire.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			count(v, kinds)
			v.Release()
		}
		for _, m := range append(marks[d], all...) {
			if m == `"id":"call_0"` && d == wire.Responses {
				m = `"call_id":"call_0"`
			}
			if !(m == `"cache_control":` && d == wire.Responses) && !bytes.Contains(bodies, []byte(m)) {
				t.Errorf("%v: no %s", d, m)
			}
		}
		for _, k := range []string{"late system", "parallel", "in flight", "no calls"} {
			if kinds[k] == 0 {
				t.Errorf("%v: none with %s: %v", d, k, kinds)
			}
		}
	}
}

// count notes what shape a history has.
func count(v *wire.View, kinds map[string]int) {
	units := history.Units(nil, v)
	for i, u := range units {
		switch {
		case u.Kind == history.SystemUnit && i > 0 && units[i-1].Kind != history.SystemUnit:
			kinds["late system"]++
		case u.Kind == history.CallUnit && v.Msgs[u.To-1].Call.To > v.Msgs[u.From].Call.From+1:
			kinds["parallel"]++
		}
	}
	if len(v.Calls) == 0 {
		kinds["no calls"]++
	}
	if len(v.Calls) > len(v.Results) {
		kinds["in flight"]++
	}
}

func planted(t *testing.T, v *wire.View, all []historytest.Planted, roles ...wire.Role) {
	t.Helper()
	for _, p := range all {
		at, role := v.System, wire.System
		if p.Message >= 0 {
			at, role = v.Msgs[p.Message].Span, v.Msgs[p.Message].Role
		}
		if lost := historytest.Lost(v.Raw(at), []historytest.Planted{p}); lost != nil {
			t.Fatalf("%+v is not in %s", p, v.Raw(at))
		}
		ok := len(roles) == 0
		for _, r := range roles {
			ok = ok || r == role
		}
		if !ok {
			t.Errorf("%+v is in a message of role %v", p, role)
		}
	}
}
