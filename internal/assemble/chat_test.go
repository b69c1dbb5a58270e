package assemble_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/internal/assemble"
	"github.com/trapgate/trapgate/internal/wire"
)

// sseOf makes a chat stream of chunks' data.
func sseOf(chunks ...string) []byte {
	return []byte("data: " + strings.Join(chunks, "\n\ndata: ") + "\n\n")
}

// delta is a chunk of the first choice.
func delta(d, finish string) string { return choice(0, d, finish) }

func choice(index int64, d, finish string) string {
	return fmt.Sprintf(`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":%d,"delta":%s,"finish_reason":%s}]}`, index, d, finish)
}

const (
	stop = `"stop"`
	null = `null`
	done = `[DONE]`
)

// answer is the body of one choice with a message.
func answer(message, finish string) string {
	return `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":` + message + `,"finish_reason":` + finish + `}]}`
}

func TestChat(t *testing.T) {
	call := func(s string) string { return `{"tool_calls":[` + s + `]}` }
	for _, c := range []struct {
		name   string
		chunks []string
		want   string // byte for byte
	}{
		{
			"text, as it is spelled",
			[]string{delta(`{"role":"assistant","content":""}`, null), delta(`{"content":"a\u00e9"}`, null), delta(`{"content":"\n\"\ud83d"}`, null), delta(`{"content":"\ude42é\/"}`, null), delta(`{}`, stop)},
			answer(`{"role":"assistant","content":"a\u00e9\n\"\ud83d\ude42é\/"}`, stop),
		},
		{
			"role in every chunk, empty and null pieces",
			[]string{delta(`{"role":"assistant","content":null}`, null), delta(`{"role":"assistant","content":"a"}`, null), delta(`{"role":"","content":null}`, null), delta(`{"role":null,"content":"b"}`, null), delta(`null`, stop)},
			answer(`{"role":"assistant","content":"ab"}`, stop),
		},
		{
			"refusal",
			[]string{delta(`{"role":"assistant","content":null,"refusal":null}`, null), delta(`{"refusal":"I can"}`, null), delta(`{"refusal":"not"}`, null), delta(`{}`, stop)},
			answer(`{"role":"assistant","content":null,"refusal":"I cannot","annotations":[]}`, stop),
		},
		{
			"reasoning and unknown members",
			[]string{
				delta(`{"role":"assistant","reasoning_content":"h","x":1,"o":{"a":"p","id":"i","type":"t","n":1.0},"l":[1]}`, null),
				delta(`{"reasoning_content":"m","x":2.50,"o":{"a":"q","id":"i","type":"t","n":1e3,"z":null},"l":[{"b":2},[3]]}`, null), delta(`{"content":"a"}`, stop),
			},
			answer(`{"role":"assistant","content":"a","reasoning_content":"hm","x":2.50,"o":{"a":"pq","id":"i","type":"t","n":1e3,"z":null},"l":[1,{"b":2},[3]]}`, stop),
		},
		{
			"array by index, the index stays",
			[]string{
				delta(`{"role":"assistant","content":null,"details":[{"type":"text","text":"a","index":1,"format":"f"}]}`, null),
				delta(`{"details":[{"type":"text","text":"b","index":0,"format":"f"},{"text":"c","index":1,"format":"f"}]}`, null), delta(`{}`, stop),
			},
			answer(`{"role":"assistant","content":null,"details":[{"type":"text","text":"b","index":0,"format":"f"},{"type":"text","text":"ac","index":1,"format":"f"}]}`, stop),
		},
		{
			"parallel calls, interleaved",
			[]string{
				delta(`{"role":"assistant","content":null,"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":""}}]}`, null),
				delta(call(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\""}},{"index":1,"function":{"arguments":"{"}}`), null),
				delta(call(`{"index":1,"function":{"arguments":"}"}},{"index":0,"function":{"arguments":":1}"}}`), null), delta(`{}`, `"tool_calls"`),
			},
			answer(`{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},{"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}]}`, `"tool_calls"`),
		},
		{
			"calls that repeat their words",
			[]string{
				delta(call(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"1"}}`), null),
				delta(call(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"2"}}`), null),
				delta(call(`{"index":0,"id":"","type":null,"function":{"name":null,"arguments":"3"}}`), null), delta(`{}`, stop),
			},
			answer(`{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"123"}}]}`, stop),
		},
		{
			"a name in pieces",
			[]string{
				delta(call(`{"index":0,"id":"a","type":"function","function":{"name":"get_","arguments":""}}`), null),
				delta(call(`{"index":0,"function":{"name":"weather","arguments":"{}"}}`), null), delta(`{}`, stop),
			},
			answer(`{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"get_weather","arguments":"{}"}}]}`, stop),
		},
		{
			"every call has index 0",
			[]string{
				delta(call(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"index":0,"id":"b","type":"function","function":{"name":"f","arguments":"{"}}`), null),
				delta(call(`{"index":0,"function":{"arguments":"}"}}`), null), delta(`{}`, stop),
			},
			answer(`{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"f","arguments":"{}"}}]}`, stop),
		},
		{
			"no index",
			[]string{
				delta(call(`{"id":"a","type":"function","function":{"name":"f","arguments":"{"}}`), null), delta(call(`{"function":{"arguments":"}"}}`), null),
				delta(call(`{"id":"b","type":"custom","custom":{"name":"g","input":"x"}}`), null), delta(call(`{"id":"b","custom":{"input":"y"}}`), null), delta(`{}`, stop),
			},
			answer(`{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b","type":"custom","custom":{"name":"g","input":"xy"}}]}`, stop),
		},
		{
			"function_call of old",
			[]string{delta(`{"role":"assistant","content":"","function_call":{"name":"f","arguments":""}}`, null), delta(`{"function_call":{"arguments":"{}"}}`, null), delta(`{}`, `"function_call"`)},
			answer(`{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}}`, `"function_call"`),
		},
		{
			"an empty answer",
			[]string{delta(`{"role":"assistant","content":""}`, null), delta(`{}`, stop)},
			answer(`{"role":"assistant","content":""}`, stop),
		},
		{
			"no role, no content, finish in the last delta",
			[]string{delta(`{"content":"a"}`, stop)},
			answer(`{"role":"assistant","content":"a"}`, stop),
		},
		{
			"finish twice, null after",
			[]string{delta(`{"content":"a"}`, `"length"`), delta(`{}`, stop), delta(`{}`, null)},
			answer(`{"role":"assistant","content":"a"}`, stop),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := run(wire.Chat, sseOf(append(c.chunks, done)...), 0)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			tree(t, got)
		})
	}
}

