package wire

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var sameReading = cmp.Options{cmpopts.EquateEmpty()}

func mustView(t testing.TB, d Dialect, body string) *View {
	t.Helper()
	v, err := Acquire(d, []byte(body), Limits{})
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return v
}

func TestCorpusAgreesWithEncodingJSON(t *testing.T) {
	samples := corpus(t)
	if samples == nil {
		t.Skip("SKIP: ../shared/data is absent: the view is not compared with what real agents send")
	}
	if len(samples) < 40 {
		t.Fatalf("only %d samples", len(samples))
	}
	for _, s := range samples {
		v, err := Acquire(s.d, s.body, Limits{})
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		want, _ := refRead(s.d, s.body)
		if diff := cmp.Diff(want, viewReading(v), sameReading); diff != "" {
			t.Errorf("%s: %s", s.name, diff)
		}
		if len(v.Msgs) == 0 {
			t.Errorf("%s: no messages", s.name)
		}
		v.Release()
	}
}

// seeds are small bodies of every shape the view knows.
var seeds = []sample{
	{"chat", Chat, []byte(`{"model":"m","stream":true,"user":"u","messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:x"}}]},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}},{"id":"c2","type":"custom","custom":{"name":"g","input":"x"}}]},{"role":"tool","tool_call_id":"c1","content":"r"},{"role":"assistant","function_call":{"name":"old","arguments":"{}"}}],"tools":[{"type":"function","function":{"name":"f","parameters":{"a":1,"a":2}}}],"stream_options":{"include_usage":true},"max_tokens":5}`)},
	{"messages", Messages, []byte(`{"model":"c","max_tokens":9,"metadata":{"user_id":"{\"s\":1}"},"system":[{"type":"text","text":"S","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"g"},{"type":"text","text":"x"},{"type":"tool_use","id":"t1","name":"Bash","input":{"command":"ls","command":"ls"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","is_error":true,"content":[{"type":"text","text":"out"},{"type":"image","source":{"data":"AA"}}]},{"type":"text","text":"go on"}]}],"tools":[{"name":"Bash","input_schema":{}},{"type":"bash_20250124","name":"bash"}]}`)},
	{"responses", Responses, []byte(`{"model":"m","instructions":"I","previous_response_id":"resp_1","prompt_cache_key":"k","input":[{"role":"user","content":"q"},{"type":"message","id":"m1","role":"assistant","content":[{"type":"output_text","text":"a","annotations":[]}]},{"type":"reasoning","id":"r","summary":[],"encrypted_content":"z"},{"type":"function_call","call_id":"c1","name":"f","namespace":"n","arguments":"{}"},{"type":"function_call_output","call_id":"c1","output":"o"},{"type":"custom_tool_call","call_id":"c2","name":"exec","input":"js"},{"type":"custom_tool_call_output","call_id":"c2","output":[{"type":"input_text","text":"p"}]},{"type":"local_shell_call","id":"l","call_id":"c3","action":{"command":["ls"]}},{"type":"local_shell_call_output","id":"c3","output":"x"},{"type":"additional_tools","role":"developer","tools":[{"type":"namespace","name":"ns","tools":[{"type":"function","name":"inner"}]},{"type":"local_shell"}]}],"tools":[{"type":"function","name":"f","parameters":{}},{"type":"web_search"},{"type":"namespace","name":"ns2","tools":[{"type":"custom","name":"in2"}]}]}`)},
	{"responses string", Responses, []byte(`{"input":"hello","model":"m","background":true,"conversation":{"id":"conv"}}`)},
	{"completions", Completions, []byte(`{"model":"m","prompt":["a"],"stream":false}`)},
	{"embeddings", Embeddings, []byte(`{"model":"m","input":"text","user":"u"}`)},
	{"escapes", Chat, []byte(`{"mod\u0065l":"g\u0070t","messages":[{"role":"us\u0065r","content":"\ud83d\ude00 \u00e9 é \/ \ud800"}]}`)},
	{"case", Chat, []byte(`{"Model":"m","MESSAGES":[{"Role":"user","Content":"x"}],"ſtream":true}`)},
	{"odd shapes", Chat, []byte(` {"model":null,"messages":[null,1,"x",[],{"role":3,"content":{"a":1}},{"role":"user","content":["s",5]}],"tools":{},"stream":"true","max_tokens":"x"} `)},
}

