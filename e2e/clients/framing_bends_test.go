//go:build e2e && unix

package clients

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// A stream of each dialect, one event in each part.
func chatEvents() []string {
	piece := func(delta, finish string) string {
		return fmt.Sprintf(`data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}]}`+"\n\n", delta, finish)
	}
	return []string{
		piece(`{"role":"assistant","content":"","refusal":null}`, "null"),
		piece(`{"content":"Grüße, "}`, "null"), piece(`{"content":"世界"}`, "null"), piece(`{}`, "null"),
		piece(`{"tool_calls":[{"index":0,"id":"t1","type":"function","function":{"name":"f","arguments":""}}]}`, "null"),
		piece(`{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\": "}}]}`, "null"),
		piece(`{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}`, "null"),
		piece(`{}`, `"tool_calls"`), "data: [DONE]\n\n",
	}
}

func responsesEvents() []string {
	event := func(kind, rest string) string {
		return "event: " + kind + "\ndata: {\"type\":\"" + kind + "\"" + rest + "}\n\n"
	}
	return []string{
		event("response.created", `,"sequence_number":0,"response":{"id":"resp_1","status":"in_progress","output":[]}`),
		event("response.output_item.added", `,"output_index":0,"item":{"id":"msg_1","type":"message","role":"assistant","content":[]}`),
		event("response.output_text.delta", `,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"Hi "`),
		event("response.output_text.delta", `,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"there"`),
		event("response.output_item.done", `,"output_index":0,"item":{"id":"msg_1","type":"message"}`),
		event("response.completed", `,"response":{"id":"resp_1","status":"completed","output":[],"usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}}`),
	}
}

func messagesEvents() []string {
	event := func(kind, rest string) string {
		return "event: " + kind + "\ndata: {\"type\":\"" + kind + "\"" + rest + "}\n\n"
	}
	return []string{
		event("message_start", `,"message":{"id":"msg_1","type":"message","role":"assistant","content":[],"usage":{"input_tokens":3,"output_tokens":1}}`),
		event("content_block_start", `,"index":0,"content_block":{"type":"text","text":""}`),
		event("ping", ""), event("content_block_delta", `,"index":0,"delta":{"type":"text_delta","text":"Hi"}`),
		event("content_block_stop", `,"index":0`),
		event("message_delta", `,"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":2}`),
		event("message_stop", ""),
	}
}

type dialectCase struct {
	name, target, body string
	events             func() []string
}

// dialects are a streaming request of each dialect and its plain answer.
func dialects() []dialectCase {
	return []dialectCase{
		{"chat", "/v1/chat/completions", `{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}`, chatEvents},
		{"responses", "/v1/responses", `{"model":"m","stream":true,"input":"hi"}`, responsesEvents},
		{"messages", "/v1/messages?beta=true", `{"model":"m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`, messagesEvents},
	}
}

