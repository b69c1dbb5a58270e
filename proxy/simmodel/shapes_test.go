package simmodel

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const (
	chatTools      = `"tools":[{"type":"function","function":{"name":"bash","parameters":{"type":"object","properties":{"command":{"type":"string"}},"required":["command"]}}}]`
	responsesTools = `"tools":[{"type":"function","name":"bash","parameters":{"type":"object","properties":{"command":{"type":"string"}},"required":["command"]}},{"type":"custom","name":"patch"},{"type":"shell"}]`
	messagesTools  = `"tools":[{"name":"Bash","input_schema":{"type":"object","properties":{"command":{"type":"string"},"description":{"type":"string"}},"required":["command","description"]}}]`
)

// The shapes of every dialect, streamed and not, are golden files: what a strict SDK would parse must not drift.
func TestShapes(t *testing.T) {
	const two = `"go [[sim: think hm & say I look. & call bash {\"command\": \"ls\"} & shell pwd]]"`
	cases := []struct{ name, path, body string }{
		{"chat", "/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"hi [[sim: say Grüße, \"you\"]]"}]%s}`},
		{"chat_usage", "/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"hi [[sim: say ok]]"}],"stream_options":{"include_usage":true}%s}`},
		{"chat_tools", "/v1/chat/completions", `{"model":"m",` + chatTools + `,"messages":[{"role":"user","content":` + two + `}]%s}`},
		{"chat_length", "/v1/chat/completions", `{"model":"m","max_tokens":3,"messages":[{"role":"user","content":"hi"}]%s}`},
		{"responses", "/v1/responses", `{"model":"m","input":"hi [[sim: say ok]]"%s}`},
		{"responses_tools", "/v1/responses", `{"model":"m",` + responsesTools + `,"input":"go [[sim: think hm & say I look. & call bash {\"command\": \"ls\"} & call patch \"*** x\" & call shell \"pwd\"]]"%s}`},
		{"responses_length", "/v1/responses", `{"model":"m","max_output_tokens":3,"metadata":{"a":"b"},"input":[{"role":"user","content":"hi"}]%s}`},
		{"messages", "/v1/messages?beta=true", `{"model":"m","max_tokens":99,"messages":[{"role":"user","content":"hi [[sim: say ok]]"}]%s}`},
		{"messages_tools", "/v1/messages", `{"model":"m","max_tokens":99,` + messagesTools + `,"messages":[{"role":"user","content":[{"type":"text","text":` + two + `,"cache_control":{"type":"ephemeral"}}]}]%s}`},
		{"messages_stop", "/v1/messages", `{"model":"m","max_tokens":99,"stop_sequences":["END"],"messages":[{"role":"user","content":"hi [[sim: say one END two]]"}]%s}`},
		{"completions", "/v1/completions", `{"model":"m","max_tokens":4,"prompt":"hi"%s}`},
	}
	for _, c := range cases {
		for _, stream := range []bool{false, true} {
			if strings.Contains(c.body, "stream_options") && !stream {
				continue
			}
			name, more := c.name+".json", ""
			if stream {
				name, more = c.name+".sse", `,"stream":true`
			}
			t.Run(name, func(t *testing.T) {
				m := newModel(t, Options{Seed: 1, Clock: frozen{}})
				w := call(m, "POST", c.path, fmt.Sprintf(c.body, more))
				if w.Code != 200 {
					t.Fatalf("%d %s", w.Code, w.Body)
				}
				golden(t, name, w.Body.Bytes())
			})
		}
	}
}

// Rules that hold for every chat stream.
func TestChatStreamRules(t *testing.T) {
	m := newModel(t, Options{Seed: 3})
	body := `{"model":"m","stream":true,` + chatTools + `,"messages":[{"role":"user","content":"x [[sim: say a b c & call bash {\"command\":\"one\"} & call bash {\"command\":\"two\"}]]"}]}`
	list := events(t, call(m, "POST", "/v1/chat/completions", body).Body)
	if list[len(list)-1].raw != "[DONE]" {
		t.Fatal("no [DONE]")
	}
	args := map[float64]string{}
	for i, e := range list[:len(list)-1] {
		if e.data["id"] != list[0].data["id"] {
			t.Error("the id changes")
		}
		if _, ok := e.data["usage"]; ok {
			t.Error("usage nobody asked for")
		}
		choice := at(t, e.data, "choices", 0).(map[string]any)
		fr, ok := choice["finish_reason"]
		if last := i == len(list)-2; !ok || (fr != nil) != last {
			t.Errorf("event %d: finish_reason %v", i, fr)
		}
		delta := choice["delta"].(map[string]any)
		if (i == 0) != (delta["role"] == "assistant") {
			t.Errorf("event %d: role %v", i, delta["role"])
		}
		if calls, ok := delta["tool_calls"].([]any); ok {
			call := calls[0].(map[string]any)
			args[call["index"].(float64)] += at(t, call, "function", "arguments").(string)
		}
	}
	if args[0] != `{"command":"one"}` || args[1] != `{"command":"two"}` {
		t.Errorf("arguments %v", args)
	}
}

// The numbers of a responses stream have no gaps, and its pieces add up to the final object.
func TestResponsesStreamRules(t *testing.T) {
	m := newModel(t, Options{Seed: 3})
	list := events(t, call(m, "POST", "/v1/responses", `{"model":"m","stream":true,`+responsesTools+`,"input":"x [[sim: think why & say a b c & call bash {\"command\":\"one\"}]]"}`).Body)
	var text, args string
	for i, e := range list {
		if e.data["sequence_number"] != float64(i) || e.data["type"] != e.name {
			t.Errorf("event %d: %s", i, e.raw)
		}
		switch e.name {
		case "response.output_text.delta":
			text += e.data["delta"].(string)
		case "response.function_call_arguments.delta":
			args += e.data["delta"].(string)
		}
	}
	last := list[len(list)-1]
	if last.name != "response.completed" {
		t.Fatal(last.name)
	}
	if at(t, last.data, "response", "output", 1, "content", 0, "text") != text || text != "a b c" {
		t.Errorf("text %q", text)
	}
	if at(t, last.data, "response", "output", 2, "arguments") != args {
		t.Errorf("arguments %q", args)
	}
}

