package upstream

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"
)

// An ahead is what has been read of a body and Next has not returned.
type ahead struct {
	bytes []byte
	owned bool  // else they are the connection's, and only until it is read again
	err   error // behind them
}

// Peek reads up to most bytes of the body without taking them from Next; whole says that they are all of it. The bytes are valid
// until Next is called.
func (r *Response) Peek(most int) (body []byte, whole bool) {
	for len(r.ahead.bytes) < most && r.ahead.err == nil {
		r.readAhead()
	}
	return r.ahead.bytes, errors.Is(r.ahead.err, io.EOF)
}

// Ahead reads one more piece of the body without taking it from Next, which will return all that was read so in one. It is not ok
// when nothing has come by then, or nothing more comes: Next will say which. The piece is valid until the next call of a method.
func (r *Response) Ahead(by time.Time) (piece []byte, ok bool) {
	if r.ahead.err != nil || !r.arrives(by) {
		return nil, false
	}
	piece = r.readAhead()
	return piece, r.ahead.err == nil
}

// readAhead adds one piece to what Next will return. Mostly there is only one, which then is not copied.
func (r *Response) readAhead() (piece []byte) {
	a := &r.ahead
	a.own()
	piece, a.err = r.next()
	if len(a.bytes) == 0 {
		a.bytes = piece[:len(piece):len(piece)]
	} else {
		a.bytes = append(a.bytes, piece...)
	}
	return piece
}

// own makes the bytes outlive a read from the connection.
func (a *ahead) own() {
	if len(a.bytes) > 0 && !a.owned {
		a.bytes, a.owned = bytes.Clone(a.bytes), true
	}
}

// arrives waits until next can go on without waiting, or fails; false: it could not by then, and nothing is lost.
func (r *Response) arrives(by time.Time) bool {
	if r.more() {
		return true
	}
	r.ahead.own()
	br := r.c.br
	r.c.Conn.SetReadDeadline(by)
	r.c.readBy = time.Time{} // whoever reads next sets it anew
	for !r.more() && br.Buffered() < br.Size() {
		switch _, err := br.Peek(br.Buffered() + 1); {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			return false
		case errors.Is(err, io.EOF):
			return true // next meets it again
		default:
			r.ahead.err = r.broken(err) // it would not: a reset is told once
			return false
		}
	}
	return true
}

// take returns what has been read ahead, once.
func (a *ahead) take() (piece []byte, ok bool, err error) {
	if len(a.bytes) > 0 {
		piece, a.bytes, a.owned = a.bytes, nil, false
		return piece, true, nil
	}
	return nil, a.err != nil, a.err
}

// any reports whether Next has something without reading.
func (a *ahead) any() bool { return len(a.bytes) > 0 || a.err != nil }
