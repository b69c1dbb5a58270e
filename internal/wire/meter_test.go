package wire

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

type frame struct {
	name, data      string
	terminal, first bool
}

func TestMeterStreams(t *testing.T) {
	const chunk = `{"id":"cc","object":"chat.completion.chunk","created":1,"model":"m-1","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}`
	c := func(delta, reason string) string { return fmt.Sprintf(chunk, delta, reason) }
	for _, tc := range []struct {
		name   string
		d      Dialect
		frames []frame
		want   Answer
	}{
		{"chat", Chat, []frame{
			{data: c(`{"role":"assistant","content":""}`, "null")},
			{data: c(`{"content":"Hel"}`, "null"), first: true},
			{data: c(`{"content":"lo \"usage\":{\"prompt_tokens\":9} [DONE]"}`, "null")},
			{data: c(`{"content":"é\u00e9\n"}`, "null")},
			{data: c(`{}`, `"stop"`)},
			{data: c(`{}`, `"stop"`)},
			{data: `{"id":"cc","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}}`},
			{data: `[DONE]`, terminal: true},
		}, Answer{ID: "cc", Model: "m-1", Finish: []string{"stop"}, Usage: Usage{Input: 10, Output: 5, CachedInput: 4, Reasoning: 2, Known: true}, Terminal: true, OutputChars: 43, Events: 8}},
		{"chat tools, two choices", Chat, []frame{
			{data: c(`{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}`, "null"), first: true},
			{data: c(`{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\""}}]}`, "null")},
			{data: c(`{"tool_calls":[{"index":0,"function":{"arguments":":1}"}},{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}]}`, "null")},
			{data: strings.Replace(c(`{"content":"x"}`, `"length"`), `"index":0`, `"index":1`, 1)},
			{data: c(`{}`, `"tool_calls"`)},
			{data: ` [DONE] `},
		}, Answer{ID: "cc", Model: "m-1", Finish: []string{"length", "tool_calls"}, OutputChars: 10, Events: 6, ToolCalls: 2}},
		{"chat calls without index", Chat, []frame{
			{data: c(`{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]}`, "null"), first: true},
			{data: c(`{"tool_calls":[{"id":"a","function":{"arguments":" "}}]}`, "null")},
			{data: c(`{"tool_calls":[{"id":"b","function":{"name":"f","arguments":"{}"}}]}`, "null")},
		}, Answer{ID: "cc", Model: "m-1", OutputChars: 5, Events: 3, ToolCalls: 2}},
		{"chat reasoning then error", Chat, []frame{
			{data: c(`{"reasoning_content":"hm"}`, "null"), first: true},
			{data: `{"error":{"message":"overloaded","type":"server_error","code":503}}`},
		}, Answer{ID: "cc", Model: "m-1", OutputChars: 2, Events: 2, ErrorType: "server_error", ErrorCode: "503", ErrorMessage: "overloaded"}},
		{"chat usage on every chunk, null before", Chat, []frame{
			{data: `{"id":"cc","model":"m-1","choices":[{"index":0,"delta":{"content":"a"}}],"usage":null}`, first: true},
			{data: `{"id":"cc","model":"m-1","choices":[{"index":0,"delta":{"content":"b"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`},
			{data: `{"id":"cc","model":"m-1","choices":[{"index":0,"delta":{"content":"c"}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`},
		}, Answer{ID: "cc", Model: "m-1", OutputChars: 3, Events: 3, Usage: Usage{Input: 1, Output: 2, Known: true}}},
		{"responses", Responses, []frame{
			{"response.created", `{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","status":"in_progress","model":"m","error":null,"incomplete_details":null,"output":[],"usage":null}}`, false, false},
			{"response.output_item.added", `{"type":"response.output_item.added","item":{"id":"msg","type":"message","content":[]}}`, false, false},
			{"response.output_text.delta", `{"type":"response.output_text.delta","item_id":"msg","delta":"Hi \"type\":\"response.completed\""}`, false, true},
			{"", `{"type":"response.output_item.added","item":{"id":"fc","type":"function_call","name":"f","arguments":""}}`, false, false},
			{"", `{"type":"response.function_call_arguments.delta","delta":"{}"}`, false, false},
			{"", `{"type":"response.output_item.done","item":{"id":"fc","type":"function_call","name":"f","arguments":"{}"}}`, false, false},
			{"response.completed", `{"type":"response.completed","response":{"id":"resp_1","status":"completed","model":"m","output":[{"type":"message","content":[{"type":"output_text","text":"Hi"}]}],"usage":{"input_tokens":20,"input_tokens_details":{"cached_tokens":8},"output_tokens":6,"output_tokens_details":{"reasoning_tokens":1}}}}`, true, false},
		}, Answer{ID: "resp_1", Model: "m", Finish: []string{"completed"}, Usage: Usage{Input: 20, Output: 6, CachedInput: 8, Reasoning: 1, Known: true}, Terminal: true, OutputChars: 32, Events: 7, ToolCalls: 1}},
		{"responses incomplete", Responses, []frame{
			{"", `{"type":"response.incomplete","response":{"id":"r","model":"m","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}}`, true, false},
		}, Answer{ID: "r", Model: "m", Finish: []string{"max_output_tokens"}, Terminal: true, Events: 1}},
		{"responses failed", Responses, []frame{
			{"", `{"type":"response.failed","response":{"id":"r","model":"m","status":"failed","error":{"code":"server_error","message":"x"}}}`, true, false},
		}, Answer{ID: "r", Model: "m", Finish: []string{"failed"}, ErrorCode: "server_error", ErrorMessage: "x", Terminal: true, Events: 1}},
		{"responses error event", Responses, []frame{
			{"error", `{"type":"error","code":"rate","message":"slow down","param":null}`, true, false},
		}, Answer{ErrorCode: "rate", ErrorMessage: "slow down", Terminal: true, Events: 1}},
		{"responses code is no error", Responses, []frame{
			{"", `{"type":"response.code_interpreter_call_code.done","code":"print(1)"}`, false, false},
			{"", `[DONE]`, false, false},
		}, Answer{Events: 2}},
		{"messages", Messages, []frame{
			{"message_start", `{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"c","content":[],"stop_reason":null,"usage":{"input_tokens":3,"cache_creation_input_tokens":100,"cache_read_input_tokens":50,"output_tokens":1}}}`, false, false},
			{"content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`, false, false},
			{"ping", `{"type":"ping"}`, false, false},
			{"content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"He"}}`, false, true},
			{"content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"message_stop"}}`, false, false},
			{"content_block_start", `{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"n","input":{}}}`, false, false},
			{"content_block_delta", `{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}}`, false, false},
			{"message_delta", `{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":12}}`, false, false},
			{"message_stop", `{"type":"message_stop"}`, true, false},
		}, Answer{ID: "msg_1", Model: "c", Finish: []string{"tool_use"}, Usage: Usage{Input: 153, Output: 12, CachedInput: 50, CacheWrite: 100, Known: true}, Terminal: true, OutputChars: 21, Events: 9, ToolCalls: 1}},
		{"messages error", Messages, []frame{
			{"error", `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, true, false},
		}, Answer{ErrorType: "overloaded_error", ErrorMessage: "Overloaded", Terminal: true, Events: 1}},
		{"completions", Completions, []frame{
			{data: `{"id":"c","model":"m","choices":[{"index":0,"text":"ab","finish_reason":null}]}`, first: true},
			{data: `{"id":"c","model":"m","choices":[{"index":0,"text":"","finish_reason":"stop"}]}`},
			{data: `[DONE]`, terminal: true},
		}, Answer{ID: "c", Model: "m", Finish: []string{"stop"}, Terminal: true, OutputChars: 2, Events: 3}},
		{"garbage", Chat, []frame{{data: `{"choices":[{`}, {data: "\xff"}, {data: `[]`}, {data: ""}}, Answer{Events: 3}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var m Meter
			m.Reset(tc.d)
			for i, f := range tc.frames {
				want := f.terminal || strings.TrimSpace(f.data) == "[DONE]" && tc.d == Chat
				if got := m.Event([]byte(f.name), []byte(f.data)); got != want || m.FirstToken != f.first {
					t.Errorf("event %d: terminal %v, first %v: %s", i, got, m.FirstToken, f.data)
				}
				if got := m.UsageOnly; got != strings.Contains(f.data, `"choices":[],"usage"`) {
					t.Errorf("event %d: usage only %v", i, got)
				}
			}
			if strings.Contains(tc.frames[len(tc.frames)-1].data, "[DONE]") && tc.d == Chat {
				tc.want.Terminal = true
			}
			if diff := cmp.Diff(&tc.want, m.Answer(), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMeterBodies(t *testing.T) {
	for _, c := range []struct {
		d    Dialect
		body string
		want Answer
	}{
		{
			Chat, `{"id":"a","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hey","tool_calls":[{"id":"x","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`,
			Answer{ID: "a", Model: "m", Finish: []string{"tool_calls"}, Usage: Usage{Input: 1, Output: 2, Known: true}, Terminal: true, OutputChars: 5, ToolCalls: 1},
		},
		{
			Responses, `{"id":"r","status":"completed","model":"m","error":null,"output":[{"type":"reasoning","summary":[{"type":"summary_text","text":"s"}]},{"type":"message","content":[{"type":"output_text","text":"abc"}]},{"type":"function_call","name":"f","arguments":"{}"}],"usage":{"input_tokens":3,"output_tokens":4}}`,
			Answer{ID: "r", Model: "m", Finish: []string{"completed"}, Usage: Usage{Input: 3, Output: 4, Known: true}, Terminal: true, OutputChars: 6, ToolCalls: 1},
		},
		{
			Messages, `{"id":"m","type":"message","model":"c","content":[{"type":"text","text":"abc"},{"type":"tool_use","id":"t","name":"n","input":{"a":1}}],"stop_reason":"tool_use","usage":{"input_tokens":3,"cache_read_input_tokens":2,"output_tokens":4}}`,
			Answer{ID: "m", Model: "c", Finish: []string{"tool_use"}, Usage: Usage{Input: 5, CachedInput: 2, Output: 4, Known: true}, Terminal: true, OutputChars: 10, ToolCalls: 1},
		},
		{
			Embeddings, `{"object":"list","model":"e","data":[{"embedding":[0.1,-2e-3]}],"usage":{"prompt_tokens":8,"total_tokens":8}}`,
			Answer{Model: "e", Usage: Usage{Input: 8, Known: true}, Terminal: true},
		},
		{
			Chat, `{"error":{"message":"no","type":"invalid_request_error","param":null,"code":"context_length_exceeded"}}`,
			Answer{Terminal: true, ErrorType: "invalid_request_error", ErrorCode: "context_length_exceeded", ErrorMessage: "no"},
		},
		{
			Messages, `{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}`,
			Answer{Terminal: true, ErrorType: "rate_limit_error", ErrorMessage: "slow"},
		},
		{Chat, `{"error":"plain"}`, Answer{Terminal: true, ErrorMessage: "plain"}},
		{Chat, `{"id":"a","choices":[`, Answer{ID: "a"}},
		{Chat, `<html>`, Answer{}},
		{Other, `{"id":"a"}`, Answer{}},
	} {
		var m Meter
		m.Reset(c.d)
		m.Body([]byte(c.body))
		if diff := cmp.Diff(&c.want, m.Answer(), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s", c.body, diff)
		}
	}
}

// FuzzMeter checks that the short way of a stream (templates) counts what the long way counts, and that nothing in a text is
// taken for structure.
func FuzzMeter(f *testing.F) {
	f.Add(byte(Chat), "hello", "wor\"ld\\", "\n", byte(0))
	f.Add(byte(Messages), "[DONE]", `"usage":{"output_tokens":1}`, "}]}", byte(9))
	f.Fuzz(func(t *testing.T, d byte, a, b, c string, damage byte) {
		forms := map[Dialect]string{
			Chat:        `{"id":"i","model":"m","choices":[{"index":0,"delta":{"content":%s},"finish_reason":null}]}`,
			Responses:   `{"type":"response.output_text.delta","delta":%s}`,
			Messages:    `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":%s}}`,
			Completions: `{"id":"i","model":"m","choices":[{"index":0,"text":%s}]}`,
		}
		form, ok := forms[Dialect(d)]
		if !ok {
			return
		}
		var m Meter
		m.Reset(Dialect(d))
		var want int64
		for i, s := range []string{a, b, c, a, c, b} {
			raw, _ := json.Marshal(s)
			if i%2 == 1 {
				raw = Quote(nil, s)
			}
			var back string
			_ = json.Unmarshal(raw, &back)
			want += int64(len([]rune(back)))
			if m.Event(nil, []byte(fmt.Sprintf(form, raw))) {
				t.Fatalf("terminal: %s", raw)
			}
		}
		if got := m.Answer(); got.OutputChars != want || got.Usage.Known || len(got.Finish) > 0 || got.Failed() || got.Events != 6 {
			t.Fatalf("%+v, want %d characters", got, want)
		}
		line := []byte(fmt.Sprintf(form, Quote(nil, a)))
		line[int(damage)%len(line)] ^= damage
		m.Event([]byte(b), line)
		m.Event(nil, []byte(a))
		m.Body([]byte(c))
	})
}
