package wire

import "fmt"

// A SyntaxError says why a body is refused.
type SyntaxError struct {
	Offset int    // byte in the body
	Code   string // stable: one of the Code constants
	Msg    string // what is wrong, without a prefix
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("wire: %s at byte %d of the request body", e.Msg, e.Offset)
}

// Codes of a SyntaxError, sent to agents as the error's code.
const (
	CodeInvalidJSON  = "invalid_json"
	CodeInvalidUTF8  = "invalid_utf8"
	CodeDuplicateKey = "duplicate_key"
	CodeTooDeep      = "too_deep"
	CodeTooLarge     = "body_too_large"
	CodeTooMany      = "too_many_elements"
	CodeEmptyBody    = "empty_body"
	CodeBOM          = "byte_order_mark"
	CodeNotObject    = "not_an_object"
)
