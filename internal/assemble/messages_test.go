package assemble_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/internal/assemble"
	"github.com/trapgate/trapgate/internal/wire"
)

// anthropicSSE makes a messages stream of events' data; the name is the type.
func anthropicSSE(events ...string) []byte {
	var b strings.Builder
	for _, e := range events {
		typ, _, _ := strings.Cut(strings.TrimPrefix(e, `{"type":"`), `"`)
		b.WriteString("event: " + typ + "\ndata: " + e + "\n\n")
	}
	return []byte(b.String())
}

const (
	msgStart = `{"type":"message_start","message":{"model":"m","id":"msg","type":"message","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,` +
		`"usage":{"input_tokens":3,"cache_read_input_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":1},"output_tokens":1,"service_tier":"standard"}}}`
	msgStop  = `{"type":"message_stop"}`
	ping     = `{"type":"ping"}`
	msgDelta = `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}}`
)

func block(index, block string) string {
	return `{"type":"content_block_start","index":` + index + `,"content_block":` + block + `}`
}

func piece(index, delta string) string {
	return `{"type":"content_block_delta","index":` + index + `,"delta":` + delta + `}`
}

func over(index string) string { return `{"type":"content_block_stop","index":` + index + `}` }

func TestMessages(t *testing.T) {
	const tail = `"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":3,"cache_read_input_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":1},"output_tokens":9,"service_tier":"standard"}}`
	body := func(content string) string {
		return `{"model":"m","id":"msg","type":"message","role":"assistant","content":[` + content + `],` + tail
	}
	for _, c := range []struct {
		name   string
		events []string
		want   string
	}{
		{"no block", nil, body("")},
		{
			"text",
			[]string{block("0", `{"type":"text","text":""}`), ping, piece("0", `{"type":"text_delta","text":"He"}`), piece("0", `{"text":"y\n","type":"text_delta"}`), over("0")},
			body(`{"type":"text","text":"Hey\n"}`),
		},
		{
			"thinking and its seal",
			[]string{
				block("0", `{"type":"thinking","thinking":"","signature":""}`), piece("0", `{"type":"thinking_delta","thinking":"h"}`), piece("0", `{"type":"thinking_delta","thinking":"m"}`),
				piece("0", `{"type":"signature_delta","signature":"Eq="}`), over("0"), block("1", `{"type":"redacted_thinking","data":"xx"}`), over("1"),
			},
			body(`{"type":"thinking","thinking":"hm","signature":"Eq="},{"type":"redacted_thinking","data":"xx"}`),
		},
		{
			"calls, interleaved, numbers as written",
			[]string{
				block("1", `{"type":"tool_use","id":"b","name":"g","input":{}}`), block("0", `{"type":"tool_use","id":"a","name":"f","input":{}}`),
				piece("1", `{"type":"input_json_delta","partial_json":""}`), piece("0", `{"type":"input_json_delta","partial_json":"{\"x\":"}`),
				piece("1", `{"type":"input_json_delta","partial_json":"{\"s\":\"\\u00"}`), piece("0", `{"type":"input_json_delta","partial_json":" 1.50e2}"}`),
				piece("1", `{"type":"input_json_delta","partial_json":"e9\\n\"}"}`), over("0"), over("1"),
			},
			body(`{"type":"tool_use","id":"a","name":"f","input":{"x": 1.50e2}},{"type":"tool_use","id":"b","name":"g","input":{"s":"\u00e9\n"}}`),
		},
		{
			"input: none said, none there, cut, whole from the start",
			[]string{
				block("0", `{"type":"tool_use","id":"a","name":"f","input":{}}`), piece("0", `{"type":"input_json_delta","partial_json":""}`),
				block("1", `{"type":"tool_use","id":"b","name":"f"}`),
				block("2", `{"type":"tool_use","id":"c","name":"f"}`), piece("2", `{"type":"input_json_delta","partial_json":"{\"x\":"}`),
				block("3", `{"type":"server_tool_use","id":"d","name":"f","input":{"q":1}}`),
			},
			body(`{"type":"tool_use","id":"a","name":"f","input":{}},{"type":"tool_use","id":"b","name":"f","input":{}},{"type":"tool_use","id":"c","name":"f","input":{}},{"type":"server_tool_use","id":"d","name":"f","input":{"q":1}}`),
		},
		{
			"citations and server tools",
			[]string{
				block("0", `{"type":"server_tool_use","id":"s","name":"web_search","input":{}}`), piece("0", `{"type":"input_json_delta","partial_json":"{\"query\":\"x\"}"}`), over("0"),
				block("1", `{"type":"web_search_tool_result","tool_use_id":"s","content":[{"type":"web_search_result","title":"t","page_age":null}]}`), over("1"),
				block("2", `{"type":"text","text":"","citations":[]}`), piece("2", `{"type":"citations_delta","citation":{"type":"char_location","start":1}}`),
				piece("2", `{"type":"text_delta","text":"a"}`), piece("2", `{"type":"citations_delta","citation":{"type":"char_location","start":2}}`), over("2"),
				block("3", `{"type":"text","text":"","citations":null}`), piece("3", `{"type":"citations_delta","citation":{"n":1}}`),
				block("4", `{"type":"text","text":""}`), piece("4", `{"type":"citations_delta","citation":{"n":2}}`),
			},
			body(`{"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"x"}},` +
				`{"type":"web_search_tool_result","tool_use_id":"s","content":[{"type":"web_search_result","title":"t","page_age":null}]},` +
				`{"type":"text","text":"a","citations":[{"type":"char_location","start":1},{"type":"char_location","start":2}]},` +
				`{"type":"text","text":"","citations":[{"n":1}]},{"type":"text","text":"","citations":[{"n":2}]}`),
		},
		{
			"pieces and blocks of another day",
			[]string{
				block("0", `{"type":"poem","lines":[1],"caller":{"type":"direct"},"verse":"a","n":null}`), piece("0", `{"type":"poem_delta","verse":"b","lines":[2,3],"n":7}`),
				piece("0", `{"type":"poem_delta","rhyme":"x"}`), piece("0", `{"type":"poem_delta","rhyme":"y"}`), `{"type":"content_block_pause","index":0}`,
			},
			body(`{"type":"poem","lines":[1,2,3],"caller":{"type":"direct"},"verse":"ab","n":7,"rhyme":"xy"}`),
		},
		{
			"a message that begins with blocks",
			[]string{piece("0", `{"type":"text_delta","text":"b"}`), block("1", `{"type":"text","text":"c"}`)},
			body(`{"type":"text","text":"ab"},{"type":"text","text":"c"}`),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := msgStart
			if strings.Contains(c.name, "begins with blocks") {
				start = strings.Replace(start, `"content":[]`, `"content":[{"type":"text","text":"a"}]`, 1)
			}
			events := append([]string{start}, c.events...)
			got, err := run(wire.Messages, anthropicSSE(append(events, msgDelta, msgStop)...), 0)
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

// message_delta goes over message_start: usage member by member, null saying nothing, and what is new is kept.
func TestMessageDelta(t *testing.T) {
	got, err := run(wire.Messages, anthropicSSE(
		msgStart,
		`{"type":"message_delta","delta":{"stop_reason":null,"container":{"id":"x"}},"usage":{"output_tokens":4}}`,
		`{"type":"message_delta","delta":{"stop_reason":"refusal","stop_sequence":"S","stop_details":{"type":"refusal"}},"context_management":{"applied_edits":[]},`+
			`"usage":{"input_tokens":null,"cache_read_input_tokens":6,"output_tokens":9,"server_tool_use":{"web_search_requests":1},"cache_creation":{"ephemeral_1h_input_tokens":2},"iterations":null}}`,
		`{"type":"message_delta","delta":{"stop_reason":null},"usage":null}`,
		msgStop,
	), 0)
	want := `{"model":"m","id":"msg","type":"message","role":"assistant","content":[],"stop_reason":"refusal","stop_sequence":"S",` +
		`"usage":{"input_tokens":3,"cache_read_input_tokens":6,"cache_creation":{"ephemeral_5m_input_tokens":1,"ephemeral_1h_input_tokens":2},"output_tokens":9,"service_tier":"standard",` +
		`"server_tool_use":{"web_search_requests":1},"iterations":null},"container":{"id":"x"},"stop_details":{"type":"refusal"},"context_management":{"applied_edits":[]}}`
	if err != nil || string(got) != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
	}
}

func TestMessagesAreNotMadeUp(t *testing.T) {
	for _, c := range []struct {
		name   string
		events []string
		form   bool
	}{
		{"no end", []string{msgStart, msgDelta}, false},
		{"no stop reason", []string{msgStart, msgStop}, false},
		{"no start", []string{msgStop}, true},
		{"delta of nothing", []string{msgDelta}, true},
		{"two starts", []string{msgStart, msgStart}, true},
		{"a block twice", []string{msgStart, block("0", `{"type":"text"}`), block("0", `{"type":"text"}`)}, true},
		{"a piece of no block", []string{msgStart, piece("0", `{"type":"text_delta","text":"a"}`)}, true},
		{"no index", []string{msgStart, `{"type":"content_block_start","content_block":{"type":"text"}}`}, true},
		{"index of words", []string{msgStart, block(`"0"`, `{"type":"text"}`)}, true},
		{"a block of numbers", []string{msgStart, block("0", `7`)}, true},
		{"no message", []string{`{"type":"message_start"}`}, true},
		{"cut", []string{msgStart, `{"type":"ping"`}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var form *assemble.FormError
			body, err := run(wire.Messages, anthropicSSE(c.events...), 0)
			if body != nil || c.form != errors.As(err, &form) || c.form == errors.Is(err, assemble.ErrIncomplete) {
				t.Errorf("%v, %s", err, body)
			}
		})
	}
}
