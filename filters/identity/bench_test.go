package identity

import (
	"fmt"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
)

func exchange(b *testing.B, headers ...string) *filters.Exchange {
	b.Helper()
	return &filters.Exchange{
		ID: "x", Target: "/v1/chat/completions", Fields: fields(headers...), Route: wire.Route{Dialect: wire.Chat, Op: wire.Generate},
	}
}

var sdkHeaders = []string{
	"Host", "127.0.0.1:4000", "Accept-Encoding", "gzip, deflate", "Connection", "keep-alive", "accept", "application/json",
	"content-type", "application/json", "user-agent", "OpenAI/Python 3.54.0", "x-stainless-lang", "python",
	"x-stainless-package-version", "3.54.0", "x-stainless-os", "Linux", "x-stainless-arch", "x64", "x-stainless-runtime", "CPython",
	"x-stainless-runtime-version", "3.11.7", "Authorization", "Bearer sk-0123456789abcdef0123456789abcdef",
	"x-stainless-async", "false", "x-stainless-retry-count", "0", "x-stainless-read-timeout", "600", "Content-Length", "200",
}

// The part of a small request that stands before its way upstream, and all of it.
func BenchmarkSmall(b *testing.B) {
	body := []byte(chat(msg("user", "hi")))
	for _, kind := range []string{"sdk", "codex"} {
		headers := sdkHeaders
		if kind == "codex" {
			headers = append(headers[:len(headers):len(headers)], "thread-id", "01a202e3-48aa-74a3-953d-d590a3f56373", "session-id", "01a202e3-48aa-74a3-953d-d590a3f56373")
		}
		fs := fields(headers...)
		for _, part := range []string{"open", "all"} {
			b.Run(kind+"/"+part, func(b *testing.B) {
				f := New(Options{})
				x := exchange(b)
				x.Fields = fs
				v, _ := wire.Acquire(wire.Chat, body, wire.Limits{})
				b.ReportAllocs()
				for b.Loop() {
					x.Identity, x.View = filters.Identity{}, v
					if part == "open" {
						x.View = nil
					}
					s, _ := f.Open(b.Context(), x)
					_ = x.RunLater()
					s.Close(nil)
				}
			})
		}
	}
}

// long is a conversation of n bytes in 200 messages.
func long(n int) (string, string) {
	var sb strings.Builder
	sb.WriteString(`{"model":"m","messages":[{"role":"system","content":"You help."}`)
	text := strings.Repeat("some words of a file with a line end\\n", n/200/38)
	for i := range 100 {
		fmt.Fprintf(&sb, `,{"role":"assistant","content":null,"tool_calls":[{"id":"call_%016d","type":"function","function":{"name":"bash","arguments":"{\"a\":%d}"}}]}`, i, i)
		fmt.Fprintf(&sb, `,{"role":"tool","tool_call_id":"call_%016d","content":"%s"}`, i, text+text)
	}
	return sb.String(), `],"tools":[` + js(bash) + `]}`
}

