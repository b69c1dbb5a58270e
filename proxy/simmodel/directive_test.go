package simmodel

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestDirectives(t *testing.T) {
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	cases := []struct {
		text string
		want []Step
	}{
		{`do [[sim: call bash {"command":"echo hi"}; say done]] it`, []Step{{Calls: []Call{{"bash", raw(`{"command":"echo hi"}`)}}}, {Say: "done"}}},
		{`[[sim:say a;]]`, []Step{{Say: "a"}}},
		{`[[sim: shell echo a && echo b | tr a b]]`, []Step{{Calls: []Call{{"shell", raw(`"echo a && echo b | tr a b"`)}}}}},
		{`[[sim: shell "if [[ -n x ]]; then echo; fi"]]`, []Step{{Calls: []Call{{"shell", raw(`"if [[ -n x ]]; then echo; fi"`)}}}}},
		{`[[sim: parallel call a {} & call b.c {"x":[1,"]]"]} & say both; tokens 5 & fault cut=2; stamp 7]]`, []Step{
			{Say: "both", Calls: []Call{{"a", raw(`{}`)}, {"b.c", raw(`{"x":[1,"]]"]}`)}}}, {Tokens: 5, Fault: "cut=2"}, {Tokens: 7, Stamp: true},
		}},
		{`"say it [[sim: call bash {\"command\":\"echo \\\"x\\\"\"}; say done]]"`, []Step{{Calls: []Call{{"bash", raw(`{"command":"echo \"x\""}`)}}}, {Say: "done"}}},
		{`"say it [[sim: shell echo \"x\"; say \"a b\"]]"`, []Step{{Calls: []Call{{"shell", raw(`"echo \"x\""`)}}}, {Say: "a b"}}},
		{`and "quoted: [[sim: say \"a b\"]]"`, []Step{{Say: "a b"}}},
		{`[[sim: call a {&quot;x&quot;:1}]]`, []Step{{Calls: []Call{{"a", raw(`{"x":1}`)}}}}},
		{`[[sim: call Agent {"prompt":"child [[sim: shell ls; say x]]"}; say y]]`, []Step{{Calls: []Call{{"Agent", raw(`{"prompt":"child [[sim: shell ls; say x]]"}`)}}}, {Say: "y"}}},
		{`[[sim: call go]]`, []Step{{Calls: []Call{{"go", nil}}}}},
		{`[[sim: dance]]`, []Step{{Say: `simmodel: bad directive: unknown action "dance" at "]]"`}}},
		{`[[sim: fault explode]]`, []Step{{Say: `simmodel: bad directive: unknown fault "explode" at "]]"`}}},
	}
	for _, c := range cases {
		got, ok := FindDirective(c.text)
		if !ok {
			t.Errorf("%s: not found", c.text)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.text, d)
		}
	}
	if _, ok := FindDirective("nothing here [sim: x]"); ok {
		t.Error("found one where none is")
	}
}

// Any text and arguments that a directive can carry come out as they went in.
func TestDirectiveRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		args := string(quote(rapid.String().Draw(t, "arg")))
		steps, ok := FindDirective("x [[sim: call f {\"a\":" + args + "}; say " + string(quote(text)) + " ]] y")
		var want string
		json.Unmarshal(quote(text), &want)
		if !ok || len(steps) != 2 || steps[1].Say != want || string(steps[0].Calls[0].Args) != `{"a":`+args+`}` {
			t.Fatalf("%+v", steps)
		}
	})
}

func FuzzDirective(f *testing.F) {
	for _, s := range []string{`[[sim: call a {"b":1}; say "x" & tokens 3; shell ls]]`, `[[sim: fault cut=1, status=503x2; stamp 4]]`, `[[sim: think \"a\"; say &quot;]]`, `[[sim:`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		steps, ok := FindDirective("[[sim:" + s)
		if !ok || len(steps) == 0 {
			t.Fatal("a directive without a step")
		}
		for _, st := range steps {
			if _, err := parseFaults(st.Fault); err != nil {
				t.Fatal(err)
			}
			for _, c := range st.Calls {
				if len(c.Args) > 0 && !json.Valid(c.Args) {
					t.Fatalf("arguments %q", c.Args)
				}
			}
		}
	})
}

// tool declares one function tool in the chat dialect.
func declare(name, schema string) string {
	return fmt.Sprintf(`"tools":[{"type":"function","function":{"name":"%s","parameters":%s}}]`, name, schema)
}

