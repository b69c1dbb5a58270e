package assemble_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/trapgate/trapgate/internal/assemble"
	"github.com/trapgate/trapgate/internal/wire"
)

func TestEligible(t *testing.T) {
	const tools = `"tools":[{"type":"function","function":{"name":"f"}}],`
	for _, c := range []struct {
		d         wire.Dialect
		more, why string // what stands before the history
	}{
		{wire.Chat, ``, ""},
		{wire.Chat, `"stream":false,`, ""},
		{wire.Chat, `"stream":null,`, ""},
		{wire.Chat, `"stream":true,`, "stream is set"},
		{wire.Chat, `"stream":"no",`, "stream is set"},
		{wire.Chat, `"stream_options":{"include_usage":false},`, ""},
		{wire.Chat, `"n":3,"logprobs":true,"top_logprobs":2,`, ""},
		{wire.Chat, tools + `"parallel_tool_calls":true,"tool_choice":"auto",`, ""},
		{wire.Chat, tools + `"logprobs":false,`, ""},
		{wire.Chat, `"tools":[],"logprobs":true,`, ""},
		{wire.Chat, tools + `"logprobs":true,`, "logprobs with tools"},
		{wire.Chat, `"functions":[{"name":"f"}],"logprobs":true,`, "logprobs with tools"},
		{wire.Chat, `"modalities":["text"],`, ""},
		{wire.Chat, `"modalities":["text","audio"],`, "modalities"},
		{wire.Chat, `"modalities":"text",`, "modalities"},
		{wire.Chat, `"audio":null,`, ""},
		{wire.Chat, `"audio":{"voice":"a","format":"wav"},`, "member audio"},
		{wire.Chat, `"temperature":0.5,"seed":1,"cache_prompt":true,"min_p":0.1,"chat_template_kwargs":{},`, ""},
		{wire.Chat, `"return_progress":true,`, "member return_progress"},
		{wire.Chat, `"timings_per_token":true,`, "member timings_per_token"},
		{wire.Chat, `"verbose":true,`, "member verbose"},
		{wire.Chat, `"echo":true,`, "member echo"},
		{wire.Chat, `"prompt_logprobs":1,`, "member prompt_logprobs"},
		{wire.Chat, `"Temperature":1,`, "member Temperature"},
		{wire.Chat, `"se\u0065d":1,`, "member seed"},
		{wire.Chat, `"tomorrow":true,`, "member tomorrow"},
		{wire.Chat, `"tomorrow":null,`, ""},
		{wire.Responses, `"store":false,"include":["reasoning.encrypted_content"],`, ""},
		{wire.Responses, `"background":false,`, ""},
		{wire.Responses, `"background":true,`, "background"},
		{wire.Responses, `"background":true,"stream":true,`, "stream is set"},
		{wire.Responses, `"conversation":{"id":"c"},"top_logprobs":2,`, ""},
		{wire.Responses, `"generate":false,`, "member generate"},
		{wire.Messages, `"max_tokens":5,"thinking":{"type":"enabled","budget_tokens":1024},"system":"s","tools":[{"name":"f","input_schema":{}}],`, ""},
		{wire.Messages, `"stream":true,`, "stream is set"},
		{wire.Messages, `"n":2,`, "member n"},
		{wire.Completions, ``, "dialect completions"},
		{wire.Embeddings, ``, "dialect embeddings"},
	} {
		history := `"messages":[{"role":"user","content":"{\"stream\":true}"}]`
		if c.d == wire.Responses {
			history = `"input":"hi"`
		}
		for _, body := range []string{`{"model":"m",` + c.more + history + `}`, "\n{ " + c.more + history + " }\n"} {
			v := view(t, c.d, body)
			if why := assemble.Why(v); why != c.why || assemble.Eligible(v) != (why == "") {
				t.Errorf("%s %s: %q, want %q", c.d, body, why, c.why)
			}
			v.Release()
		}
	}
}

