package assemble_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/internal/assemble"
	"github.com/trapgate/trapgate/internal/wire"
)

// chunks of the forms that engines send, with one token each.
var typical = []struct {
	name  string
	d     wire.Dialect
	first []string
	chunk string
}{
	{"chat/openai", wire.Chat, nil, `{"id":"chatcmpl-9aBcDeFgHiJkLmNoPqRsTuVwXyZ01","object":"chat.completion.chunk","created":1763800000,"model":"gpt-5-mini-2026-08-07","service_tier":"default","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"aB3xYz"}`},
	{"chat/llama", wire.Chat, nil, `{"choices":[{"finish_reason":null,"index":0,"delta":{"content":" token"}}],"created":1763800000,"id":"chatcmpl-YmKIlUK54gPAV08tltGgqxRb6f76AkAe","model":"markov-chat","system_fingerprint":"b0-unknown","object":"chat.completion.chunk"}`},
	{"chat/call", wire.Chat, nil, `{"choices":[{"finish_reason":null,"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":" token"}}]}}],"created":1763800000,"id":"chatcmpl-YmKIlUK54gPAV08tltGgqxRb6f76AkAe","model":"markov-chat","system_fingerprint":"b0-unknown","object":"chat.completion.chunk"}`},
	{"chat/logprobs", wire.Chat, nil, `{"choices":[{"finish_reason":null,"index":0,"delta":{"content":"A gate"},"logprobs":{"content":[{"id":275,"token":"A gate","bytes":[65,32,103,97,116,101],"logprob":-2.3841860752327193e-07,"top_logprobs":[{"id":275,"token":"A gate","bytes":[65,32,103,97,116,101],"logprob":-2.3841860752327193e-07},{"id":125,"token":"}","bytes":[125],"logprob":-15.952392578125}]}]}}],"created":1763800000,"id":"chatcmpl-YmKI","model":"markov-chat","system_fingerprint":"b0-unknown","object":"chat.completion.chunk"}`},
	{"responses/delta", wire.Responses, nil, `{"type":"response.output_text.delta","sequence_number":12,"item_id":"msg_68a1b2c3d4e5f60718293a4b5c6d7e8f","output_index":0,"content_index":0,"delta":" token","logprobs":[],"obfuscation":"aB3xYz"}`},
	{"messages/text", wire.Messages, []string{msgStart, block("0", `{"type":"text","text":""}`)}, piece("0", `{"type":"text_delta","text":" token"}`)},
	{"messages/input", wire.Messages, []string{msgStart, block("0", `{"type":"tool_use","id":"a","name":"f","input":{}}`)}, piece("0", `{"type":"input_json_delta","partial_json":"\"token\","}`)},
}

// One event, in an answer of 500. Target: below 1 µs.
func BenchmarkEvent(b *testing.B) {
	for _, c := range typical {
		b.Run(c.name, func(b *testing.B) {
			// Tokens differ, and so does the padding where there is some: OpenAI's chunks all need the long way.
			data := [2][]byte{[]byte(c.chunk), []byte(strings.NewReplacer("token", "Grüße", "aB3xYz", "Q9").Replace(c.chunk))}
			var a assemble.Assembler
			a.Limit = 1 << 40
			b.SetBytes(int64(len(data[0])))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i%500 == 0 {
					a.Reset(c.d)
					for _, e := range c.first {
						_ = a.Event(nil, []byte(e))
					}
				}
				if err := a.Event(nil, data[i%2]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A whole answer of 500 events, its body made too.
func BenchmarkAnswer(b *testing.B) {
	data := []byte(typical[1].chunk)
	last := []byte(delta(`{}`, stop))
	var a assemble.Assembler
	var body []byte
	b.ReportAllocs()
	for b.Loop() {
		a.Reset(wire.Chat)
		for range 499 {
			_ = a.Event(nil, data)
		}
		_ = a.Event(nil, last)
		_ = a.Event(nil, []byte(done))
		var err error
		if body, err = a.Body(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUsageStripper(b *testing.B) {
	for _, c := range typical[:2] {
		b.Run(c.name, func(b *testing.B) {
			f := assemble.Frame{Raw: []byte("data: " + c.chunk + "\n\n")}
			f.Data = f.Raw[6 : len(f.Raw)-2]
			var u assemble.UsageStripper
			emit := func(assemble.Frame) error { return nil }
			b.ReportAllocs()
			for b.Loop() {
				_ = u.Event(f, emit)
			}
		})
	}
}

// Eligible and the edit on an agent's body of 435 KB.
func BenchmarkEligible(b *testing.B) {
	var body bytes.Buffer
	body.WriteString(`{"model":"m","temperature":0,"messages":[`)
	for i := 0; body.Len() < 435_000; i++ {
		fmt.Fprintf(&body, `{"role":"user","content":"%0400d"},`, i)
	}
	body.WriteString(`{"role":"user","content":"x"}],"seed":1}`)
	v := view(b, wire.Chat, body.String())
	defer v.Release()
	b.ReportAllocs()
	for b.Loop() {
		if !assemble.Eligible(v) {
			b.Fatal(assemble.Why(v))
		}
	}
}

// A stream whose chunks repeat what they say takes no memory but for its text.
func TestAllocations(t *testing.T) {
	for _, c := range typical {
		var a assemble.Assembler
		a.Reset(c.d)
		for _, e := range append(c.first, c.chunk, c.chunk) {
			if err := a.Event(nil, []byte(e)); err != nil {
				t.Fatal(err)
			}
		}
		data := []byte(c.chunk)
		if n := testing.AllocsPerRun(500, func() { _ = a.Event(nil, data) }); n > 0.1 {
			t.Errorf("%s: %v allocations for each event", c.name, n)
		}
	}
}