// "shell" becomes the agent's own tool with the agent's own argument names.
func TestShellIsMapped(t *testing.T) {
	cases := []struct{ agent, path, tools, want string }{
		{"Claude Code", "messages", `"tools":[{"name":"Read","input_schema":{"type":"object","properties":{"file_path":{"type":"string"}},"required":["file_path"]}},{"name":"Bash","input_schema":{"type":"object","properties":{"command":{"type":"string"},"timeout":{"type":"number"},"description":{"type":"string"}},"required":["command"]}}]`, `Bash {"command":"ls -l"}`},
		{"Codex", "responses", `"tools":[{"type":"function","name":"exec_command","parameters":{"type":"object","properties":{"cmd":{"type":"string"},"workdir":{"type":"string"}},"required":["cmd"]}},{"type":"web_search"}]`, `exec_command {"cmd":"ls -l"}`},
		{"Qwen Code", "chat/completions", declare("run_shell_command", `{"type":"object","properties":{"command":{"type":"string"},"is_background":{"type":"boolean"}},"required":["command","is_background"]}`), `run_shell_command {"command":"ls -l","is_background":false}`},
		{"Cline", "chat/completions", declare("run_commands", `{"type":"object","properties":{"commands":{"type":"array","items":{"type":"string"}}},"required":["commands"]}`), `run_commands {"commands":["ls -l"]}`},
		{"Cline, union", "chat/completions", declare("run_commands", `{"type":"object","properties":{"commands":{"anyOf":[{"type":"array","items":{"type":"string"}},{"type":"string"}]}},"required":["commands"]}`), `run_commands {"commands":["ls -l"]}`},
		{"Agno", "chat/completions", declare("run_shell_command", `{"type":"object","properties":{"args":{"type":"array","items":{"type":"string"}}},"required":["args"]}`), `run_shell_command {"args":["bash","-lc","ls -l"]}`},
		{"gptme", "chat/completions", declare("ipython", `{"type":"object","properties":{"code":{"type":"string"}},"required":["code"]}`), `ipython {"code":"import subprocess\nprint(subprocess.run(\"ls -l\", shell=True, capture_output=True, text=True).stdout)"}`},
		{"strict, nullable", "chat/completions", declare("bash", `{"type":"object","properties":{"command":{"type":"string"},"cwd":{"type":["string","null"]},"timeout_ms":{"anyOf":[{"type":"integer"},{"type":"null"}]}},"required":["command","cwd","timeout_ms"]}`), `bash {"command":"ls -l","cwd":null,"timeout_ms":null}`},
		{"openai-agents local_shell", "responses", `"tools":[{"type":"local_shell"}]`, `local_shell {"command":["bash","-lc","ls -l"],"env":{},"type":"exec","timeout_ms":null,"user":null,"working_directory":null}`},
		{"openai-agents shell", "responses", `"tools":[{"type":"shell"}]`, `shell {"commands":["ls -l"],"max_output_length":4096,"timeout_ms":10000}`},
		{"Codex, tools in an item", "responses", `"input":[{"type":"additional_tools","role":"developer","tools":[{"type":"namespace","name":"functions","tools":[{"type":"custom","name":"exec"}]}]},{"role":"user","content":"[[sim: shell ls -l]]"}]`, `exec const r = await tools.exec_command({cmd: "ls -l"}); text(r);`},
	}
	m := newModel(t, Options{})
	for _, c := range cases {
		t.Run(c.agent, func(t *testing.T) {
			field := map[string]string{"responses": `"input":"[[sim: shell ls -l]]"`}[c.path]
			if field == "" {
				field = `"max_tokens":999,"messages":[{"role":"user","content":"[[sim: shell ls -l]]"}]`
			}
			if strings.Contains(c.tools, `"input":`) {
				field = `"store":false`
			}
			w := call(m, "POST", "/v1/"+c.path, `{"model":"m",`+c.tools+`,`+field+`}`)
			v := decode(t, w.Body.Bytes())
			var got string
			switch c.path {
			case "responses":
				item := at(t, v, "output", 0).(map[string]any)
				switch item["type"] {
				case "function_call":
					got = fmt.Sprint(item["name"], " ", item["arguments"])
				case "custom_tool_call":
					got = fmt.Sprint(item["name"], " ", item["input"])
					if item["namespace"] != "functions" {
						t.Error("no namespace in", item)
					}
				default:
					got = strings.TrimSuffix(item["type"].(string), "_call") + " " + string(member(t, w.Body.Bytes(), "output", "action"))
				}
			case "messages":
				got = fmt.Sprint(at(t, v, "content", 0, "name"), " ", string(member(t, w.Body.Bytes(), "content", "input")))
			default:
				f := at(t, v, "choices", 0, "message", "tool_calls", 0, "function").(map[string]any)
				got = fmt.Sprint(f["name"], " ", f["arguments"])
			}
			if got != c.want {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
		})
	}
}

// member returns the raw value of a member of the first element of an array.
func member(t *testing.T, body []byte, array, name string) json.RawMessage {
	t.Helper()
	var v map[string]json.RawMessage
	var list []map[string]json.RawMessage
	if json.Unmarshal(body, &v) != nil || json.Unmarshal(v[array], &list) != nil || len(list) == 0 {
		t.Fatalf("%s", body)
	}
	return list[0][name]
}

// How runs end for agents for which a text is not an end.
func TestEndings(t *testing.T) {
	m := newModel(t, Options{})
	ask := func(body string) map[string]any {
		w := call(m, "POST", "/v1/chat/completions", body)
		return at(t, decode(t, w.Body.Bytes()), "choices", 0, "message").(map[string]any)
	}
	args := func(v map[string]any) string {
		return fmt.Sprint(at(t, v, "tool_calls", 0, "function", "name"), " ", at(t, v, "tool_calls", 0, "function", "arguments"))
	}
	submit := declare("submit_and_exit", `{"type":"object","properties":{"summary":{"type":"string"},"verified":{"type":"boolean"}},"required":["summary","verified"]}`)
	if got := args(ask(`{"model":"m",` + submit + `,"messages":[{"role":"user","content":"[[sim: say all good]]"}]}`)); got != `submit_and_exit {"summary":"all good","verified":true}` {
		t.Error(got)
	}
	result := declare("final_result", `{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}`)
	if got := args(ask(`{"model":"m",` + result + `,"messages":[{"role":"user","content":"[[sim: say \"{\\\"n\\\":3}\"]]"}]}`)); got != `final_result {"n":3}` {
		t.Error(got)
	}
	swe := `{"model":"m",` + chatTools + `,"messages":[{"role":"user","content":"[[sim: say it's done]] finish with ` + "`echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT`" + `"}]}`
	if got := args(ask(swe)); got != `bash {"command":"echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT && echo 'it'\\''s done'"}` {
		t.Error(got)
	}
	code := `{"model":"m","stop":["Observation:","</code>"],"messages":[{"role":"system","content":"def bash(command: string) -> string:"},{"role":"user","content":"[[sim: shell ls; say got $RESULT]]"}`
	if got := ask(code + `]}`)["content"].(string); !strings.Contains(got, "<code>\nprint(bash(command=\"ls\"))\n") || strings.Contains(got, "</code>") {
		t.Error(got)
	}
	if got := ask(code + `,{"role":"assistant","content":"x"},{"role":"user","content":"Observation:\nfiles"}]}`)["content"].(string); !strings.Contains(got, `final_answer("got files")`) {
		t.Error(got)
	}
	title := ask(`{"model":"m","messages":[{"role":"user","content":"[[sim: shell ls; say x]]"}]}`)
	if title["content"] != "done" || title["tool_calls"] != nil {
		t.Error("a side call without tools:", title)
	}
}

// Without a directive: tool calls by the documented rule, then a text that quotes the result.
func TestDefaultToolLoop(t *testing.T) {
	m := newModel(t, Options{ToolRounds: 2})
	msgs := `{"role":"user","content":"work"}`
	for round := 1; ; round++ {
		w := call(m, "POST", "/v1/chat/completions", `{"model":"m",`+chatTools+`,"messages":[`+msgs+`]}`)
		msg := at(t, decode(t, w.Body.Bytes()), "choices", 0, "message").(map[string]any)
		if msg["tool_calls"] == nil {
			if round != 3 || !strings.Contains(msg["content"].(string), "result 2") {
				t.Errorf("round %d: %v", round, msg)
			}
			break
		}
		if got := at(t, msg, "tool_calls", 0, "function", "arguments"); got != fmt.Sprintf(`{"command":"echo hello-%d"}`, round) {
			t.Error(got)
		}
		b, _ := json.Marshal(msg)
		msgs += "," + string(b) + fmt.Sprintf(`,{"role":"tool","tool_call_id":%q,"content":"result %d"}`, at(t, msg, "tool_calls", 0, "id"), round)
	}
}

// The rules and the function of Options come before the default; parallel calls that an agent interleaves count once.
func TestScriptAndDecide(t *testing.T) {
	steps := []Step{{Calls: []Call{{Tool: "shell", Args: json.RawMessage(`"a"`)}, {Tool: "shell", Args: json.RawMessage(`"b"`)}}}, {Say: "end"}}
	m := newModel(t, Options{Script: []Rule{{Match: "special", Steps: steps}}, Decide: func(t Turn) *Step {
		if t.User == "decide" {
			return &Step{Say: "decided"}
		}
		return nil
	}})
	if w := call(m, "POST", "/v1/chat/completions", userBody("decide", "")); !strings.Contains(w.Body.String(), "decided") {
		t.Error(w.Body)
	}
	w := call(m, "POST", "/v1/responses", `{"model":"m",`+responsesTools+`,"input":[{"role":"user","content":"special"}]}`)
	var out struct{ Output []map[string]any }
	json.Unmarshal(w.Body.Bytes(), &out)
	if len(out.Output) != 2 {
		t.Fatal(w.Body)
	}
	items := []any{map[string]any{"role": "user", "content": "special"}}
	for _, c := range out.Output {
		items = append(items, c, map[string]any{"type": "function_call_output", "call_id": c["call_id"], "output": "r"})
	}
	b, _ := json.Marshal(items)
	if w := call(m, "POST", "/v1/responses", `{"model":"m",`+responsesTools+`,"input":`+string(b)+`}`); !strings.Contains(w.Body.String(), `"text":"end"`) {
		t.Error(w.Body)
	}
}

// The same seed and requests give the same bytes; another seed does not; a repeated body keeps its text but not its ids.
func TestDeterminism(t *testing.T) {
	run := func(seed uint64) string {
		m := newModel(t, Options{Seed: seed, Clock: frozen{}, Faults: []FaultRule{{Fault: "status=500", P: 0.3}}})
		var all strings.Builder
		for i := range 20 {
			w := call(m, "POST", "/v1/chat/completions", userBody(fmt.Sprint("question ", i%15), ""))
			fmt.Fprintln(&all, w.Code, w.Body)
		}
		return all.String()
	}
	a := run(1)
	if a != run(1) {
		t.Error("two runs differ")
	}
	if a == run(2) {
		t.Error("the seed decides nothing")
	}
	if !strings.Contains(a, "500 ") || !strings.Contains(a, "200 ") {
		t.Error("the probability decides nothing")
	}
	m := newModel(t, Options{})
	x, y := call(m, "POST", "/v1/chat/completions", userBody("same", "")), call(m, "POST", "/v1/chat/completions", userBody("same", ""))
	vx, vy := decode(t, x.Body.Bytes()), decode(t, y.Body.Bytes())
	if vx["id"] == vy["id"] || at(t, vx, "choices", 0, "message", "content") != at(t, vy, "choices", 0, "message", "content") {
		t.Error(x.Body, y.Body)
	}
}

// Splitting text into tokens loses nothing, keeps characters whole, and agrees with the estimator.
func TestTokensAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		p := part{text: text, pieces: tokens(len(text))}
		var got strings.Builder
		n := 0
		for p.left() > 0 {
			k := min(p.left(), rapid.IntRange(1, 3).Draw(t, "k"))
			piece := p.next(k, frozen{}.Now())
			if !utf8.ValidString(piece) || piece == "" {
				t.Fatalf("piece %q", piece)
			}
			got.WriteString(piece)
			n += k
		}
		if got.String() != text || n != tokens(len(text)) {
			t.Fatalf("%q became %q", text, got.String())
		}
	})
}

