package assemble_test

import (
	"errors"
	"testing"

	"github.com/trapgate/trapgate/internal/assemble"
	"github.com/trapgate/trapgate/internal/wire"
)

func TestUpstreamErrors(t *testing.T) {
	for _, c := range []struct {
		name       string
		d          wire.Dialect
		event      string // its name
		data, body string
		status     int
		typ, code  string
	}{
		{
			"llama.cpp, chat", wire.Chat, "", `{"error":{"code":500,"message":"slot lost","type":"server_error"}}`,
			`{"error":{"code":500,"message":"slot lost","type":"server_error"}}`, 500, "server_error", "500",
		},
		{
			"openai, chat", wire.Chat, "", `{"error":{"message":"slot lost","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}}`,
			`{"error":{"message":"slot lost","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}}`, 429, "rate_limit_error", "rate_limit_exceeded",
		},
		{
			"vllm of old", wire.Chat, "", `{"object":"error","message":"slot lost","type":"BadRequestError","param":null,"code":400}`,
			`{"object":"error","message":"slot lost","type":"BadRequestError","param":null,"code":400}`, 400, "BadRequestError", "400",
		},
		{"a word", wire.Chat, "", `{"error":"slot lost"}`, `{"error":"slot lost"}`, 500, "", ""},
		{"by name", wire.Chat, "error", `{"message":"slot lost"}`, `{"error":{"message":"slot lost","type":"server_error","param":null,"code":null}}`, 500, "", ""},
		{
			"responses", wire.Responses, "error", `{"type":"error","code":"rate_limit_exceeded","message":"slot lost","param":"input","sequence_number":4}`,
			`{"error":{"message":"slot lost","type":"rate_limit_error","param":"input","code":"rate_limit_exceeded"}}`, 429, "", "rate_limit_exceeded",
		},
		{
			"responses, nested", wire.Responses, "error", `{"type":"error","error":{"type":"server_error","code":null,"message":"slot lost"},"sequence_number":4}`,
			`{"error":{"type":"server_error","code":null,"message":"slot lost"}}`, 500, "server_error", "",
		},
		{"responses, nameless", wire.Responses, "", `{"error":{"code":503,"message":"slot lost"}}`, `{"error":{"code":503,"message":"slot lost"}}`, 503, "", "503"},
		{
			"messages", wire.Messages, "error", `{"type":"error","error":{"type":"overloaded_error","message":"slot lost"},"request_id":"q"}`,
			`{"type":"error","error":{"type":"overloaded_error","message":"slot lost"},"request_id":"q"}`, 529, "overloaded_error", "",
		},
		{
			"messages, not in its shape", wire.Messages, "error", `{"error":{"code":400,"type":"invalid_request_error","message":"slot lost"}}`,
			`{"type":"error","error":{"code":400,"type":"invalid_request_error","message":"slot lost"}}`, 400, "invalid_request_error", "400",
		},
		{"messages, flat", wire.Messages, "error", `{"message":"slot lost"}`, `{"type":"error","error":{"type":"api_error","message":"slot lost"}}`, 500, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var a assemble.Assembler
			a.Reset(c.d)
			switch c.d {
			case wire.Chat:
				_ = a.Event(nil, []byte(delta(`{"content":"a"}`, stop)))
			case wire.Messages:
				_ = a.Event(nil, []byte(msgStart))
			}
			var up *assemble.UpstreamError
			if err := a.Event([]byte(c.event), []byte(c.data)); !errors.As(err, &up) {
				t.Fatal(err)
			}
			if string(up.Body) != c.body || up.Status != c.status || up.Type != c.typ || up.Code != c.code || up.Message != "slot lost" {
				t.Errorf("%+v\nbody %s\nwant %s", up, up.Body, c.body)
			}
			shapeOrOld(t, c.d, up.Body)
			if err := a.Event(nil, []byte(done)); !errors.Is(err, up) || a.Done() {
				t.Errorf("the error does not stay: %v", err)
			}
			if body, err := a.Body(nil); !errors.Is(err, up) || body != nil {
				t.Errorf("a body after an error: %v", err)
			}
		})
	}
}

// shapeOrOld is shape, but for the one upstream whose own unary errors have another.
func shapeOrOld(t *testing.T, d wire.Dialect, body []byte) {
	t.Helper()
	if d != wire.Chat || string(body[:9]) != `{"object"` {
		shape(t, d, body)
	}
}
