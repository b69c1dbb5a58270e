package wire

import (
	"fmt"
	"slices"
	"testing"
)

// chat1 is the hash of one chat message, as the only one of a request.
func hash1(t *testing.T, d Dialect, element string) uint64 {
	t.Helper()
	key := "messages"
	if d == Responses {
		key = "input"
	}
	v := mustView(t, d, `{"`+key+`":[`+element+`]}`)
	defer v.Release()
	return v.MessageHash(0, 7)
}

func TestHashMeaning(t *testing.T) {
	for _, group := range []struct {
		d    Dialect
		same []string // one meaning
	}{
		{Chat, []string{
			`{"role":"user","content":"h\u00e9/"}`, `{"content":"hé\/","role":"user"}`, `{"role":"user","content":[{"type":"text","text":"hé/"}]}`,
			`{ "role" : "user", "content" : [ { "text" : "hé/", "type" : "text", "cache_control":{"type":"ephemeral"} } ], "sender":"x" }`,
			`{"r\u006fle":"user","content":"h\u00E9/","tool_name":null,"internal_x":{"a":1}}`,
		}},
		{Chat, []string{
			`{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\": 1, \"b\": [1.0, \"x\\u00e9\"]}"}}]}`,
			`{"role":"assistant","tool_calls":[{"function":{"arguments":"{\"b\":[1,\"xé\"],\"a\":1}","name":"f"},"id":"c1","type":"function","index":0}],"refusal":null,"annotations":[],"audio":null,"parsed":null,"function_call":null}`,
			`{"role":"assistant","content":"","tool_calls":[{"id":"c1","function":{"name":"f","arguments":" {\"a\":1e0,\"b\":[1,\"x\u00e9\"]} "}}],"provider_specific_fields":{"refusal":null}}`,
			`{"role":"assistant","content":[],"tool_calls":[{"id":"c1","function":{"name":"f","arguments":"{\"a\":1,\"b\":[1,\"xé\"]}"}}]}`,
			`{"role":"assistant","content":[{"type":"text","text":""}],"tool_calls":[{"id":"c1","function":{"name":"f","arguments":"{\"a\":1,\"b\":[1,\"xé\"]}"}}]}`,
		}},
		{Chat, []string{
			`{"role":"tool","tool_call_id":"c1","content":"r"}`, `{"role":"tool","tool_call_id":"c1","name":"f","tool_name":"f","content":[{"type":"text","text":"r"}]}`,
		}},
		{Chat, []string{
			`{"role":"tool","tool_call_id":"c1","content":""}`, `{"role":"tool","tool_call_id":"c1","content":null}`, `{"role":"tool","tool_call_id":"c1","content":[]}`,
		}},
		{Chat, []string{
			`{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":""}}]}`,
			`{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]}`,
		}},
		{Chat, []string{`{"role":"assistant","content":null}`, `{"role":"assistant","content":""}`, `{"role":"assistant"}`}},
		{Chat, []string{
			`{"role":"user","content":[{"type":"image_url","image_url":{"url":"u","detail":"auto"}}]}`,
			`{"role":"user","content":[{"image_url":{"detail":"auto","url":"\u0075"},"type":"image_url","cache_control":{}}]}`,
		}},
		{Messages, []string{
			`{"role":"user","content":"x"}`, `{"role":"user","content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}]}`,
		}},
		{Messages, []string{
			`{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"tool_use","id":"t","name":"n","input":{"a":1,"b":null}}]}`,
			`{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"n","input":{"b":null,"a":1.0},"cache_control":{"type":"ephemeral"}}]}`,
		}},
		{Messages, []string{
			`{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"o"}]}`,
			`{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","is_error":false,"content":[{"type":"text","text":"o"}],"cache_control":{}}]}`,
		}},
		{Responses, []string{
			`{"role":"assistant","content":"a"}`, `{"type":"message","id":"m","status":"completed","role":"assistant","content":[{"type":"output_text","text":"a","annotations":[],"logprobs":[]}]}`,
		}},
		{Responses, []string{
			`{"type":"function_call","id":"fc","status":"completed","call_id":"c","name":"f","arguments":"{\"a\": 1}"}`,
			`{"arguments":"{\"a\":1}","call_id":"c","name":"f","type":"function_call"}`,
		}},
		{Responses, []string{
			`{"type":"function_call_output","call_id":"c","output":"o"}`, `{"type":"function_call_output","id":"x","status":"completed","call_id":"c","output":[{"type":"input_text","text":"o"}]}`,
		}},
		{Responses, []string{
			`{"type":"web_search_call","id":"a","status":"completed","action":{"query":"q"}}`, `{"action":{"query":"q"},"type":"web_search_call","status":null}`,
		}},
	} {
		want := hash1(t, group.d, group.same[0])
		for _, s := range group.same[1:] {
			if hash1(t, group.d, s) != want {
				t.Errorf("%s: not the same\n%s\n%s", group.d, group.same[0], s)
			}
		}
	}
}