func TestStamps(t *testing.T) {
	m := newModel(t, Options{Clock: frozen{}})
	w := call(m, "POST", "/v1/chat/completions", userBody("[[sim: stamp 3]]", ""))
	if got := at(t, decode(t, w.Body.Bytes()), "choices", 0, "message", "content"); got != strings.Repeat("@1700000000000000000 ", 3) {
		t.Error(got)
	}
	if _, _, n := usageOf(t, w); n != 3 {
		t.Error(n)
	}
}

func FuzzRequests(f *testing.F) {
	for _, s := range []string{userBody("hi", ""), `{"model":"m","input":[{"type":"function_call","call_id":"a"}]}`, `{"model":"m","max_tokens":3,"messages":[{"role":"user","content":[{"type":"tool_result"}]}]}`, `{"model":"m","tools":[{"type":"namespace","tools":[{"function":{}}]}],"messages":[{"role":"user","content":"[[sim: call x]]"}]}`} {
		f.Add(s)
	}
	m, _ := New(Options{ContextWindow: 1 << 16})
	f.Fuzz(func(t *testing.T, body string) {
		for _, p := range []string{"/chat/completions", "/responses", "/v1/messages", "/completions", "/embeddings"} {
			w := call(m, "POST", p, body)
			if w.Code != 200 && w.Code != 400 && w.Code != 429 {
				t.Fatalf("%s: %d %s", p, w.Code, w.Body)
			}
			if ct := w.Header().Get("Content-Type"); ct == "application/json" && !json.Valid(w.Body.Bytes()) {
				t.Fatalf("%s: not JSON: %s", p, w.Body)
			}
		}
	})
}
