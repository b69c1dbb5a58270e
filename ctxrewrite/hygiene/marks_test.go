package hygiene

import (
	"fmt"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/internal/wire"
)

func marking(r *Request) {
	r.Settings, r.Profile, r.Model = Settings{Breakpoints: true, Volatile: VolatileOff}, history.Anthropic, "claude-sonnet-4-5"
}

const marked = `"cache_control":{"type":"ephemeral"}`

var long = strings.Repeat("words that fill a page ", 400)

func messagesBody(tools, system, messages string) string {
	return `{"model":"m","tools":[` + tools + `],"system":` + system + `,"messages":[` + messages + `]}`
}

const (
	lsTool   = `{"name":"ls","input_schema":{}}`
	blockSys = `[{"type":"text","text":"LONG"},{"type":"text","text":" \n"}]`
	userText = `{"role":"user","content":"hello"}`
	thinking = `{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"so"}]}`
	withMark = `{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}`
	hourMark = `{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral","ttl":"1h"}}]}`
)

func TestMarks(t *testing.T) {
	sys := strings.ReplaceAll(blockSys, "LONG", long)
	sysMarked := `[{"type":"text","text":"` + long + `",` + marked + `},{"type":"text","text":" \n"}]`
	helloMarked := `{"role":"user","content":[{"type":"text","text":"hello",` + marked + `}]}`
	for name, x := range map[string]struct{ in, out string }{
		"all":           {messagesBody(lsTool, sys, userText), messagesBody(lsTool, sysMarked, helloMarked)}, // the tools alone are too short
		"string system": {messagesBody("", `"`+long+`"`, userText), messagesBody("", `[{"type":"text","text":"`+long+`",`+marked+`}]`, helloMarked)},
		"too short":     {messagesBody(lsTool, `"x"`, userText), messagesBody(lsTool, `"x"`, userText)},
		"not the model's": {
			messagesBody("", `"x"`, `{"role":"user","content":"`+long+`"},`+thinking),
			messagesBody("", `"x"`, `{"role":"user","content":[{"type":"text","text":"`+long+`",`+marked+`}]},`+thinking),
		},
		"one left": {messagesBody(lsTool, sys, withMark+","+withMark+","+withMark+","+userText), messagesBody(lsTool, sys, withMark+","+withMark+","+withMark+","+helloMarked)},
		"none left": {
			messagesBody(lsTool, sys, withMark+","+withMark+","+withMark+","+withMark+","+userText),
			messagesBody(lsTool, sys, withMark+","+withMark+","+withMark+","+withMark+","+userText),
		},
		"tail has one":     {messagesBody(lsTool, sys, withMark), messagesBody(lsTool, sysMarked, withMark)},
		"an hour behind":   {messagesBody(lsTool, sys, hourMark+","+userText), messagesBody(lsTool, sys, hourMark+","+helloMarked)},
		"automatic":        {`{"cache_control":{"type":"ephemeral"},` + messagesBody("", sys, userText)[1:], `{"cache_control":{"type":"ephemeral"},` + messagesBody("", sys, userText)[1:]},
		"only in a text":   {messagesBody("", sys, `{"role":"user","content":"say \"cache_control\""}`), messagesBody("", sysMarked, `{"role":"user","content":[{"type":"text","text":"say \"cache_control\"",`+marked+`}]}`)},
		"nothing to carry": {messagesBody("", sys, `{"role":"user","content":" \n"}`), messagesBody("", sysMarked, `{"role":"user","content":" \n"}`)},
		"tools": {
			messagesBody(`{"name":"a","description":"`+long+`"}`, `""`, `{"role":"user","content":""}`),
			messagesBody(`{"name":"a","description":"`+long+`",`+marked+`}`, `""`, `{"role":"user","content":""}`),
		},
		"deferred tools": {
			messagesBody(`{"name":"a","defer_loading":true,"description":"`+long+`"}`, `""`, `{"role":"user","content":""}`),
			messagesBody(`{"name":"a","defer_loading":true,"description":"`+long+`"}`, `""`, `{"role":"user","content":""}`),
		},
	} {
		sent, rep := fix(t, New(Options{}), wire.Messages, x.in, marking)
		if sent != x.out || rep.Marks != strings.Count(x.out, marked)-strings.Count(x.in, marked) {
			t.Errorf("%s: %+v\n%s\nwant\n%s", name, rep, strings.ReplaceAll(sent, long, "LONG"), strings.ReplaceAll(x.out, long, "LONG"))
		}
	}
}

