package assemble_test

import (
	"errors"
	"testing"

	"github.com/trapgate/trapgate/internal/assemble"
	"github.com/trapgate/trapgate/internal/wire"
)

func TestResponses(t *testing.T) {
	const odd = `{"id":"r",  "status":"%", "n":1.0, "output":[ ] ,"z":{"type":"response.completed"}}`
	for _, c := range []struct{ name, event, want string }{
		{"completed", `{"type":"response.completed","sequence_number":9,"response":` + odd + `}`, odd},
		{"incomplete, type last", `{"response":` + odd + `,"sequence_number":9,"type":"response.incomplete"}`, odd},
		{"failed", `{"type":"response.failed","response":{"id":"r","status":"failed","error":{"code":"server_error","message":"x"}}}`, `{"id":"r","status":"failed","error":{"code":"server_error","message":"x"}}`},
		{
			"llama.cpp", `{"type":"response.completed","response":{"id":"r","created_at":7,"output":[]},"timings":{"predicted_n":3}}`,
			`{"completed_at":7,"id":"r","created_at":7,"output":[]}`,
		},
		{
			"llama.cpp that says it itself", `{"type":"response.completed","response":{"created_at":7,"completed_at":8},"timings":{"predicted_n":3}}`,
			`{"created_at":7,"completed_at":8}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := run(wire.Responses, anthropicSSE(
				`{"type":"response.created","response":{"id":"r","status":"in_progress"}}`,
				`{"type":"response.output_text.delta","delta":"\"type\":\"response.completed\""}`,
				c.event,
				`{"type":"response.completed","response":{"id":"late"}}`,
			), 5)
			if err != nil || string(got) != c.want {
				t.Errorf("%v\ngot  %s\nwant %s", err, got, c.want)
			}
		})
	}
	t.Run("the name alone", func(t *testing.T) {
		got, err := run(wire.Responses, []byte("event: response.completed\ndata: {\"response\":{\"id\":\"r\"}}\n\n"), 0)
		if err != nil || string(got) != `{"id":"r"}` {
			t.Errorf("%v, %s", err, got)
		}
	})
	for _, c := range []struct {
		name, event string
		form        bool
	}{
		{"no end", `{"type":"response.output_text.done"}`, false},
		{"no response", `{"type":"response.completed"}`, true},
		{"a response of words", `{"type":"response.completed","response":"r"}`, true},
		{"cut", `{"type":"response.completed","response":{"id":"r"}`, true},
		{"not an object", `"response.completed"`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var form *assemble.FormError
			body, err := run(wire.Responses, anthropicSSE(c.event), 0)
			if body != nil || c.form != errors.As(err, &form) || c.form == errors.Is(err, assemble.ErrIncomplete) {
				t.Errorf("%v, %s", err, body)
			}
		})
	}
}
