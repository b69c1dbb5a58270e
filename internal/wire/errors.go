package wire

import (
	"bytes"
	"net/http"
)

// An Error is an answer of ours, in the dialect's own shape.
type Error struct {
	Status    int    // HTTP status
	Code      string // stable, documented
	Type      string // empty: the dialect's own word for the status
	Message   string // what happened and what to do
	Param     string // the request member at fault; OpenAI's shape only
	RequestID string // ours; Anthropic's shape only
}

// ErrorContentType is the Content-Type of AppendError's bytes.
const ErrorContentType = "application/json"

// Error is an error, so that it may travel as one.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// AppendError appends the JSON body of e: {"error": {...}} as OpenAI has it, or {"type": "error", ...} for messages, where
// our code stands beside type and message, as agents of that dialect read only those.
func AppendError(dst []byte, d Dialect, e *Error) []byte {
	if d != Messages {
		dst = append(dst, `{"error":`...)
		dst = appendOpenAIError(dst, e)
		return append(dst, '}')
	}
	dst = append(dst, `{"type":"error","error":{"type":`...)
	dst = Quote(dst, e.typ(anthropicTypes))
	dst = append(dst, `,"message":`...)
	dst = Quote(dst, e.Message)
	if e.Code != "" {
		dst = append(dst, `,"code":`...)
		dst = Quote(dst, e.Code)
	}
	dst = append(dst, '}')
	if e.RequestID != "" {
		dst = append(dst, `,"request_id":`...)
		dst = Quote(dst, e.RequestID)
	}
	return append(dst, '}')
}

func appendOpenAIError(dst []byte, e *Error) []byte {
	dst = append(dst, `{"message":`...)
	dst = Quote(dst, e.Message)
	dst = append(dst, `,"type":`...)
	dst = Quote(dst, e.typ(openAITypes))
	dst = append(dst, `,"param":`...)
	dst = appendOrNull(dst, e.Param)
	dst = append(dst, `,"code":`...)
	dst = appendOrNull(dst, e.Code)
	return append(dst, '}')
}

// AppendErrorEvent appends e as the SSE event by which the dialect reports an error in a stream that has begun. It is the last
// event: no terminal event follows a failure.
func AppendErrorEvent(dst []byte, d Dialect, e *Error) []byte {
	switch d {
	case Responses:
		dst = append(dst, "event: error\ndata: "+`{"type":"error","code":`...)
		dst = appendOrNull(dst, e.Code)
		dst = append(dst, `,"message":`...)
		dst = Quote(dst, e.Message)
		dst = append(dst, `,"param":`...)
		dst = appendOrNull(dst, e.Param)
		dst = append(dst, '}')
	case Messages:
		dst = append(dst, "event: error\ndata: "...)
		dst = AppendError(dst, d, e)
	default:
		dst = append(dst, "data: "...)
		dst = AppendError(dst, d, e)
	}
	return append(dst, "\n\n"...)
}

func appendOrNull(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return Quote(dst, s)
}

func (e *Error) typ(byStatus func(int) string) string {
	if e.Type != "" {
		return e.Type
	}
	return byStatus(e.Status)
}

func openAITypes(status int) string {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return "authentication_error"
	case status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case status >= 500:
		return "server_error"
	}
	return "invalid_request_error"
}

func anthropicTypes(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case http.StatusServiceUnavailable, 529:
		return "overloaded_error"
	case http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return "timeout_error"
	}
	if status >= 500 {
		return "api_error"
	}
	return "invalid_request_error"
}

// ErrorOf turns a refused body into the answer of ours that says so.
func ErrorOf(err *SyntaxError) *Error {
	status := http.StatusBadRequest
	if err.Code == CodeTooLarge {
		status = http.StatusRequestEntityTooLarge
	}
	return &Error{Status: status, Code: err.Code, Message: err.Error() + hint(err.Code)}
}

func hint(code string) string {
	switch code {
	case CodeDuplicateKey:
		return "; send each member once: parsers disagree about which one counts"
	case CodeBOM, CodeInvalidUTF8:
		return "; send plain UTF-8"
	case CodeTooLarge:
		return "; raise limits.body or send less"
	}
	return ""
}

var _ error = (*Error)(nil)

// IsJSON reports whether a Content-Type is one whose body is read: application/json, anything +json, or none at all, which
// some agents send.
func IsJSON(contentType []byte) bool {
	if i := bytes.IndexByte(contentType, ';'); i >= 0 {
		contentType = contentType[:i]
	}
	t := bytes.ToLower(bytes.TrimSpace(contentType))
	return len(t) == 0 || bytes.HasSuffix(t, []byte("/json")) || bytes.HasSuffix(t, []byte("+json"))
}