// Where more blocks have come than the provider looks back over, the end of the request before has a mark, exactly where it was then.
func TestLookBack(t *testing.T) {
	first := messagesBody("", `"`+long+`"`, `{"role":"user","content":"one"}`)
	var calls, results []string
	for i := range 12 {
		calls = append(calls, fmt.Sprintf(`{"type":"tool_use","id":"c%d","name":"ls","input":{}}`, i))
		results = append(results, fmt.Sprintf(`{"type":"tool_result","tool_use_id":"c%d","content":"x"}`, i))
	}
	second := messagesBody("", `"`+long+`"`, `{"role":"user","content":"one"},{"role":"assistant","content":[`+strings.Join(calls, ",")+`]},{"role":"user","content":[`+strings.Join(results, ",")+`]}`)
	h := New(Options{})
	before, _ := fix(t, h, wire.Messages, first, marking)
	after, rep := fix(t, h, wire.Messages, second, marking)
	if rep.Marks != 3 || !strings.HasPrefix(after, head(t, wire.Messages, before)) {
		t.Errorf("%+v %s", rep, after)
	}
}

// The message with a digest has a mark; what the engine left out has none, and cut texts can become blocks.
func TestMarksBesideTheEngine(t *testing.T) {
	b := strings.Replace(body(wire.Messages, "S", 6), "S", long, 1)
	sent, rep := fix(t, New(Options{}), wire.Messages, b, func(r *Request) {
		marking(r)
		v := r.View
		r.Call.Insert(v.Texts[v.Msgs[0].Text.To-1].End-1, []byte("DIGEST"))
		r.Call.Replace(wire.Span{Start: v.Msgs[1].Span.Start, End: v.Msgs[9].Span.Start}, nil)
		r.Call.Replace(v.Texts[v.Msgs[22].Text.From], []byte(`"cut"`))
	})
	if rep.Marks != 3 || !strings.Contains(sent, `DIGEST",`+marked+`}]`) || !strings.Contains(sent, `"cut",`+marked) {
		t.Errorf("%+v\n%s", rep, strings.ReplaceAll(sent, long, "LONG"))
	}
}

func TestKey(t *testing.T) {
	keyed := func(url string) func(*Request) {
		return func(r *Request) {
			r.Settings, r.Profile = Settings{CacheKey: true}, history.ProfileOf(url, "m", r.View.Dialect)
		}
	}
	hash := sessionHash("t", "s")
	if len(hash) != 32 || hash == sessionHash("ts", "") || hash != sessionHash("t", "s") || hash == sessionHash("t", "s2") {
		t.Error(hash)
	}
	for _, x := range []struct {
		url string
		d   wire.Dialect
		on  bool
	}{
		{"https://api.openai.com/v1", wire.Chat, true},
		{"https://api.openai.com/v1", wire.Responses, true},
		{"https://x.openai.azure.com", wire.Responses, true},
		{"https://api.mistral.ai/v1", wire.Chat, true},
		{"https://api.deepseek.com", wire.Chat, false},
		{"https://generativelanguage.googleapis.com", wire.Chat, false},
		{"http://127.0.0.1:8000", wire.Chat, false},
		{"http://127.0.0.1:8000", wire.Responses, false},
		{"https://api.anthropic.com", wire.Messages, false},
	} {
		b := body(x.d, "S", 1)
		sent, rep := fix(t, New(Options{}), x.d, b, keyed(x.url))
		if want := `{"prompt_cache_key":"` + hash + `",` + b[1:]; rep.Key != x.on || x.on && sent != want || !x.on && sent != b {
			t.Errorf("%s %v: %s", x.url, x.d, sent)
		}
	}
	for _, own := range []string{`"mine"`, "null"} {
		b := `{"prompt_cache_key":` + own + "," + body(wire.Chat, "S", 1)[1:]
		if sent, rep := fix(t, New(Options{}), wire.Chat, b, keyed("https://api.openai.com")); rep.Key || sent != b {
			t.Errorf("%s: %s", own, sent)
		}
	}
	if _, rep := fix(t, New(Options{}), wire.Chat, body(wire.Chat, "S", 1), func(r *Request) {
		keyed("https://api.openai.com")(r)
		r.Session = ""
	}); rep.Key {
		t.Error("a key for no session")
	}
}