func TestViewAgreesWithEncodingJSON(t *testing.T) {
	for _, s := range seeds {
		t.Run(s.name, func(t *testing.T) {
			v := mustView(t, s.d, string(s.body))
			defer v.Release()
			want, _ := refRead(s.d, s.body)
			if diff := cmp.Diff(want, viewReading(v), sameReading); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestViewFields(t *testing.T) {
	v := mustView(t, Chat, string(seeds[0].body))
	if !v.Stream || !v.IncludeUsage() || v.MaxTokensValue() != 5 || v.User() != "u" || string(v.Raw(v.Root)) != string(v.Body) {
		t.Errorf("%+v", v)
	}
	if len(v.Tools) != 1 || v.Tools[0].Place != ToolNested || v.Text(v.Tools[0].Name) != "f" || string(v.Raw(v.Tools[0].Schema)) != `{"a":1,"a":2}` {
		t.Errorf("%+v", v.Tools)
	}
	v = mustView(t, Messages, string(seeds[1].body))
	if v.User() != `{"s":1}` || v.SystemText != (Range{0, 1}) || v.Text(v.Texts[0]) != "S" || len(v.Results) != 1 || !v.Results[0].Fail {
		t.Errorf("%+v", v)
	}
	if got := v.texts(v.Results[0].Text); len(got) != 1 || got[0] != "out" {
		t.Error(got)
	}
	v = mustView(t, Responses, string(seeds[2].body))
	var tools []string
	for _, d := range v.Tools {
		tools = append(tools, fmt.Sprint(d.Place, v.Text(d.Name), v.Text(d.Namespace)))
	}
	if got, want := strings.Join(tools, ";"), fmt.Sprint(ToolNamespaced, "inner", "ns", ";", ToolInItem, "local_shell", ";",
		ToolFlat, "f", ";", ToolFlat, "web_search", ";", ToolNamespaced, "in2", "ns2"); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("tools: %s, want %s", got, want)
	}
	if v.PreviousResponse() != "resp_1" || string(v.Raw(v.CacheKey)) != `"k"` || v.Text(v.Calls[0].Namespace) != "n" || v.Msgs[9].Kind != ToolsItem {
		t.Errorf("%+v", v)
	}
	odd := mustView(t, Responses, `{"input":[{"content":["a","b"],"type":"x_output","id":"i","output":"o"},{"type":"message","role":"user","output":"no","content":"yes"}]}`)
	if got := odd.texts(Range{0, int32(len(odd.Texts))}); strings.Join(got, ",") != "o,yes" || strings.Join(odd.texts(odd.Results[0].Text), "") != "o" {
		t.Errorf("texts of odd items: %v", got)
	}
	kinds := ""
	for _, m := range v.Msgs {
		kinds += fmt.Sprint(m.Kind)
	}
	if kinds != "0031212124" {
		t.Error(kinds)
	}
	v = mustView(t, Responses, string(seeds[3].body))
	if !v.Background || string(v.Raw(v.Conversation)) != `{"id":"conv"}` || len(v.Msgs) != 1 || v.Msgs[0].Role != User {
		t.Errorf("%+v", v)
	}
	v = mustView(t, Chat, `{"max_completion_tokens":7,"max_tokens":3,"max_output_tokens":null}`)
	if v.MaxTokensValue() != 7 {
		t.Error(v.MaxTokensValue())
	}
}

func TestRefused(t *testing.T) {
	deep := func(n int) string { return `{"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}` }
	for _, c := range []struct {
		d          Dialect
		body, code string
	}{
		{Chat, "", CodeEmptyBody},
		{Chat, " \n", CodeEmptyBody},
		{Chat, "\ufeff{}", CodeBOM},
		{Chat, "[]", CodeNotObject},
		{Chat, `"x"`, CodeNotObject},
		{Chat, "null", CodeNotObject},
		{Chat, "{", CodeInvalidJSON},
		{Chat, "{}{}", CodeInvalidJSON},
		{Chat, "{} x", CodeInvalidJSON},
		{Chat, "{}\x00", CodeInvalidJSON},
		{Chat, `{"a":1,}`, CodeInvalidJSON},
		{Chat, `{,"a":1}`, CodeInvalidJSON},
		{Chat, `{"a" 1}`, CodeInvalidJSON},
		{Chat, `{'a':1}`, CodeInvalidJSON},
		{Chat, `{"a":01}`, CodeInvalidJSON},
		{Chat, `{"a":1.}`, CodeInvalidJSON},
		{Chat, `{"a":.5}`, CodeInvalidJSON},
		{Chat, `{"a":-}`, CodeInvalidJSON},
		{Chat, `{"a":1e}`, CodeInvalidJSON},
		{Chat, `{"a":NaN}`, CodeInvalidJSON},
		{Chat, `{"a":True}`, CodeInvalidJSON},
		{Chat, `{"a":nul}`, CodeInvalidJSON},
		{Chat, `{"a":[1,2}`, CodeInvalidJSON},
		{Chat, `{"a":[1 2]}`, CodeInvalidJSON},
		{Chat, `{"a":"x`, CodeInvalidJSON},
		{Chat, `{"a":"\x"}`, CodeInvalidJSON},
		{Chat, `{"a":"\u12g4"}`, CodeInvalidJSON},
		{Chat, `{"a":"\`, CodeInvalidJSON},
		{Chat, "{\"a\":\"\n\"}", CodeInvalidJSON},
		{Chat, "{\"a\":\"0123456789\x1f123456789\"}", CodeInvalidJSON},
		{Chat, "{\"a\":\"\xff\"}", CodeInvalidUTF8},
		{Chat, "{\"a\":\"abcdefghijk\xc3\"}", CodeInvalidUTF8},
		{Chat, "{\"a\":\"\xed\xa0\x80\"}", CodeInvalidUTF8},
		{Chat, "{\xff}", CodeInvalidUTF8},
		{Chat, deep(512), CodeTooDeep},
		{Chat, `{"model":"a","model":"b"}`, CodeDuplicateKey},
		{Chat, `{"model":"a","mod\u0065l":"b"}`, CodeDuplicateKey},
		{Chat, `{"model":"a","Model":"b"}`, CodeDuplicateKey},
		{Chat, `{"user":"a","uſer":"b"}`, CodeDuplicateKey},
		{Chat, `{"xk":"a","x` + "\u212a" + `":"b"}`, CodeDuplicateKey},
		{Chat, `{"unknown":"a","unKnown":"b"}`, CodeDuplicateKey},
		{Chat, `{"messages":[{"role":"user","role":"system"}]}`, CodeDuplicateKey},
		{Chat, `{"messages":[{"content":[{"type":"text","text":"a","text":"b"}]}]}`, CodeDuplicateKey},
		{Chat, `{"messages":[{"tool_calls":[{"id":"a","id":"b"}]}]}`, CodeDuplicateKey},
		{Chat, `{"messages":[{"tool_calls":[{"function":{"name":"a","name":"b"}}]}]}`, CodeDuplicateKey},
		{Chat, `{"tools":[{"function":{"name":"a","name":"b"}}]}`, CodeDuplicateKey},
		{Messages, `{"messages":[{"content":[{"type":"tool_result","content":[{"type":"text","Type":"x"}]}]}]}`, CodeDuplicateKey},
		{Responses, `{"input":[{"type":"function_call","call_id":"a","call_id":"b"}]}`, CodeDuplicateKey},
		{Chat, manyUnknown(200) + `,"k7":1}`, CodeDuplicateKey},
	} {
		v, err := Acquire(c.d, []byte(c.body), Limits{})
		var se *SyntaxError
		if v != nil || !errors.As(err, &se) || se.Code != c.code {
			t.Errorf("%.60q: %v, want %s", c.body, err, c.code)
		}
	}
	for _, ok := range []string{
		deep(511), manyUnknown(200) + "}", "{}", " {\n} ", `{"a":-0.0e+10}`, `{"a":"\u0000"}`,
		`{"tools":[{"function":{"parameters":{"a":1,"a":2}}}],"metadata":{"a":1,"A":2},"messages":[{"x":{"a":1,"a":2}}]}`,
	} {
		mustView(t, Chat, ok).Release()
	}
	if _, err := Acquire(Chat, []byte(`{"messages":[1,2,3]}`), Limits{Elements: 2}); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Error(err)
	}
	if _, err := Acquire(Chat, []byte(`{"a":"bcd"}`), Limits{Bytes: 5}); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Error(err)
	}
}

func manyUnknown(n int) string {
	b := "{"
	for i := range n {
		if i > 0 {
			b += ","
		}
		b += fmt.Sprintf(`"k%d":0`, i)
	}
	return b
}

func TestNoGarbage(t *testing.T) {
	body := agentBody(40)
	n := testing.AllocsPerRun(50, func() {
		v, err := Acquire(Chat, body, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		v.Release()
	})
	if n > 1 && !raceEnabled {
		t.Errorf("%v allocations for a view", n)
	}
}
