package assemble_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/trapgate/trapgate/internal/assemble"
	"github.com/trapgate/trapgate/internal/sse"
	"github.com/trapgate/trapgate/internal/wire"
	"pgregory.net/rapid"
)

// FuzzAssembler: whatever comes, however it is cut, an answer is JSON and only made of a stream that ended; the way it was cut
// changes nothing; and what is kept stays within the limit.
func FuzzAssembler(f *testing.F) {
	f.Add(byte(wire.Chat), uint16(3), sseOf(delta(`{"content":"a"}`, null), delta(`{"tool_calls":[{"index":1000000000,"id":"a","function":{"name":"f"}}]}`, stop), done))
	f.Add(byte(wire.Chat), uint16(1), sseOf(choice(1e9, `{"l":[{"index":999999999999999999,"x":[]}]}`, stop), `{"error":{}}`))
	f.Add(byte(wire.Chat), uint16(9), sseOf(`{"choices":[{"delta":{"content":null},"logprobs":{"content":[{"a":1}]},"finish_reason":"stop"}],"usage":{"a":1},"system_fingerprint":"b1-a"}`, done))
	f.Add(byte(wire.Messages), uint16(5), anthropicSSE(msgStart, block("7", `{"type":"tool_use","input":{}}`), piece("7", `{"partial_json":"{\"a\":\"\\ud8"}`), piece("7", `{"partial_json":"3d\"}"}`), msgDelta, msgStop))
	f.Add(byte(wire.Messages), uint16(2), anthropicSSE(msgStart, block("1000000000", `{"type":"text","text":""}`), piece("1000000000", `{"citation":{},"signature":"x","text":"y"}`), msgDelta, msgStop))
	f.Add(byte(wire.Chat), uint16(3), sseOf(delta(`{"content":"a"}`, null), delta(`{"content":"b"}`, null), delta(`{"content":"c\"}`, null), delta(`{"content":"c","content":"d"}`, null), delta(`{"content":""}`, null), delta(`{"content":"e"}`, stop), done))
	f.Add(byte(wire.Chat), uint16(3), sseOf(delta(`{"name":"a"}`, null), delta(`{"name":"b"}`, null), delta(`{"name":"ab"}`, null), delta(`{"role":"b","x":"b"}`, null), delta(`{"role":"c","x":"c"}`, stop), done))
	f.Add(byte(wire.Messages), uint16(2), anthropicSSE(msgStart, block("0", `{"type":"text","text":""}`), piece("0", `{"text":"y"}`), piece("0", `{"text":"\u0041"}`), piece("0", `{"text":"z","signature":"a"}`), msgDelta, msgStop))
	f.Add(byte(wire.Responses), uint16(4), anthropicSSE(`{"type":"response.completed","response":{"created_at":1},"timings":{"predicted_n":1}}`))
	f.Add(byte(wire.Responses), uint16(4), anthropicSSE(`{"type":"error","code":429,"message":"x"}`))
	f.Fuzz(func(t *testing.T, dialect byte, piece uint16, stream []byte) {
		d := wire.Dialect(dialect)
		if d != wire.Chat && d != wire.Responses && d != wire.Messages || len(stream) > 1<<16 {
			return
		}
		a := assemble.Assembler{Limit: 1 << 16}
		a.Reset(d)
		body, err := runWith(&a, stream, 0)
		if err != nil {
			var up *assemble.UpstreamError
			var form *assemble.FormError
			switch {
			case errors.As(err, &up):
				if !json.Valid(up.Body) || up.Status < 400 || up.Status > 599 {
					t.Fatalf("%+v", up)
				}
			case !errors.As(err, &form) && !errors.Is(err, assemble.ErrIncomplete) && !errors.Is(err, assemble.ErrTooLarge):
				t.Fatal(err)
			}
		} else if !json.Valid(body) || body[0] != '{' {
			t.Fatalf("no JSON: %q", body)
		} else if again, _ := a.Body(nil); !bytes.Equal(body, again) {
			t.Fatalf("a second Body differs:\n%s\n%s", body, again)
		}
		a.Reset(d) // what was there before must not show
		cut, err2 := runWith(&a, stream, int(piece%64)+1)
		if !bytes.Equal(body, cut) || fmt.Sprint(err) != fmt.Sprint(err2) {
			t.Fatalf("in pieces of %d: %v, %v\n%s\n%s", piece%64+1, err, err2, body, cut)
		}
		a.Reset(d)
		if walked, err3 := runWalked(&a, stream); !bytes.Equal(body, walked) || (err == nil) != (err3 == nil) {
			t.Fatalf("every event walked: %v, %v\n%s\n%s", err, err3, body, walked)
		}
		strip(t, stream, int(piece%64)+1)
	})
}

