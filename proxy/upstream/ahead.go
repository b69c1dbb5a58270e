package upstream

import (
	"errors"
	"io"
)

// An ahead is what Peek has read of a body and Next has not returned.
type ahead struct {
	bytes []byte
	err   error // behind them
}

// Peek reads up to most bytes of the body without taking them from Next; whole says that they are all of it. The bytes are valid
// until Next is called.
func (r *Response) Peek(most int) (body []byte, whole bool) {
	for len(r.ahead.bytes) < most && r.ahead.err == nil {
		piece, err := r.next()
		r.ahead.bytes, r.ahead.err = append(r.ahead.bytes, piece...), err
	}
	return r.ahead.bytes, errors.Is(r.ahead.err, io.EOF)
}

// take returns what Peek has read, once.
func (a *ahead) take() (piece []byte, ok bool, err error) {
	if len(a.bytes) > 0 {
		piece, a.bytes = a.bytes, nil
		return piece, true, nil
	}
	return nil, a.err != nil, a.err
}

// any reports whether Next has something without reading.
func (a *ahead) any() bool { return len(a.bytes) > 0 || a.err != nil }
