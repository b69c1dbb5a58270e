package recall

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
)

// events makes events of frames.
func events(raw string) (all []filters.Event) {
	for _, frame := range strings.SplitAfter(raw, "\n\n") {
		if frame == "" {
			continue
		}
		var e filters.Event
		for _, line := range strings.Split(strings.TrimSpace(frame), "\n") {
			if v, ok := strings.CutPrefix(line, "event: "); ok {
				e.Name = []byte(v)
			}
			if v, ok := strings.CutPrefix(line, "data: "); ok {
				e.Data = []byte(v)
			}
		}
		all = append(all, e)
	}
	return all
}

func collect(d wire.Dialect, all []filters.Event) []string {
	var c collector
	c.reset(d)
	for i := range all {
		if len(all[i].Data) > 0 {
			c.see(&all[i])
		}
	}
	return c.texts()
}

// Whatever the model says, it is collected as it is said, streamed and whole, and nothing that it thinks.
func TestCollects(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{`"content":"x"`, `\`, `\"`, `"delta":`, `"text":"`, "é😀", `{"type":"`})), 1, 20).Draw(t, "words")
		want := strings.Join(words, "")
		for _, d := range dialects {
			for _, named := range []bool{true, false} {
				all := events(strings.Join(frames(d, words...), ""))
				for i := range all {
					if !named {
						all[i].Name = nil
					}
				}
				if got := strings.Join(collect(d, all), "|"); got != want {
					t.Fatalf("%v: got %q, want %q", d, got, want)
				}
			}
			if got := strings.Join(collect(d, []filters.Event{{Body: true, Data: []byte(unary(d, want))}}), "|"); got != want {
				t.Fatalf("%v, whole: got %q, want %q", d, got, want)
			}
		}
	})
}

// Shapes that real servers send besides the usual one.
func TestCollectsOddities(t *testing.T) {
	t.Parallel()
	data := func(lines ...string) (all []filters.Event) {
		for _, l := range lines {
			all = append(all, filters.Event{Data: []byte(l)})
		}
		return all
	}
	chunk := func(choices string) string { return `{"id":"c","choices":[` + choices + `]}` }
	for _, c := range []struct {
		name string
		d    wire.Dialect
		in   []filters.Event
		want string // messages parted by |
	}{
		{"chat: index behind, two choices", wire.Chat, data(
			chunk(`{"delta":{"content":"a"},"index":0}`), chunk(`{"delta":{"content":"X"},"index":1}`), chunk(`{"delta":{"content":"b"},"index":0}`)), "ab"},
		{"chat: index before, two choices", wire.Chat, data(
			chunk(`{"index":0,"delta":{"content":"a"}}`), chunk(`{"index":1,"delta":{"content":"X"}}`), chunk(`{"index":0,"delta":{"content":"b"}}`)), "ab"},
		{"chat: two choices in one chunk", wire.Chat, data(
			chunk(`{"index":1,"delta":{"content":"X"}},{"index":0,"delta":{"content":"a"}}`), chunk(`{"index":1,"delta":{"content":"Y"}},{"index":0,"delta":{"content":"b"}}`)), "ab"},
		{"chat: content elsewhere", wire.Chat, data(
			chunk(`{"index":0,"delta":{"content":"a"}}`), chunk(`{"index":0,"delta":{"annotations":[{"url_citation":{"content":"X"}}]}}`),
			chunk(`{"index":0,"delta":{"content":null,"tool_calls":[{"function":{"arguments":"\"content\":\"X\""}}]}}`), chunk(`{"index":0,"logprobs":{"content":[{"token":"X"}]},"delta":{"content":"b"}}`)), "ab"},
		{"chat: white space", wire.Chat, data(`{"choices": [{"index": 0, "delta": {"content": "a"}}]}`, `{"choices": [{"index": 0, "delta": {"content": "b"}}]}`), "ab"},
		{"chat: halves of a character", wire.Chat, data(chunk(`{"index":0,"delta":{"content":"\ud83d"}}`), chunk(`{"index":0,"delta":{"content":"\ude00"}}`)), "😀"},
		{"chat: parts", wire.Chat, []filters.Event{{Body: true, Data: []byte(chunk(`{"message":{"content":[{"type":"thinking","text":"X"},{"type":"text","text":"a"},{"type":"text","text":"b"}]}}`))}}, "a\n\nb"},
		{"messages: blocks", wire.Messages, data(
			`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}`,
			`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use"}}`, `{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"text\":\"X\"}"}}`,
			`{"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}`, `{"type":"content_block_delta","index":2,"delta":{"text":"b","type":"text_delta"}}`), "a\n\nb"},
		{"messages: blocks of a body", wire.Messages, []filters.Event{{Body: true, Data: []byte(`{"content":[{"type":"text","text":"a"},{"type":"tool_use","input":{"text":"X"}},{"type":"text","text":"b"}]}`)}}, "a\n\nb"},
		{"responses: two messages", wire.Responses, data(
			`{"type":"response.output_item.added","item":{"type":"message"}}`, `{"type":"response.output_text.delta","delta":"a"}`, `{"type":"response.function_call_arguments.delta","delta":"X"}`,
			`{"type":"response.output_item.added","item":{"type":"message"}}`, `{"type": "response.output_text.delta", "delta": "b"}`, `{"sequence_number":4,"type":"response.output_text.delta","delta":"c"}`), "a|bc"},
		{"responses: two messages of a body", wire.Responses, []filters.Event{{Body: true, Data: []byte(`{"output":[{"type":"message","content":[{"type":"output_text","text":"a"},{"type":"refusal","refusal":"X"}]},{"type":"message","content":[{"type":"output_text","text":"b"}]}]}`)}}, "a|b"},
		{"no JSON", wire.Chat, data(`[DONE]`, `"content":"`, `{"choices":[{"index":0,"delta":{"content":"`), ""},
	} {
		if got := strings.Join(collect(c.d, c.in), "|"); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// FuzzCollect shows anything to a collector: what comes out is bounded and UTF-8 where what went in was.
func FuzzCollect(f *testing.F) {
	for _, d := range dialects {
		f.Add(byte(d), strings.Join(frames(d, "a", "\"b\"", "ü"), ""), false)
		f.Add(byte(d), unary(d, "a"), true)
	}
	f.Fuzz(func(t *testing.T, d byte, raw string, body bool) {
		all := []filters.Event{{Body: true, Data: []byte(raw)}}
		if !body {
			all = events(raw)
		}
		for _, text := range collect(wire.Dialect(d), all) {
			if len(text) > 2*maxAnswer || utf8.ValidString(raw) && !utf8.ValidString(text) {
				t.Errorf("%d bytes, %q", len(text), text)
			}
		}
	})
}

// BenchmarkEvent is what a token of an answer costs more.
func BenchmarkEvent(b *testing.B) {
	for _, d := range dialects {
		words := make([]string, 200)
		for i := range words {
			words[i] = fmt.Sprint(" word", i)
		}
		all := events(strings.Join(frames(d, words...), ""))
		b.Run(d.String(), func(b *testing.B) {
			var c collector
			b.ReportAllocs()
			for b.Loop() {
				c.reset(d)
				for i := range all {
					c.see(&all[i])
				}
			}
			if got := c.texts(); len(got) != 1 || got[0] != strings.Join(words, "") {
				b.Fatal(got)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(all)), "ns/event")
		})
	}
}