// runWalked is runWith without the short way: an event that says nothing comes between all others.
func runWalked(a *assemble.Assembler, stream []byte) ([]byte, error) {
	var p sse.Parser
	p.Feed(stream)
	for e, ok := p.Next(); ok; e, ok = p.Next() {
		if err := errors.Join(a.Event([]byte("ping"), []byte(`{"type":"ping"}`)), a.Event(e.Name, e.Data)); err != nil {
			return nil, err
		}
	}
	return a.Body(nil)
}

// Numbers that an upstream may choose decide how much is kept by their count, never by their size.
func TestHostileIndexes(t *testing.T) {
	var chunks []string
	for _, i := range []int64{1e9, 1, 999_999_999_999_999_999, 0, 1e15} {
		chunks = append(chunks, choice(i, fmt.Sprintf(`{"tool_calls":[{"index":%d,"id":"%d","function":{"name":"f","arguments":""}}],"x":[{"index":%d}]}`, i, i, i), stop))
	}
	stream := sseOf(append(chunks, done)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	body, err := run(wire.Chat, stream, 0)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("%d bytes for 5 choices", grown)
	}
	var got struct{ Choices []struct{ Index int64 } }
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprint(got.Choices); s != "[{0} {1} {1000000000} {1000000000000000} {999999999999999999}]" {
		t.Errorf("choices in order %s", s)
	}
	for _, index := range []string{"-1", "1.5", "1e3", "9999999999999999999", `"1"`, "null"} { // no index: the first choice
		body, err := run(wire.Chat, sseOf(strings.Replace(delta(`{"content":"a"}`, stop), `"index":0`, `"index":`+index, 1), done), 0)
		if err != nil || !json.Valid(body) {
			t.Errorf("index %s: %v %s", index, err, body)
		}
	}
}

// What is kept is bounded, whether it is text, members, elements or the last event.
func TestLimit(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for name, c := range map[string]struct {
		d     wire.Dialect
		first string
		next  func(i int) string
	}{
		"text":     {wire.Chat, "", func(int) string { return delta(`{"content":"`+long+`"}`, null) }},
		"members":  {wire.Chat, "", func(i int) string { return delta(fmt.Sprintf(`{"m%d":1}`, i), null) }},
		"choices":  {wire.Chat, "", func(i int) string { return choice(int64(i), `{}`, null) }},
		"calls":    {wire.Chat, "", func(i int) string { return delta(fmt.Sprintf(`{"tool_calls":[{"index":%d}]}`, i), null) }},
		"logprobs": {wire.Chat, "", func(int) string { return `{"choices":[{"index":0,"logprobs":{"content":["` + long + `"]}}]}` }},
		"top":      {wire.Chat, "", func(i int) string { return fmt.Sprintf(`{"choices":[],"m%d":"%s"}`, i, long) }},
		"one":      {wire.Chat, "", func(int) string { return delta(`{"l":[`+strings.Repeat(`{"index":1},[],`, 20_000)+`0]}`, null) }},
		"blocks":   {wire.Messages, msgStart, func(i int) string { return block(fmt.Sprint(i), `{"type":"text"}`) }},
		"input": {wire.Messages, msgStart, func(i int) string {
			if i == 0 {
				return block("0", `{"type":"tool_use"}`)
			}
			return piece("0", `{"partial_json":"`+long+`"}`)
		}},
		"response": {wire.Responses, "", func(int) string {
			return `{"type":"response.completed","response":{"a":"` + strings.Repeat(long, 200) + `"}}`
		}},
	} {
		t.Run(name, func(t *testing.T) {
			a := assemble.Assembler{Limit: 100_000}
			a.Reset(c.d)
			if c.first != "" {
				if err := a.Event(nil, []byte(c.first)); err != nil {
					t.Fatal(err)
				}
			}
			before := heap()
			var err error
			i := 0
			for ; err == nil && i < 10_000; i++ {
				err = a.Event(nil, []byte(c.next(i)))
			}
			if !errors.Is(err, assemble.ErrTooLarge) {
				t.Fatalf("after %d events: %v", i, err)
			}
			if grown := heap() - before; grown > 6*int64(a.Limit) {
				t.Errorf("%d bytes kept at a limit of %d", grown, a.Limit)
			}
			if _, err := a.Body(nil); !errors.Is(err, assemble.ErrTooLarge) {
				t.Errorf("a body: %v", err)
			}
			if err := a.Event(nil, []byte(done)); !errors.Is(err, assemble.ErrTooLarge) {
				t.Errorf("the error does not stay: %v", err)
			}
		})
	}
}