func TestErrorsHaveTheDialectsShape(t *testing.T) {
	m := newModel(t, Options{ContextWindow: 100, StrictModels: true, Models: []string{"m"}, Keys: []string{"k"}})
	long := strings.Repeat("word ", 200)
	cases := []struct {
		name, path, body, key string
		status                int
		want                  []any // path and value
	}{
		{"chat overflow", "/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"` + long + `"}]}`, "k", 400, []any{"error", "code", "context_length_exceeded"}},
		{"responses overflow", "/responses", `{"model":"m","input":"` + long + `"}`, "k", 400, []any{"error", "code", "context_length_exceeded"}},
		{"messages overflow", "/v1/messages", `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"` + long + `"}]}`, "k", 400, []any{"error", "type", "invalid_request_error"}},
		{"messages too many asked", "/v1/messages", `{"model":"m","max_tokens":1000,"messages":[{"role":"user","content":"x"}]}`, "k", 400, []any{"type", "error"}},
		{"no key", "/v1/chat/completions", `{}`, "", 401, []any{"error", "code", "invalid_api_key"}},
		{"no key, messages", "/v1/messages", `{}`, "", 401, []any{"error", "type", "authentication_error"}},
		{"unknown model", "/v1/chat/completions", `{"model":"z","messages":[]}`, "k", 404, []any{"error", "code", "model_not_found"}},
		{"not JSON", "/v1/chat/completions", `{`, "k", 400, []any{"error", "type", "invalid_request_error"}},
		{"wrong type", "/v1/chat/completions", `{"model":1}`, "k", 400, []any{"error", "param", "model"}},
		{"empty history", "/v1/chat/completions", `{"model":"m","messages":[]}`, "k", 400, []any{"error", "param", "messages"}},
		{"max_tokens missing", "/v1/messages", `{"model":"m","messages":[{"role":"user","content":"x"}]}`, "k", 400, []any{"error", "message", "max_tokens: Field required"}},
		{"unknown path", "/v1/nothing", `{}`, "k", 404, []any{"error", "type", "invalid_request_error"}},
		{"unknown response", "/v1/responses", `{"model":"m","previous_response_id":"resp_x","input":"a"}`, "k", 400, []any{"error", "code", "previous_response_not_found"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := call(m, "POST", c.path, c.body, "Authorization", "Bearer "+c.key)
			if w.Code != c.status {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if got := at(t, decode(t, w.Body.Bytes()), c.want[:len(c.want)-1]...); got != c.want[len(c.want)-1] {
				t.Errorf("got %v in %s", got, w.Body)
			}
		})
	}
}

func TestModelsAndProbes(t *testing.T) {
	m := newModel(t, Options{Models: []string{"a", "b"}})
	if w := call(m, "HEAD", "/", ""); w.Code != 200 {
		t.Error("HEAD /", w.Code)
	}
	if w := call(m, "GET", "/v1/models", ""); at(t, decode(t, w.Body.Bytes()), "data", 1, "object") != "model" {
		t.Error(w.Body)
	}
	if w := call(m, "GET", "/v1/models", "", "anthropic-version", "2023-06-01"); at(t, decode(t, w.Body.Bytes()), "data", 0, "type") != "model" {
		t.Error(w.Body)
	}
	if w := call(m, "GET", "/v1/models/b", ""); at(t, decode(t, w.Body.Bytes()), "id") != "b" {
		t.Error(w.Body)
	}
	if w := call(m, "GET", "/v1/models/c", ""); w.Code != 404 {
		t.Error(w.Code)
	}
	if w := call(m, "GET", "/v1/responses", "", "Upgrade", "websocket"); w.Code != http.StatusUpgradeRequired {
		t.Error(w.Code)
	}
	if w := call(m, "POST", "/v1/messages/count_tokens", `{"model":"m","messages":[{"role":"user","content":"hello there"}]}`); decode(t, w.Body.Bytes())["input_tokens"] != 7.0 {
		t.Error(w.Body)
	}
	if w := call(m, "POST", "/openai/deployments/x/chat/completions?api-version=1", `{"model":"x","messages":[{"role":"user","content":"x"}]}`); w.Code != 200 {
		t.Error(w.Body)
	}
}

func TestEmbeddings(t *testing.T) {
	m := newModel(t, Options{})
	w := call(m, "POST", "/v1/embeddings", `{"model":"e","input":["the cat sat","a cat sat down","stock prices fell"],"dimensions":64}`)
	var v struct {
		Data []struct{ Embedding []float64 }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || len(v.Data) != 3 || len(v.Data[0].Embedding) != 64 {
		t.Fatalf("%v %s", err, w.Body)
	}
	dot := func(a, b []float64) (s float64) {
		for i := range a {
			s += a[i] * b[i]
		}
		return s
	}
	near, far := dot(v.Data[0].Embedding, v.Data[1].Embedding), dot(v.Data[0].Embedding, v.Data[2].Embedding)
	if near < far+0.2 {
		t.Errorf("similar texts %.2f, others %.2f", near, far)
	}
	w = call(m, "POST", "/v1/embeddings", `{"model":"e","input":"x","encoding_format":"base64"}`)
	if _, ok := at(t, decode(t, w.Body.Bytes()), "data", 0, "embedding").(string); !ok {
		t.Error(w.Body)
	}
}
