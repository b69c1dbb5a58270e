package wire

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/zeebo/xxh3"
)

// agentBody is a chat body like a coding agent's: about 445 KB in 200 messages, source code with escapes every 40 bytes or
// so, a system prompt and some tools in front.
func agentBody(messages int) []byte {
	var b strings.Builder
	b.WriteString(`{"model":"gpt-5","stream":true,"stream_options":{"include_usage":true},"tools":[`)
	for i := range 20 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"type":"function","function":{"name":"tool_%d","description":"does thing %d","parameters":{"type":"object","properties":{"path":{"type":"string","description":"a path"},"limit":{"type":"integer"}},"required":["path"],"additionalProperties":false}}}`, i, i)
	}
	b.WriteString(`],"messages":[{"role":"system","content":"You are a careful programmer.\nAnswer briefly."}`)
	for i := range messages {
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, `,{"role":"user","content":%s}`, quoted(code(i, 20)))
		case 1:
			fmt.Fprintf(&b, `,{"role":"assistant","content":null,"tool_calls":[{"id":"call_%d","type":"function","function":{"name":"tool_1","arguments":%s}}]}`,
				i, quoted(fmt.Sprintf(`{"path": "src/file_%d.go", "limit": %d}`, i, i)))
		case 2:
			fmt.Fprintf(&b, `,{"role":"tool","tool_call_id":"call_%d","content":%s}`, i-1, quoted(code(i, 44)))
		case 3:
			fmt.Fprintf(&b, `,{"role":"assistant","content":%s}`, quoted(code(i, 20)))
		}
	}
	b.WriteString(`]}`)
	return []byte(b.String())
}

func code(seed, lines int) string {
	var b strings.Builder
	for i := range lines {
		fmt.Fprintf(&b, "\tresult_%d := compute(input[%d], \"key\") // the next step of it, told in a line as long as lines are\n", i+seed, i)
	}
	return b.String()
}

func quoted(s string) string { return string(Quote(nil, s)) }

func BenchmarkCold(b *testing.B) {
	body := agentBody(200)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		v, err := Acquire(Chat, body, Limits{})
		if err != nil {
			b.Fatal(err)
		}
		v.Release()
	}
}

func BenchmarkKnownPrefix(b *testing.B) {
	first, next := agentBody(198), agentBody(200)
	v, err := Acquire(Chat, first, Limits{})
	if err != nil {
		b.Fatal(err)
	}
	c := NewPrefixCache(1 << 24)
	c.Store(1, v)
	b.SetBytes(int64(len(next)))
	b.ReportAllocs()
	for b.Loop() {
		v, hit, err := c.Lookup(1, Chat, next, Limits{})
		if err != nil || !hit {
			b.Fatal(hit, err)
		}
		v.Release()
	}
}

// The same with 90 KB of tools and system text behind the history, as Claude Code sends them, and the chain hash of all.
func BenchmarkKnownPrefixToolsLast(b *testing.B) {
	foot := strings.Repeat(`{"name":"t","description":"a tool","input_schema":{"type":"object","properties":{"path":{"type":"string"}}}},`, 900)
	body := func(n int) []byte {
		m := strings.TrimSuffix(string(agentBody(n)), "}")
		m = strings.Replace(m, `"tools":[`, `"x_tools":[`, 1)
		return []byte(m + `,"tools":[` + strings.TrimSuffix(foot, ",") + `]}`)
	}
	first, next := body(160), body(162)
	v, err := Acquire(Chat, first, Limits{})
	if err != nil {
		b.Fatal(err)
	}
	v.ChainFrom(1, 0, nil)
	c := NewPrefixCache(1 << 24)
	c.Store(1, v)
	var dst []uint64
	b.SetBytes(int64(len(next)))
	b.ReportAllocs()
	for b.Loop() {
		v, hit, err := c.Lookup(1, Chat, next, Limits{})
		if err != nil || !hit {
			b.Fatal(hit, err)
		}
		dst = v.ChainFrom(1, 0, dst[:0])
		v.Release()
	}
}

// BenchmarkStoreGrowing is Store for each request of a growing conversation.
func BenchmarkStoreGrowing(b *testing.B) {
	var views []*View
	for n := 100; n < 140; n += 2 {
		v, err := Acquire(Chat, agentBody(n), Limits{})
		if err != nil {
			b.Fatal(err)
		}
		views = append(views, v)
	}
	c := NewPrefixCache(1 << 24)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if i%len(views) == 0 {
			b.StopTimer()
			c = NewPrefixCache(1 << 24)
			c.Store(1, views[0])
			i = 1
			b.StartTimer()
		}
		b.StopTimer()
		v, hit, err := c.Lookup(1, Chat, views[i].Body, Limits{})
		if err != nil || !hit {
			b.Fatal(hit, err)
		}
		b.StartTimer()
		c.Store(1, v)
		b.StopTimer()
		v.Release()
		b.StartTimer()
		i++
	}
}

func BenchmarkChainCold(b *testing.B) {
	v, err := Acquire(Chat, agentBody(200), Limits{})
	if err != nil {
		b.Fatal(err)
	}
	var dst []uint64
	b.ReportAllocs()
	for b.Loop() {
		v.hashes = v.hashes[:0]
		dst = v.ChainFrom(1, 0, dst[:0])
	}
}

func BenchmarkStoreCold(b *testing.B) {
	v, err := Acquire(Chat, agentBody(200), Limits{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		v.Prefix()
	}
}

func BenchmarkReferences(b *testing.B) {
	body := agentBody(200)
	b.Run("json.Valid", func(b *testing.B) {
		for b.Loop() {
			json.Valid(body)
		}
	})
	b.Run("xxh3", func(b *testing.B) {
		for b.Loop() {
			xxh3.Hash(body)
		}
	})
	b.Run("xxh3 seeded", func(b *testing.B) {
		for b.Loop() {
			xxh3.HashSeed(body, 7)
		}
	})
}

func BenchmarkMeter(b *testing.B) {
	for _, c := range []struct {
		name string
		d    Dialect
		ev   func(i int) string
	}{
		{"chat delta", Chat, func(i int) string {
			return fmt.Sprintf(`{"id":"chatcmpl-AbCdEfGh","object":"chat.completion.chunk","created":1763821200,"model":"gpt-5","service_tier":"default","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":" token%d"},"logprobs":null,"finish_reason":null}]}`, i)
		}},
		{"chat delta, obfuscated", Chat, func(i int) string {
			return fmt.Sprintf(`{"id":"chatcmpl-AbCdEfGh","object":"chat.completion.chunk","created":1763821200,"model":"gpt-5","service_tier":"default","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":" token%d"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"aB%d"}`, i, i)
		}},
		{"chat usage", Chat, func(int) string {
			return `{"id":"chatcmpl-AbCdEfGh","object":"chat.completion.chunk","created":1763821200,"model":"gpt-5","choices":[],"usage":{"prompt_tokens":1200,"completion_tokens":345,"total_tokens":1545,"prompt_tokens_details":{"cached_tokens":1024,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":64,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}`
		}},
		{"responses delta", Responses, func(i int) string {
			return fmt.Sprintf(`{"type":"response.output_text.delta","sequence_number":%d,"item_id":"msg_0123456789","output_index":0,"content_index":0,"delta":" token","logprobs":[],"obfuscation":"x"}`, i)
		}},
		{"messages delta", Messages, func(i int) string {
			return fmt.Sprintf(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" token%d"}}`, i)
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var events [16][]byte
			for i := range events {
				events[i] = []byte(c.ev(i))
			}
			var m Meter
			m.Reset(c.d)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				m.Event(nil, events[i&15])
				i++
			}
		})
	}
}