// What stands beside the delta, and beside the choices.
func TestChatMembers(t *testing.T) {
	const lp = `{"content":[{"token":"%s","logprob":-0.10,"bytes":[97],"top_logprobs":[]}],"refusal":null}`
	a, b := fmt.Sprintf(lp, "a"), fmt.Sprintf(lp, "b")
	for _, c := range []struct {
		name   string
		chunks []string
		want   string
	}{
		{
			"logprobs",
			[]string{
				`{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}`,
				`{"choices":[{"index":0,"delta":{"content":"a"},"logprobs":` + a + `,"finish_reason":null}]}`,
				`{"choices":[{"index":0,"delta":{"content":"b"},"logprobs":` + b + `,"finish_reason":null}]}`,
				`{"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}`,
			},
			`{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"ab"},"logprobs":{"content":[{"token":"a","logprob":-0.10,"bytes":[97],"top_logprobs":[]},{"token":"b","logprob":-0.10,"bytes":[97],"top_logprobs":[]}],"refusal":null},"finish_reason":"stop"}]}`,
		},
		{
			"choices in any order, logprobs of each",
			[]string{
				`{"choices":[{"index":2,"delta":{"content":"z"},"logprobs":` + b + `}]}`,
				`{"choices":[{"index":0,"delta":{"content":"x"},"logprobs":` + a + `,"finish_reason":"stop"},{"index":2,"delta":{"content":"z"},"finish_reason":"length"}]}`,
				`{"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}`,
			},
			`{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"x"},"logprobs":{"content":[{"token":"a","logprob":-0.10,"bytes":[97],"top_logprobs":[]}],"refusal":null},"finish_reason":"stop"},` +
				`{"index":1,"message":{"role":"assistant","content":null},"finish_reason":"stop"},` +
				`{"index":2,"message":{"role":"assistant","content":"zz"},"logprobs":{"content":[{"token":"b","logprob":-0.10,"bytes":[97],"top_logprobs":[]}],"refusal":null},"finish_reason":"length"}]}`,
		},
		{
			"azure: filters",
			[]string{
				`{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0}]}`,
				`{"choices":[{"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}},"delta":{"content":"a"},"finish_reason":null,"index":0}],"created":7,"id":"i","model":"m","object":"chat.completion.chunk"}`,
				`{"choices":[{"content_filter_results":{"hate":{"filtered":false,"severity":"safe"},"violence":{"filtered":false}},"delta":{},"finish_reason":"stop","index":0}],"created":7,"id":"i","model":"m","object":"chat.completion.chunk"}`,
				`{"choices":[],"created":7,"id":"i","model":"","object":"chat.completion.chunk","usage":{"prompt_tokens":1}}`,
			},
			`{"id":"i","object":"chat.completion","created":7,"model":"m","choices":[{"content_filter_results":{"hate":{"filtered":false,"severity":"safe"},"violence":{"filtered":false}},"message":{"role":"assistant","content":"a"},"finish_reason":"stop","index":0}],"usage":{"prompt_tokens":1},"prompt_filter_results":[{"prompt_index":0}]}`,
		},
		{
			"usage, fingerprint, tier, unknown",
			[]string{
				`{"id":"i","created":7,"model":"m","service_tier":"default","system_fingerprint":"fp","choices":[{"index":0,"delta":{"content":"a"}}],"usage":null,"obfuscation":"xy","citations":["u"]}`,
				`{"id":"i","created":7,"model":"m","service_tier":"default","system_fingerprint":"fp","choices":[{"index":0,"delta":{},"finish_reason":"stop","token_ids":[1,2]}],"usage":null,"obfuscation":"xyz","citations":["u"]}`,
				`{"id":"i","created":7,"model":"m","service_tier":"flex","system_fingerprint":"fp","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2},"timings":{"n":1.0},"x":null}`,
			},
			`{"id":"i","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop","token_ids":[1,2]}],"usage":{"prompt_tokens":1,"completion_tokens":2},"service_tier":"flex","system_fingerprint":"fp","citations":["u"],"timings":{"n":1.0},"x":null}`,
		},
		{
			"usage that grows",
			[]string{
				`{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"usage":{"completion_tokens":1}}`,
				`{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}],"usage":{"completion_tokens":2}}`,
				`{"choices":[],"usage":{"completion_tokens":2,"total_tokens":3}}`,
			},
			`{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"aa"},"finish_reason":"stop"}],"usage":{"completion_tokens":2,"total_tokens":3}}`,
		},
		{
			"llama.cpp: calls alone, a usage behind each choice",
			[]string{
				`{"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"system_fingerprint":"b6-ab"}`,
				`{"choices":[{"finish_reason":"length","index":0,"delta":{}}],"system_fingerprint":"b6-ab"}`,
				`{"choices":[],"system_fingerprint":"b6-ab","usage":{"completion_tokens":4}}`,
				`{"choices":[{"finish_reason":"stop","index":1,"delta":{"content":"x"}}],"system_fingerprint":"b6-ab"}`,
				`{"choices":[],"system_fingerprint":"b6-ab","usage":{"completion_tokens":9}}`,
			},
			`{"object":"chat.completion","choices":[{"finish_reason":"length","index":0,"message":{"role":"assistant","content":""}},{"finish_reason":"stop","index":1,"message":{"role":"assistant","content":"x"}}],"usage":{"completion_tokens":4},"system_fingerprint":"b6-ab"}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := run(wire.Chat, sseOf(append(c.chunks, done)...), 0)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestChatIsNotMadeUp(t *testing.T) {
	var form *assemble.FormError
	for _, c := range []struct {
		name   string
		chunks []string
		form   bool
	}{
		{"nothing", []string{done}, false},
		{"no choice", []string{`{"id":"c","choices":[]}`, done}, false},
		{"no finish reason", []string{delta(`{"content":"a"}`, null), done}, false},
		{"one of two without", []string{choice(0, `{"content":"a"}`, stop), choice(1, `{"content":"a"}`, null), done}, false},
		{"no end", []string{delta(`{"content":"a"}`, stop)}, false},
		{"not an object", []string{`[]`}, true},
		{"cut", []string{`{"choices":[{"index":0,"delta":{"content":"a`}, true},
		{"two values", []string{delta(`{}`, stop) + `{}`}, true},
		{"control character", []string{"{\"choices\":[],\"a\":\"\x01\"}"}, true},
		{"bad escape", []string{`{"choices":[{"index":0,"delta":{"content":"\x"}}]}`}, true},
		{"bad hex digits", []string{"{\"choices\":[],\"a\":\"\\u00\x10\x11\"}"}, true},
		{"bad number", []string{`{"created":01,"choices":[]}`}, true},
		{"bad word", []string{`{"created":nul,"choices":[]}`}, true},
		{"choices of numbers", []string{`{"choices":[1]}`}, true},
		{"too deep", []string{`{"choices":[{"index":0,"delta":{"a":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}}]}`}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			body, err := run(wire.Chat, sseOf(c.chunks...), 0)
			if body != nil || c.form != errors.As(err, &form) || c.form == errors.Is(err, assemble.ErrIncomplete) {
				t.Errorf("%v, %s", err, body)
			}
		})
	}
}