func BenchmarkLong(b *testing.B) {
	start, end := long(435_000)
	body := []byte(start + end)
	next := []byte(start + `,{"role":"user","content":"go on"}` + end)
	b.Run("cold", func(b *testing.B) {
		f := New(Options{})
		x := exchange(b, sdkHeaders...)
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			v, err := wire.Acquire(wire.Chat, next, wire.Limits{})
			if err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			x.Identity, x.View = filters.Identity{}, v
			s, _ := f.Open(b.Context(), x)
			_ = x.RunLater()
			s.Close(nil)
			v.Release()
		}
	})
	b.Run("known", func(b *testing.B) {
		f := New(Options{})
		x := exchange(b, sdkHeaders...)
		v, _ := wire.Acquire(wire.Chat, body, wire.Limits{})
		x.View = v
		s, _ := f.Open(b.Context(), x)
		_ = x.RunLater()
		s.Close(nil)
		prefix := v.Prefix()
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			v, hit, err := wire.AcquireFrom(prefix, wire.Chat, next, wire.Limits{})
			if err != nil || !hit {
				b.Fatal(err, hit)
			}
			b.StartTimer()
			x.Identity, x.View = filters.Identity{}, v
			s, _ := f.Open(b.Context(), x)
			_ = x.RunLater()
			s.Close(nil)
			v.Release()
		}
	})
	b.Run("known, with its view", func(b *testing.B) {
		f := New(Options{})
		x := exchange(b, sdkHeaders...)
		v, _ := wire.Acquire(wire.Chat, body, wire.Limits{})
		x.View = v
		s, _ := f.Open(b.Context(), x)
		_ = x.RunLater()
		s.Close(nil)
		prefix := v.Prefix()
		b.ReportAllocs()
		for b.Loop() {
			v, _, _ := wire.AcquireFrom(prefix, wire.Chat, next, wire.Limits{})
			x.Identity, x.View = filters.Identity{}, v
			s, _ := f.Open(b.Context(), x)
			_ = x.RunLater()
			s.Close(nil)
			v.Release()
		}
	})
}

// What a streamed event costs when tools are declared: the look alone.
func BenchmarkEvent(b *testing.B) {
	chatDelta := `{"id":"chatcmpl-0123456789abcdef","object":"chat.completion.chunk","created":1795344779,"model":"gpt-4o","system_fingerprint":"fp_0123456789","choices":[{"index":0,"delta":{"content":" words"},"logprobs":null,"finish_reason":null}]}`
	events := []struct {
		name    string
		dialect wire.Dialect
		event   filters.Event
	}{
		{"chat text", wire.Chat, filters.Event{Data: []byte(chatDelta)}},
		{"chat call", wire.Chat, filters.Event{Data: []byte(strings.Replace(chatDelta, `"content":" words"`, `"tool_calls":[{"index":0,"function":{"arguments":"ab"}}]`, 1))}},
		{"responses text", wire.Responses, filters.Event{Name: []byte("response.output_text.delta"), Data: []byte(`{"type":"response.output_text.delta","item_id":"msg_0123456789","output_index":0,"content_index":0,"delta":" words","sequence_number":17}`)}},
		{"messages text", wire.Messages, filters.Event{Name: []byte("content_block_delta"), Data: []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" words"}}`)}},
	}
	for _, e := range events {
		b.Run(e.name, func(b *testing.B) {
			w := watch{dialect: e.dialect, calls: true}
			b.ReportAllocs()
			for b.Loop() {
				if w.see(&e.event) {
					w.drop()
				}
			}
		})
	}
	b.Run("chain with it", func(b *testing.B) {
		x := exchange(b, sdkHeaders...)
		v, _ := wire.Acquire(wire.Chat, []byte(chat(msg("user", "u"))), wire.Limits{})
		x.View = v
		flow, _ := filters.NewChain(New(Options{})).Open(b.Context(), x)
		_ = x.RunLater()
		flow.SetSink(sink{})
		b.ReportAllocs()
		for b.Loop() {
			_ = flow.Emit(events[0].event)
		}
	})
}

// Many agents of one tenant at once meet at one lock.
func BenchmarkParallel(b *testing.B) {
	f := New(Options{})
	fs := fields(sdkHeaders...)
	body := []byte(chat(msg("user", "hi")))
	b.RunParallel(func(pb *testing.PB) {
		x := &filters.Exchange{ID: "x", Fields: fs, Route: wire.Route{Dialect: wire.Chat, Op: wire.Generate}}
		v, _ := wire.Acquire(wire.Chat, body, wire.Limits{})
		for pb.Next() {
			x.Identity, x.View = filters.Identity{}, v
			s, _ := f.Open(b.Context(), x)
			_ = x.RunLater()
			s.Close(nil)
		}
	})
}
