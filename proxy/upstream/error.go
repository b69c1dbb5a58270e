package upstream

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// A Kind says how a try failed.
type Kind uint8

const (
	Connect   Kind = iota // no connection: the request reached nobody, another try is safe
	Timeout               // the upstream was silent for too long
	Closed                // the connection ended before the answer, or in the middle of it
	Malformed             // what came back is not HTTP/1.1
	Agent                 // the agent left, or its request body broke off
)

var kindNames = [...]string{"connect", "timeout", "closed", "malformed", "agent_gone"}

// String returns the name used in logs and metrics.
func (k Kind) String() string { return kindNames[k] }

// An Error is a try that brought no answer, or not the whole of it.
type Error struct {
	Kind Kind
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("upstream: %s: %v", e.Kind, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

func connectError(err error) error { return &Error{Connect, err} }

// readError classifies what went wrong with a connection in use.
func readError(c *conn, err error) error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return err
	case c.killed.Load():
		return &Error{Agent, err}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &Error{Timeout, err}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return &Error{Closed, err}
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return &Error{Closed, err}
	}
	return &Error{Malformed, err}
}

func eof(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
