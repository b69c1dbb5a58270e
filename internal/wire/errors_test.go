package wire

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestErrors(t *testing.T) {
	e := &Error{Status: 429, Code: "no_capacity", Message: `wait "a" bit`, RequestID: "req_1"}
	for d, want := range map[Dialect]string{
		Chat:      `{"error":{"message":"wait \"a\" bit","type":"rate_limit_error","param":null,"code":"no_capacity"}}`,
		Other:     `{"error":{"message":"wait \"a\" bit","type":"rate_limit_error","param":null,"code":"no_capacity"}}`,
		Responses: `{"error":{"message":"wait \"a\" bit","type":"rate_limit_error","param":null,"code":"no_capacity"}}`,
		Messages:  `{"type":"error","error":{"type":"rate_limit_error","message":"wait \"a\" bit","code":"no_capacity"},"request_id":"req_1"}`,
	} {
		if got := string(AppendError([]byte("x"), d, e)); got != "x"+want {
			t.Errorf("%s: %s", d, got)
		}
		event := string(AppendErrorEvent(nil, d, e))
		_, data, _ := strings.Cut(event, "data: ")
		if !strings.HasSuffix(event, "\n\n") || !json.Valid([]byte(data)) || strings.HasPrefix(event, "event: error") != (d == Responses || d == Messages) {
			t.Errorf("%s: %q", d, event)
		}
		var m Meter
		m.Reset(d)
		m.Event([]byte("error"), []byte(strings.TrimSpace(data)))
		if d != Other && m.Answer().ErrorMessage != e.Message {
			t.Errorf("%s: the meter does not read our own error: %+v", d, m.Answer())
		}
	}
	for _, d := range []Dialect{Chat, Messages} {
		for status := 400; status < 600; status++ {
			var back struct{ Error struct{ Type string } }
			if err := json.Unmarshal(AppendError(nil, d, &Error{Status: status}), &back); err != nil || back.Error.Type == "" {
				t.Fatal(d, status, err)
			}
		}
	}
	for code, status := range map[string]int{CodeTooLarge: 413, CodeDuplicateKey: 400, CodeInvalidJSON: 400} {
		if got := ErrorOf(&SyntaxError{3, code, "why"}); got.Status != status || got.Code != code || !strings.Contains(got.Message, "why at byte 3") {
			t.Errorf("%+v", got)
		}
	}
	for ct, want := range map[string]bool{"application/json; charset=utf-8": true, "": true, "Application/JSON": true, "application/x+json": true, "multipart/form-data": false, "text/plain": false} {
		if IsJSON([]byte(ct)) != want {
			t.Error(ct)
		}
	}
}