// heap is how much memory is in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// An answer that is cut into a stream at random is assembled to itself.
func TestAnyAnswer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-z"\\\n\t é🙂\x{1f}]{0,30}`)
		choices := rapid.IntRange(1, 3).Draw(t, "choices")
		var chunks []string
		var want []any
		for i := range choices {
			message := map[string]any{"role": "assistant", "content": nil}
			order := []string{choice(int64(i), `{"role":"assistant","content":null}`, null)}
			said := func(key, value string) {
				for len(value) > 0 {
					n := cutAt(t, value)
					order = append(order, choice(int64(i), fmt.Sprintf(`{%q:%s}`, key, quoted(t, value[:n])), null))
					value = value[n:]
				}
			}
			for _, key := range []string{"reasoning_content", "content", "x"} {
				if s := text.Draw(t, key); s != "" {
					message[key] = s
					said(key, s)
				}
			}
			if calls := drawCalls(t, text, int64(i), &order); len(calls) > 0 {
				message["tool_calls"] = calls
			}
			chunks = interleave(t, chunks, append(order, choice(int64(i), `{}`, stop)))
			want = append(want, map[string]any{"index": json.Number(fmt.Sprint(i)), "message": message, "finish_reason": "stop"})
		}
		got, err := run(wire.Chat, sseOf(append(chunks, done)...), rapid.IntRange(0, 50).Draw(t, "piece"))
		if err != nil {
			t.Fatal(err)
		}
		dec := json.NewDecoder(bytes.NewReader(got))
		dec.UseNumber()
		var body map[string]any
		if err := dec.Decode(&body); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, body["choices"]); diff != "" {
			t.Fatalf("%s\n%s", diff, strings.Join(chunks, "\n"))
		}
	})
}

// drawCalls makes tool calls and appends the chunks that tell of them, in any order.
func drawCalls(t *rapid.T, text *rapid.Generator[string], index int64, order *[]string) (calls []any) {
	var told []string
	for k := range rapid.IntRange(0, 3).Draw(t, "calls") {
		args := text.Draw(t, "args")
		id := fmt.Sprintf("call%d", k)
		calls = append(calls, map[string]any{"id": id, "type": "function", "function": map[string]any{"name": "f", "arguments": args}})
		own := []string{choice(index, fmt.Sprintf(`{"tool_calls":[{"index":%d,"id":%q,"type":"function","function":{"name":"f","arguments":""}}]}`, k, id), null)}
		for len(args) > 0 {
			n := cutAt(t, args)
			own = append(own, choice(index, fmt.Sprintf(`{"tool_calls":[{"index":%d,"function":{"arguments":%s}}]}`, k, quoted(t, args[:n])), null))
			args = args[n:]
		}
		told = interleave(t, told, own)
	}
	*order = append(*order, told...)
	return calls
}

// cutAt is where the next piece of s ends: between characters.
func cutAt(t *rapid.T, s string) int {
	n := rapid.IntRange(1, len(s)).Draw(t, "cut")
	for n < len(s) && s[n]&0xc0 == 0x80 {
		n++
	}
	return n
}

// quoted spells a string in one of the ways there are.
func quoted(t *rapid.T, s string) []byte {
	if rapid.Bool().Draw(t, "spelling") {
		return wire.Quote(nil, s)
	}
	var b []byte
	for _, r := range s {
		if r > 0xffff {
			r -= 0x10000
			b = fmt.Appendf(b, `\u%04x\u%04X`, 0xd800+r>>10, 0xdc00+r&0x3ff)
			continue
		}
		b = fmt.Appendf(b, `\u%04x`, r)
	}
	return append(append([]byte{'"'}, b...), '"')
}

// interleave mixes two lists and keeps the order of each.
func interleave(t *rapid.T, a, b []string) []string {
	var out []string
	for len(a) > 0 && len(b) > 0 {
		from := &a
		if rapid.Bool().Draw(t, "from") {
			from = &b
		}
		out = append(out, (*from)[0])
		*from = (*from)[1:]
	}
	return append(append(out, a...), b...)
}
