package filters

import (
	"bytes"
	"testing"

	"github.com/trapgate/trapgate/internal/sse"
	"github.com/trapgate/trapgate/internal/wire"
)

// What each beginning of a stream says: the number of the event that decides it, 0 for none, and the refusal's status, 0 for an answer.
func TestOpening(t *testing.T) {
	const created = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"error\":null}}\n\n"
	const start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"content\":[]}}\n\n"
	const role = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n"
	tooLong := `{"code":"context_length_exceeded","message":"too long"}`
	for name, c := range map[string]struct {
		dialect       wire.Dialect
		stream        string
		event, status int
		body          string
	}{
		"responses failed":           {wire.Responses, created + "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":" + tooLong + "}}\n\n", 2, 400, `{"error":` + tooLong + `}`},
		"responses error":            {wire.Responses, ": hi\n\n" + created + "event: error\ndata: {\"type\":\"error\",\"code\":\"context_length_exceeded\",\"message\":\"too long\"}\n\n", 3, 400, ""},
		"responses error, nested":    {wire.Responses, "event: error\ndata: {\"type\":\"error\",\"error\":" + tooLong + "}\n\n", 1, 400, `{"error":` + tooLong + `}`},
		"responses without names":    {wire.Responses, "data: {\"type\":\"response.created\"}\n\ndata: {\"type\":\"response.in_progress\"}\n\ndata: {\"type\":\"response.failed\",\"response\":{\"error\":" + tooLong + "}}\n\n", 3, 400, ""},
		"responses without types":    {wire.Responses, "data: {\"error\":{\"message\":\"no\"}}\n\n", 1, 500, `{"error":{"message":"no"}}`},
		"responses rate limit":       {wire.Responses, created + "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"rate_limit_exceeded\"}}}\n\n", 2, 429, ""},
		"responses failed, no error": {wire.Responses, "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"error\":null}}\n\n", 1, 0, ""},
		"responses begun":            {wire.Responses, created + "event: keepalive\ndata: {\"type\":\"keepalive\"}\n\nevent: response.output_item.added\ndata: {\"item\":{}}\n\n", 3, 0, ""},
		"responses opened":           {wire.Responses, created + "event: response.queued\ndata: {}\n\n", 0, 0, ""},
		"messages error":             {wire.Messages, start + "event: ping\ndata: {\"type\":\"ping\"}\n\nevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long\"}}\n\n", 3, 400, `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long"}}`},
		"messages overloaded":        {wire.Messages, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n", 1, 529, ""},
		"messages begun":             {wire.Messages, start + "event: content_block_start\ndata: {\"type\":\"content_block_start\"}\n\n", 2, 0, ""},
		"messages opened":            {wire.Messages, start, 0, 0, ""},
		"chat error":                 {wire.Chat, "data: {\"error\":" + tooLong + "}\n\n", 1, 400, `{"error":` + tooLong + `}`},
		"chat error behind a role":   {wire.Chat, ": PROCESSING\n\n" + role + "data: {\"id\":\"x\",\"error\":{\"code\":400,\"message\":\"too long\"},\"choices\":[]}\n\n", 3, 400, ""},
		"chat named error":           {wire.Chat, "event: error\ndata: {\"error\":{\"message\":\"no\"}}\n\n", 1, 500, ""},
		"chat error of vLLM":         {wire.Chat, "data: {\"object\":\"error\",\"message\":\"too long\",\"code\":400}\n\n", 1, 400, ""},
		"chat begun":                 {wire.Chat, role + "data: {\"choices\":[{\"delta\":{\"content\":\"an \\\"error\\\"\"}}]}\n\n", 2, 0, ""},
		"chat calls a tool":          {wire.Chat, "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}}]}\n\n", 1, 0, ""},
		"chat says nothing":          {wire.Chat, role + "data: {\"error\":null,\"choices\":[]}\n\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", 3, 0, ""},
		"chat ends":                  {wire.Chat, "data: [DONE]\n\n", 1, 0, ""},
		"chat opened":                {wire.Chat, role + ": hi\n\ndata: no JSON with \"error\"\n\n", 0, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var m wire.Meter
			m.Reset(c.dialect)
			var p sse.Parser
			p.Feed([]byte(c.stream))
			at := 0
			for ev, ok := p.Next(); ok; ev, ok = p.Next() {
				at++
				decided, status, body := Opening(&m, c.dialect, ev.Name, ev.Data)
				if !decided {
					if status != 0 || body != nil {
						t.Errorf("event %d: %d %s, but not decided", at, status, body)
					}
					continue
				}
				if at != c.event || status != c.status || c.body != "" && !bytes.Equal(body, []byte(c.body)) || (status > 0) != (len(body) > 0) {
					t.Errorf("event %d says %d %s, want event %d, %d %s", at, status, body, c.event, c.status, c.body)
				}
				return
			}
			if c.event > 0 {
				t.Errorf("not decided in %d events", at)
			}
		})
	}
}

// What a look at the beginning of a stream adds to it: chat's role and its first word, each read twice in all.
func BenchmarkOpening(b *testing.B) {
	stream := []byte("data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n" +
		"data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"},\"finish_reason\":null}]}\n\n")
	var m wire.Meter
	var p sse.Parser
	b.ReportAllocs()
	for b.Loop() {
		m.Reset(wire.Chat)
		p.Reset()
		p.Feed(stream)
		for ev, ok := p.Next(); ok; ev, ok = p.Next() {
			if decided, status, _ := Opening(&m, wire.Chat, ev.Name, ev.Data); decided && status > 0 {
				b.Fatal("a refusal")
			}
		}
	}
}
