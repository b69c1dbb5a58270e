package assemble

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"github.com/trapgate/trapgate/internal/wire"
)

// An UpstreamError is an error that the upstream reported inside its stream, after the 200 had left it.
type UpstreamError struct {
	// Status is the HTTP status that the same failure has without streaming: the error's own code where that is a status, else
	// what its type or code stands for, else 500.
	Status              int
	Type, Code, Message string // as far as told
	// Body is the JSON body that goes with the status, in the dialect's shape and the upstream's own bytes as far as they
	// have that shape. It belongs to the error.
	Body []byte
}

func (e *UpstreamError) Error() string {
	return "assemble: the upstream reported " + strconv.Itoa(e.Status) + " in its stream: " + strings.TrimSpace(e.Type+" "+e.Message)
}

// statuses are the words for failures, of all dialects, and what they are as a status.
var statuses = map[string]int{
	"invalid_request_error": http.StatusBadRequest, "BadRequestError": http.StatusBadRequest,
	"exceed_context_size_error": http.StatusBadRequest, "context_length_exceeded": http.StatusBadRequest,
	"invalid_prompt": http.StatusBadRequest, "billing_error": http.StatusPaymentRequired,
	"authentication_error": http.StatusUnauthorized, "invalid_api_key": http.StatusUnauthorized,
	"permission_error": http.StatusForbidden, "not_found_error": http.StatusNotFound, "NotFoundError": http.StatusNotFound,
	"model_not_found": http.StatusNotFound, "request_too_large": http.StatusRequestEntityTooLarge,
	"rate_limit_error": http.StatusTooManyRequests, "rate_limit_exceeded": http.StatusTooManyRequests,
	"insufficient_quota": http.StatusTooManyRequests, "tokens": http.StatusTooManyRequests, "requests": http.StatusTooManyRequests,
	"not_supported_error": http.StatusNotImplemented, "unavailable_error": http.StatusServiceUnavailable,
	"overloaded_error": 529, "timeout_error": http.StatusGatewayTimeout,
}

// upstreamError makes the error of an event, given whole.
func (a *Assembler) upstreamError(whole []byte) {
	top := scanner{b: whole}
	inner := top.find("error")
	fields := inner
	if len(inner) == 0 || inner[0] != '{' { // its fields stand at the top
		fields = whole
	}
	f := scanner{b: fields}
	e := &UpstreamError{Type: word(f.find("type")), Code: word(f.find("code")), Message: word(f.find("message"))}
	if len(inner) > 0 && inner[0] == '"' {
		e.Message = word(inner)
	}
	if len(inner) == 0 && e.Type == "error" { // the event's, not the error's
		e.Type = ""
	}
	e.Status = statusOf(e)
	e.Body = a.errorBody(e, &top, &f)
	a.fail(e)
}

// word is a string or a number as text, "" of anything else.
func word(raw []byte) string {
	switch {
	case len(raw) == 0 || raw[0] == 'n' || raw[0] == '{' || raw[0] == '[':
		return ""
	case raw[0] == '"':
		return wire.String(raw)
	}
	return string(raw)
}

func statusOf(e *UpstreamError) int {
	if n, err := strconv.Atoi(e.Code); err == nil && 400 <= n && n <= 599 {
		return n
	}
	for _, w := range [...]string{e.Code, e.Type} {
		if n := statuses[w]; n != 0 {
			return n
		}
	}
	return http.StatusInternalServerError
}

// errorBody is the body of a unary error: {"error": ...}, in messages with "type":"error" before. top reads the event, fields
// what it says of the error.
func (a *Assembler) errorBody(e *UpstreamError, top, fields *scanner) []byte {
	inner := top.find("error")
	nested := len(inner) > 0 && inner[0] == '{'
	switch {
	case a.d == wire.Messages && nested && word(top.find("type")) == "error",
		a.d == wire.Chat && (len(inner) > 0 || word(top.find("object")) == "error"): // the latter is an old form of vLLM's
		return bytes.Clone(top.b)
	case a.d == wire.Messages && nested:
		return append(append([]byte(`{"type":"error","error":`), inner...), '}')
	case nested:
		return append(append([]byte(`{"error":`), inner...), '}')
	}
	return wire.AppendError(nil, a.d, &wire.Error{
		Status: e.Status, Type: e.Type, Code: e.Code, Message: e.Message, Param: word(fields.find("param")),
	})
}