func TestStreamEdit(t *testing.T) {
	const options = `"stream_options":{"include_usage":true}`
	for _, c := range []struct {
		d          wire.Dialect
		body, want string
	}{
		{wire.Chat, `{"model":"m","messages":[]}`, `{"stream":true,` + options + `,"model":"m","messages":[]}`},
		{wire.Chat, "{\n \"messages\" : [ ] , \"stream\" : false }", "{" + `"stream_options":{"include_usage":true},` + "\n \"messages\" : [ ] , \"stream\" : true }"},
		{wire.Chat, `{"stream":null,"stream_options":null,"messages":[]}`, `{"stream":true,` + options + `,"messages":[]}`},
		{wire.Chat, `{"stream_options":{},"stream":false}`, `{"stream_options":{"include_usage":true},"stream":true}`},
		{wire.Chat, `{"stream_options":{"x":1},"stream":false}`, `{"stream_options":{"include_usage":true,"x":1},"stream":true}`},
		{wire.Chat, `{"stream_options":{"x":1,"include_usage" : false },"stream":false}`, `{"stream_options":{"x":1,"include_usage" : true },"stream":true}`},
		{wire.Chat, `{"stream_options":{"include_usage":true},"stream":false}`, `{"stream_options":{"include_usage":true},"stream":true}`},
		{wire.Chat, `{}`, `{"stream":true,` + options + `}`},
		{wire.Responses, `{"input":"a\u0062"}`, `{"stream":true,"input":"a\u0062"}`},
		{wire.Messages, `{"stream":false,"messages":[],"x":1.0}`, `{"stream":true,"messages":[],"x":1.0}`},
	} {
		v := view(t, c.d, c.body)
		var e wire.Edits
		assemble.Stream(v, &e)
		got, err := wire.Apply(nil, v.Body, nil, &e)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", c.body, err, got, c.want)
		}
		v.Release()
		again := view(t, c.d, string(got))
		if !again.Stream || c.d == wire.Chat && !again.IncludeUsage() {
			t.Errorf("%s does not ask for a stream with usage", got)
		}
		again.Release()
	}
}

func TestAskUsage(t *testing.T) {
	for _, c := range []struct {
		d          wire.Dialect
		body, want string // "" for no edit
	}{
		{wire.Chat, `{"stream":true,"messages":[]}`, `{"stream_options":{"include_usage":true},"stream":true,"messages":[]}`},
		{wire.Chat, `{"stream":true,"stream_options":{"include_usage":false}}`, `{"stream":true,"stream_options":{"include_usage":true}}`},
		{wire.Chat, `{"stream":true,"stream_options":{"include_usage":true}}`, ""},
		{wire.Chat, `{"stream":false}`, ""},
		{wire.Chat, `{}`, ""},
		{wire.Responses, `{"stream":true}`, ""},
		{wire.Messages, `{"stream":true}`, ""},
		{wire.Completions, `{"stream":true,"prompt":"x"}`, `{"stream_options":{"include_usage":true},"stream":true,"prompt":"x"}`},
		{wire.Completions, `{"stream":true,"stream_options":{"include_usage":true}}`, ""},
		{wire.Completions, `{"prompt":"x"}`, ""},
	} {
		v := view(t, c.d, c.body)
		var e wire.Edits
		asked := assemble.AskUsage(v, &e)
		got, err := wire.Apply(nil, v.Body, nil, &e)
		if want := c.want; err != nil || asked != (want != "") || asked && string(got) != want || !asked && e.Len() != 0 {
			t.Errorf("%s: %v %v %s", c.body, asked, err, got)
		}
		v.Release()
	}
}

func TestChoices(t *testing.T) {
	for _, c := range []struct {
		d    wire.Dialect
		body string
		want int64
	}{
		{wire.Chat, `{"messages":[{"role":"user","content":"n"}],"tools":[],"n":3}`, 3},
		{wire.Chat, `{"n" : 2 ,"messages":[{"role":"user","content":"hi","n":9}]}`, 2},
		{wire.Chat, `{"messages":[]}`, 1},
		{wire.Chat, `{"n":null}`, 1},
		{wire.Chat, `{"n":0}`, 1},
		{wire.Chat, `{"n":-4}`, 1},
		{wire.Chat, `{"n":"4"}`, 1},
		{wire.Chat, `{"n":1e300}`, 1},
		{wire.Chat, `{"n":1000000}`, 128},
		{wire.Chat, `{"best_of":4}`, 1},
		{wire.Completions, `{"prompt":"x","n":2,"best_of":5}`, 5},
		{wire.Responses, `{"n":3,"input":"x"}`, 1},
	} {
		v := view(t, c.d, c.body)
		if got := assemble.Choices(v); got != c.want {
			t.Errorf("%s: %d, want %d", c.body, got, c.want)
		}
		v.Release()
	}
}

// What real agents send is eligible once they do not ask for a stream themselves.
func TestCapturedRequests(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/data/captured/*.json")
	if len(files) == 0 {
		t.Skip("SKIP: ../shared/data/captured is not there")
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := wire.Chat
		if !bytes.Contains(body, []byte(`"messages"`)) {
			d = wire.Responses
		}
		v := view(t, d, string(body))
		if v.Stream != (assemble.Why(v) == "stream is set") {
			t.Errorf("%s: %q", filepath.Base(file), assemble.Why(v))
		}
		var e wire.Edits
		e.SetStream(v, false) // the same request without
		if body, err = wire.Apply(nil, v.Body, nil, &e); err != nil {
			t.Fatal(err)
		}
		v.Release()
		v = view(t, d, string(body))
		if why := assemble.Why(v); why != "" {
			t.Errorf("%s: %s", filepath.Base(file), why)
		}
		v.Release()
	}
}
