package history_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/internal/wire"
)

func TestCheck(t *testing.T) {
	anyOf := func(ps ...*history.Profile) []*history.Profile { return ps }
	loose := anyOf(history.Plain)
	near := anyOf(history.OpenAI, history.Azure, history.Gemini, history.DeepSeek)
	for _, c := range []struct {
		d       wire.Dialect
		history string
		under   []*history.Profile
		want    string
	}{
		{wire.Chat, "s u c1 r1 a u", profiles[:2], ""},
		{wire.Chat, "u c1,2 r2,1 c1 r1", near, ""},
		{wire.Chat, "u c1,2 r1 u", near, "unanswered 1"},
		{wire.Chat, "u c1,2 r1", near, "unanswered 1"},
		{wire.Chat, "u c1,2 r1", loose, ""},
		{wire.Chat, "u c1,2 r1 a u", loose, "unanswered 1"},
		{wire.Chat, "u r1 a u", near, "orphan_result 1"},
		{wire.Chat, "u c1 u r1 a u", anyOf(history.OpenAI, history.Azure), "unanswered 1, orphan_result 3"},
		{wire.Chat, "u c1 u r1 a u", loose, ""},
		{wire.Chat, "u c1 s r1", near, "unanswered 1, orphan_result 3"},
		{wire.Chat, "u c1 r1,1 a u", near, "duplicate_result 3"},
		{wire.Chat, "u c1,1 r1 a u", near, "duplicate_id 1"},
		{wire.Chat, "u c1 r1 c1 r1", anyOf(history.Anthropic), "duplicate_id 3"},
		{wire.Chat, "u f fr u", anyOf(history.OpenAI), ""},
		{wire.Chat, "u f u", anyOf(history.OpenAI), "unanswered 1"},
		{wire.Chat, "u fr a", anyOf(history.OpenAI), "orphan_result 1"},
		{wire.Chat, "u a c1 r1", anyOf(history.Gemini, history.Strict), "call_place 2"},
		{wire.Chat, "u a c1 r1", near[:2], ""},
		{wire.Chat, "u s c1 r1", anyOf(history.Gemini), ""},
		{wire.Chat, "u u a", anyOf(history.DeepSeek), "same_role 1"},
		{wire.Chat, "u a a u", anyOf(history.Strict), "same_role 2"},
		{wire.Chat, "u a u u", near[:3], ""},
		{wire.Chat, "u c1 r1 u", anyOf(history.Mistral, history.Strict), "after_result 3"},
		{wire.Chat, "u c1 r1 s a u", anyOf(history.Mistral), "after_result 3"},
		{wire.Chat, "u a s u", anyOf(history.Mistral), "system_place 2"},
		{wire.Chat, "u s a u", anyOf(history.Mistral), ""},
		{wire.Chat, "s s u", anyOf(history.Strict), "second_system 1"},
		{wire.Chat, "u d a u", anyOf(history.Strict), "system_place 1"},
		{wire.Chat, "s a u", anyOf(history.Strict, history.Anthropic), "first_role 1"},
		{wire.Chat, "s u a", anyOf(history.Mistral, history.Strict, history.Anthropic), "last_role 2"},
		{wire.Chat, "s u a", near, ""},
		{wire.Responses, "D u t c1 r1 t a u", profiles[:2], ""},
		{wire.Responses, "u c1 u r1 a", profiles[:2], ""}, // pairs need not be neighbours there
		{wire.Responses, "u c1 u", profiles[:2], "unanswered 1"},
		{wire.Responses, "u c1", profiles[:2], "unanswered 1"},
		{wire.Responses, "u c1", loose, ""},
		{wire.Responses, "u r1 c1 r1", profiles[:2], "orphan_result 1"},
		{wire.Responses, "u t u", profiles[:2], "reasoning_alone 1"},
		{wire.Responses, "u t r1", loose, "orphan_result 2"},
		{wire.Responses, "u a t", profiles[:2], "reasoning_alone 2"},
		{wire.Responses, "u t d t c1 r1", profiles[:2], ""},
		{wire.Messages, "u c1,2 r1,2 c3 ru3 a u", anyOf(history.Anthropic), ""},
		{wire.Messages, "u u t c1 r1 r1", anyOf(history.Anthropic), "duplicate_result 5"},
		{wire.Messages, "u c1,2 r1 r2", anyOf(history.Anthropic), ""},
		{wire.Messages, "u c1 a r1", anyOf(history.Anthropic), ""},
		{wire.Messages, "u c1 ur1", anyOf(history.Anthropic), "text_before_result 2"},
		{wire.Messages, "u c1 u r1", anyOf(history.Anthropic), "unanswered 1, orphan_result 3"},
		{wire.Messages, "u s a u", anyOf(history.Anthropic), "system_place 1"},
		{wire.Messages, "a u", anyOf(history.Anthropic), "first_role 0"},
	} {
		for _, p := range c.under {
			v := view(t, c.d, short(c.d, c.history))
			if got := strings.Join(codes(history.Check(v, p)), ", "); got != c.want {
				t.Errorf("%v %q under %s: %s; want %s", c.d, c.history, p.Name, got, c.want)
			}
		}
	}
}