// bends change a stream as providers and proxies do. They get the events and return the pieces that are written.
var bends = []struct {
	name string
	bend func([]string) []string
}{
	{"plain", func(e []string) []string { return e }},
	{"comment before every event", each(func(s string) string { return ": keep-alive\n\n" + s })},
	{"comment inside an event", each(func(s string) string { return ":\n" + s })},
	{"CRLF", each(func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") })},
	{"CR", each(func(s string) string { return strings.ReplaceAll(s, "\n", "\r") })},
	{"no space after the colon", each(func(s string) string { return strings.ReplaceAll(s, "data: ", "data:") })},
	{"id and retry fields", each(func(s string) string { return "id: 7\nretry: 3000\n" + s })},
	{"data on several lines", each(func(s string) string { return strings.Replace(s, ",", ",\ndata: ", 1) })},
	{"byte order mark", func(e []string) []string { return append([]string{"\ufeff" + e[0]}, e[1:]...) }},
	{"all in one piece", func(e []string) []string { return []string{join(e)} }},
	{"one byte in a chunk", func(e []string) []string { return pieces(join(e), 1) }},
	{"seven bytes in a chunk", func(e []string) []string { return pieces(join(e), 7) }},
	{"no terminal event", func(e []string) []string { return e[:len(e)-1] }},
	{"terminal event twice", func(e []string) []string { return append(e[:len(e):len(e)], e[len(e)-1]) }},
	{"no blank line at the end", func(e []string) []string { return []string{strings.TrimRight(join(e), "\n")} }},
	{"nothing at all", func([]string) []string { return nil }},
	{"only comments", func([]string) []string { return []string{": a\n\n", ": b\n\n"} }},
	{"unknown event type", func(e []string) []string {
		return append([]string{e[0], "event: vendor.extra\ndata: {\"type\":\"vendor.extra\"}\n\n"}, e[1:]...)
	}},
	{"error event in the middle", func(e []string) []string {
		return []string{e[0], e[1], "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}\n\n"}
	}},
	{"data that is not JSON", func(e []string) []string { return append([]string{"data: <html>\n\n"}, e...) }},
	{"invalid UTF-8", func(e []string) []string { return append([]string{"data: \xff\xfe\n\n"}, e...) }},
	{"a long line", func(e []string) []string {
		return append([]string{"data: {\"x\":\"" + strings.Repeat("y", 1<<20) + "\"}\n\n"}, e...)
	}},
}

// chatBends are what section 4 of the clients' findings lists for chat streams only.
var chatBends = []struct {
	name string
	bend func([]string) []string
}{
	{"finish_reason left out", each(func(s string) string { return strings.ReplaceAll(s, `,"finish_reason":null`, "") })},
	{"finish_reason twice", func(e []string) []string { return append([]string{e[0], e[len(e)-2]}, e[1:]...) }},
	{"usage on the last choice chunk", func(e []string) []string {
		e = append([]string(nil), e...)
		e[len(e)-2] = strings.Replace(e[len(e)-2], "}\n\n", `,"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}`+"\n\n", 1)
		return e
	}},
	{"usage that nobody asked for", func(e []string) []string {
		u := `data: {"id":"c1","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}` + "\n\n"
		return append(append([]string(nil), e[:len(e)-1]...), u, e[len(e)-1])
	}},
	{"empty choices first", func(e []string) []string {
		return append([]string{`data: {"id":"","choices":[],"prompt_filter_results":[{"prompt_index":0}]}` + "\n\n"}, e...)
	}},
	{"whole tool call in one delta", func(e []string) []string {
		e = append([]string(nil), e...)
		e[4] = strings.Replace(e[4], `"arguments":""`, `"arguments":"{\"a\": 1}"`, 1)
		return append(e[:5:5], e[7:]...)
	}},
	{"tool call without index", each(func(s string) string { return strings.ReplaceAll(s, `{"index":0,"id":"t1"`, `{"id":"t1"`) })},
	{"chunk id changes", func(e []string) []string {
		out := make([]string, len(e))
		for i, s := range e {
			out[i] = strings.Replace(s, `"c1"`, fmt.Sprintf(`"c%d"`, i), 1)
		}
		return out
	}},
	{"no opening role", func(e []string) []string { return e[1:] }},
	{"unknown fields", each(func(s string) string {
		return strings.Replace(s, `"delta":{`, `"vendor":{"deep":[1,{"x":null}]},"delta":{"reasoning_content":"r","x":1,`, 1)
	})},
}

func each(f func(string) string) func([]string) []string {
	return func(e []string) []string {
		out := make([]string, len(e))
		for i, s := range e {
			out[i] = f(s)
		}
		return out
	}
}

func pieces(s string, n int) []string {
	var out []string
	for len(s) > 0 {
		k := min(n, len(s))
		out, s = append(out, s[:k]), s[k:]
	}
	return out
}

// TestBends: whatever an upstream streams reaches the agent byte for byte.
func TestBends(t *testing.T) {
	r := newRig(t)
	for _, d := range dialects() {
		list := bends
		if d.name == "chat" {
			list = append(list[:len(list):len(list)], chatBends...)
		}
		for _, b := range list {
			t.Run(d.name+"/"+b.name, func(t *testing.T) {
				parts := b.bend(d.events())
				r.answer(events(parts...))
				_, body, err := r.do(t, post(d.target, d.body))
				if err != nil {
					t.Error(err)
				}
				mustEqual(t, "body", body, []byte(join(parts)))
				r.same(t)
			})
		}
	}
}

// TestFramings: the same events under every framing that HTTP/1.1 allows.
func TestFramings(t *testing.T) {
	r := newRig(t)
	text := join(chatEvents())
	d := dialects()[0]
	var member bytes.Buffer
	for _, e := range chatEvents() {
		z := gzip.NewWriter(&member)
		_, _ = io.WriteString(z, e)
		_ = z.Close()
	}
	tests := []struct {
		name   string
		answer answerFunc
		want   string
	}{
		{"pieces of 5 bytes", func(c *net.TCPConn, _ rawRequest) bool {
			var b strings.Builder
			b.WriteString(chunkedHead)
			for _, e := range chatEvents() {
				b.WriteString(chunk(e))
			}
			b.WriteString(lastChunk)
			return slowly(c, []byte(b.String()), 5) == nil
		}, text},
		{"head and body in one write", whole(chunkedHead + chunk(text) + lastChunk), text},
		{"upper case and padded chunk sizes, extensions", whole(chunkedHead + fmt.Sprintf("000%X;name=\"v\"\r\n%s\r\n", len(text), text) + "000;x\r\n\r\n"), text},
		{"with a length", whole(sseHead + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(text), text)), text},
		{"length of nothing", whole(sseHead + "Content-Length: 0\r\n\r\n"), ""},
		{"until close", func(c *net.TCPConn, _ rawRequest) bool {
			_, _ = io.WriteString(c, sseHead+"Connection: close\r\n\r\n"+text)
			return false
		}, text},
		{"until close, not announced", func(c *net.TCPConn, _ rawRequest) bool {
			_, _ = io.WriteString(c, sseHead+"\r\n"+text)
			return false
		}, text},
		{"gzip for each event, although nobody asked", whole(
			strings.Replace(chunkedHead, "x-request-id", "Content-Encoding: gzip\r\nx-request-id", 1) + chunk(member.String()) + lastChunk), member.String()},
		{"trailer", whole(strings.Replace(chunkedHead, "x-request-id", "Trailer: X-Sum\r\nx-request-id", 1) + chunk(text) + "0\r\nX-Sum: 1\r\n\r\n"), text},
		{"103 before", whole("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + chunkedHead + chunk(text) + lastChunk), text},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r.answer(tt.answer)
			c := r.send(t, post(d.target, d.body))
			res := readFinal(t, c)
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Error(err)
			}
			mustEqual(t, "body", body, []byte(tt.want))
			_ = c.Close()
			r.same(t)
		})
	}
}