func TestHashDiffers(t *testing.T) {
	seen := map[uint64]string{}
	for _, c := range []struct {
		d Dialect
		e string
	}{
		{Chat, `{"role":"user","content":"a"}`},
		{Chat, `{"role":"assistant","content":"a"}`},
		{Chat, `{"role":"user","content":"b"}`},
		{Chat, `{"role":"user","content":"a\\n"}`},
		{Chat, `{"role":"user","content":"a\n"}`},
		{Chat, `{"role":"alien","content":"a"}`},
		{Chat, `{"role":"user","name":"one","content":"a"}`},
		{Chat, `{"role":"user","name":"two","content":"a"}`},
		{Chat, `{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}`},
		{Chat, `{"role":"user","content":"ab"}`},
		{Chat, `{"role":"user","content":[{"type":"image_url","image_url":{"url":"u"}}]}`},
		{Chat, `{"role":"user","content":[{"type":"image_url","image_url":{"url":"v"}}]}`},
		{Chat, `{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"u"}}]}`},
		{Chat, `{"role":"user","content":[{"type":"image_url","image_url":{"url":"u"}},{"type":"text","text":"a"}]}`},
		{Chat, `{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"a\":1}"}}]}`},
		{Chat, `{"role":"assistant","tool_calls":[{"id":"d","function":{"name":"f","arguments":"{\"a\":1}"}}]}`},
		{Chat, `{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"g","arguments":"{\"a\":1}"}}]}`},
		{Chat, `{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"a\":2}"}}]}`},
		{Chat, `{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"a\":\"1\"}"}}]}`},
		{Chat, `{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"a\":[1,2]}"}}]}`},
		{Chat, `{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"a\":[2,1]}"}}]}`},
		{Chat, `{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"a\":12345678901234567890}"}}]}`},
		{Chat, `{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"a\":12345678901234567891}"}}]}`},
		{Chat, `{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"not json"}}]}`},
		{Chat, `{"role":"tool","tool_call_id":"c","content":"r"}`},
		{Chat, `{"role":"tool","tool_call_id":"d","content":"r"}`},
		{Messages, `{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","is_error":true,"content":"r"}]}`},
		{Messages, `{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"r"},{"type":"text","text":"s"}]}`},
		{Messages, `{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":[{"type":"text","text":"r"},{"type":"text","text":"s"}]}]}`},
		{Responses, `{"type":"function_call_output","call_id":"c","output":"r"}`},
		{Responses, `{"type":"item_reference","id":"x"}`},
	} {
		h := hash1(t, c.d, c.e)
		if other, dup := seen[h]; dup {
			t.Errorf("the same hash:\n%s\n%s", other, c.e)
		}
		seen[h] = c.e
	}
}

func TestChain(t *testing.T) {
	a := mustView(t, Chat, `{"messages":[{"role":"system","content":"one"},{"role":"user","content":"q"},{"role":"developer","content":"d"}]}`)
	b := mustView(t, Chat, `{"messages":[{"role":"system","content":"two"},{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}`)
	ca, cb := a.ChainFrom(1, 0, nil), b.ChainFrom(1, 0, nil)
	if len(ca) != 3 || ca[0] == cb[0] || ca[1] == cb[1] {
		t.Error(ca, cb)
	}
	skip := ChainOptions{SkipSystem: true}
	sa, sb := a.Chain(1, 0, nil, skip), b.Chain(1, 0, nil, skip)
	if sa[0] != 1 || sa[1] != sb[1] || sa[2] != sa[1] || sb[2] == sb[1] || a.AnchorHash(1) != sa[2] {
		t.Error(sa, sb)
	}
	if got := a.ChainFrom(ca[0], 1, slices.Clone(ca[:1])); !slices.Equal(got, ca) {
		t.Error("a chain goes on where it stopped", got, ca)
	}
	r := mustView(t, Responses, `{"input":[{"role":"user","content":"q"},{"type":"reasoning","id":"r"},{"role":"assistant","content":"a"}]}`)
	s := mustView(t, Responses, `{"input":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}`)
	cr, cs := r.ChainFrom(1, 0, nil), s.ChainFrom(1, 0, nil)
	if cr[2] != cs[1] || cr[0] != cr[1] {
		t.Error("reasoning that an agent leaves out must not matter", cr, cs)
	}
	str := mustView(t, Responses, `{"input":"q"}`)
	if str.ChainFrom(1, 0, nil)[0] != cr[0] {
		t.Error("input as a string is one user message")
	}
	m := mustView(t, Messages, `{"system":"s\u0041","messages":[]}`)
	n := mustView(t, Messages, `{"system":[{"type":"text","text":"sA","cache_control":{"type":"ephemeral"}}],"messages":[],"tools":[{"name":"x","input_schema":{"a":1,"b":2}}]}`)
	if m.SystemHash() != n.SystemHash() || m.SystemHash() == 0 || m.ToolsHash() != 0 || n.ToolsHash() == 0 {
		t.Error("system and tools")
	}
	if TextHash("h\né") != str.TextHashOf(str.Texts[0]) && TextHash("q") != str.TextHashOf(str.Texts[0]) {
		t.Error("TextHash")
	}
}

// The hashes are stored by others, so they must not change between releases unnoticed.
func TestHashIsStable(t *testing.T) {
	v := mustView(t, Chat, string(seeds[0].body))
	if got := fmt.Sprintf("%016x", v.ChainFrom(0, 0, nil)[len(v.Msgs)-1]); got != stableChain {
		t.Errorf("the chain of the first seed is %s, was %s: what others have stored no longer matches", got, stableChain)
	}
}

const stableChain = "24dbcdc0b63f48a1"