// What the contents of messages say.
func TestCheckContent(t *testing.T) {
	const (
		call   = `"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]`
		signed = `"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"s"}}}]`
		out    = `,{"role":"tool","tool_call_id":"1","content":""},`
		use    = `{"type":"tool_use","id":"1","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"1"}]}`
	)
	for _, c := range []struct {
		d              wire.Dialect
		p              *history.Profile
		messages, want string
	}{
		{wire.Chat, history.OpenAI, `{"role":"user","content":""}`, ""},
		{wire.Chat, history.OpenAI, `{"role":"user","content":null}`, "no_content 0"},
		{wire.Chat, history.Plain, `{"role":"user"}`, "no_content 0"},
		{wire.Chat, history.OpenAI, `{"role":"assistant","content":null}`, "no_content 0"},
		{wire.Chat, history.OpenAI, `{"role":"assistant","content":null,"refusal":"no"}`, ""},
		{wire.Chat, history.OpenAI, `{"role":"assistant","content":null,"refusal":null}`, "no_content 0"},
		{wire.Chat, history.Gemini, `{"role":"user","content":"\u0020\n\r\t "}`, "empty_content 0"},
		{wire.Chat, history.Gemini, `{"role":"user","content":"\n\u3000x"}`, ""},
		{wire.Chat, history.Gemini, `{"role":"user","content":[]}`, "empty_content 0"},
		{wire.Chat, history.Gemini, `{"role":"user","content":[{"type":"text","text":" "}]}`, "empty_content 0"},
		{wire.Chat, history.Gemini, `{"role":"user","content":[{"type":"text","text":""},{"type":"image_url","image_url":{"url":"x"}}]}`, ""},
		{wire.Chat, history.Gemini, `{"role":"user","content":"x"},{"role":"assistant","content":"",` + call + `}` + out + `{"role":"user","content":"y"}`, ""},
		{wire.Chat, history.OpenAI, `{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"type":"function","function":{"name":"f"}}]}`, "missing_id 1"},
		{wire.Chat, history.OpenAI, `{"role":"tool","content":"x"}`, "missing_id 0"},
		{
			wire.Chat, history.DeepSeek, `{"role":"user","content":"x"},{"role":"assistant","reasoning_content":"hm",` + call + `}` + out +
				`{"role":"assistant",` + call + `}` + out + `{"role":"user","content":"y"}`, "reasoning_lost 3",
		},
		{
			wire.Chat, history.Gemini, `{"role":"user","content":"x"},{"role":"assistant",` + signed + `}` + out +
				`{"role":"assistant",` + call + `}` + out + `{"role":"user","content":"y"}`, "signature_lost 3",
		},
		{wire.Messages, history.Anthropic, `{"role":"user","content":[{"type":"text","text":"x"},{"type":"text","text":""}]}`, "empty_content 0"},
		{wire.Messages, history.Anthropic, `{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},` + use, ""},
		{wire.Messages, history.Anthropic, `{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm"},` + use, "thinking_broken 1"},
		{
			wire.Messages, history.Anthropic, `{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"redacted_thinking","data":"d"}]},{"role":"user","content":"x"}`,
			"thinking_broken 1",
		},
	} {
		body := `{"messages":[` + c.messages + `]}`
		if got := strings.Join(codes(history.Check(view(t, c.d, body), c.p)), ", "); got != c.want {
			t.Errorf("%s: %s; want %s", c.messages, got, c.want)
		}
	}
	v := view(t, wire.Messages, `{"thinking":{"type":"enabled"},"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[`+use+`]}`)
	if got := codes(history.Check(v, history.Anthropic)); !cmp.Equal(got, []string{"thinking_broken 1"}) {
		t.Error(got)
	}
}

// The member of its own counts as a system message, and calls at the provider answer for results.
func TestCheckMembers(t *testing.T) {
	const item = `[{"role":"system","content":"x"},{"role":"user","content":"y"}]`
	v := view(t, wire.Responses, `{"instructions":"be good","input":`+item+`}`)
	if got := codes(history.Check(v, history.Strict)); !cmp.Equal(got, []string{"second_system 0"}) {
		t.Error(got)
	}
	v = view(t, wire.Responses, `{"previous_response_id":"resp_1","input":[{"type":"function_call_output","call_id":"c","output":"x"}]}`)
	if got := codes(history.Check(v, history.OpenAI)); got != nil {
		t.Error(got)
	}
}

func TestIntroduced(t *testing.T) {
	own := view(t, wire.Chat, short(wire.Chat, "u u a s u r9 c1 r1 a u"))
	before := history.Check(own, history.Strict)
	if len(before) < 3 {
		t.Fatal(codes(before))
	}
	// The task message (1) gets a text, the assistant behind it goes: what the agent did wrong is still there, and no more.
	rest := keep(own, func(i int) bool { return i != 2 && i != 4 }, 1, " and more")
	after := history.Check(view(t, wire.Chat, rest), history.Strict)
	if got := codes(history.Introduced(before, after)); got != nil {
		t.Error(got)
	}
	// Half of a pair goes, then a turn between two user messages: both are ours.
	rest = keep(own, func(i int) bool { return i != 6 }, -1, "")
	after = history.Check(view(t, wire.Chat, rest), history.Strict)
	if got := codes(history.Introduced(before, after)); !cmp.Equal(got, []string{"orphan_result 6"}) {
		t.Error(got)
	}
	rest = keep(own, func(i int) bool { return i != 2 }, -1, "")
	after = history.Check(view(t, wire.Chat, rest), history.Strict)
	if got := codes(history.Introduced(before, after)); !cmp.Equal(got, []string{"same_role 3"}) {
		t.Error(got)
	}
}
