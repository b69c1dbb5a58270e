package simmodel

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// An apiError is an answer in a dialect's own error shape.
type apiError struct {
	status  int
	typ     string // OpenAI's type; the Anthropic type follows from the status
	code    string
	param   string
	msg     string
	kind    string // which Stats counter
	retryIn time.Duration
}

func (e *apiError) Error() string { return e.msg }

func bad(param, format string, args ...any) *apiError {
	return &apiError{status: 400, typ: "invalid_request_error", param: param, msg: fmt.Sprintf(format, args...), kind: "invalid"}
}

func badHistory(param, format string, args ...any) *apiError {
	e := bad(param, format, args...)
	e.kind = "history"
	return e
}

var anthropicTypes = map[int]string{
	400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
	413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 503: "overloaded_error", 529: "overloaded_error",
}

func (e *apiError) body(d dialect, requestID string) []byte {
	if d == messages {
		typ := anthropicTypes[e.status]
		if typ == "" {
			typ = "api_error"
		}
		b := append([]byte(`{"type":"error","error":{"type":`), quote(typ)...)
		b = append(append(b, `,"message":`...), quote(e.msg)...)
		b = append(append(b, `},"request_id":`...), quote(requestID)...)
		return append(b, '}')
	}
	typ := e.typ
	if typ == "" {
		typ = "server_error"
	}
	b := append([]byte(`{"error":{"message":`), quote(e.msg)...)
	b = append(append(b, `,"type":`...), quote(typ)...)
	b = append(append(b, `,"param":`...), quoteOrNull(e.param)...)
	b = append(append(b, `,"code":`...), quoteOrNull(e.code)...)
	return append(b, `}}`...)
}

func quoteOrNull(s string) []byte {
	if s == "" {
		return []byte("null")
	}
	return quote(s)
}

func (m *Model) fail(w http.ResponseWriter, d dialect, requestID string, e *apiError) {
	m.stats.reject(e.kind)
	if d == messages && e.status == http.StatusServiceUnavailable && e.kind == "queue" {
		e = &apiError{status: 529, msg: "Overloaded"}
	}
	h := w.Header()
	if e.retryIn > 0 {
		lower(h, "retry-after", strconv.Itoa(int((e.retryIn+time.Second-1)/time.Second)))
		if d != messages {
			lower(h, "retry-after-ms", strconv.FormatInt(int64((e.retryIn+time.Millisecond-1)/time.Millisecond), 10))
		}
	}
	body := e.body(d, requestID)
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(e.status)
	w.Write(body)
}
