package filters

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// Why an exchange or an attempt did not end well: the causes that Close is given. A host may wrap them; use errors.Is.
var (
	// ErrAgentGone says that the agent closed its connection before it had the whole answer.
	ErrAgentGone = errors.New("filters: the agent has gone")
	// ErrTruncated says that the answer stopped short: the upstream's connection was cut, or the stream ended without its
	// dialect's terminal event. Nothing should be learnt from such an answer.
	ErrTruncated = errors.New("filters: the answer was cut short")
	// ErrShutdown says that the host is stopping and had no time left for this exchange.
	ErrShutdown = errors.New("filters: the host is shutting down")
)

// ErrPlain is what Head of a stream of the inner ring returns when the upstream may have refused the request for what the filter
// had added to it. The host gives the answer up and makes the attempt once more at the same upstream, at once, with
// Attempt.Plain set; it counts as no retry. It is only for an answer of which nothing has gone to the agent, and not for an
// attempt that is plain already.
var ErrPlain = errors.New("filters: once more, without what was added")

// What a host or a filter did that it must not do.
var (
	errClosed = errors.New("filters: the flow is closed")
	errEnded  = errors.New("filters: the flow has ended")
	errNoSink = errors.New("filters: the flow has no sink")
	errAgain  = errors.New("filters: Again is only for End, in the outer ring")
)

// A Reply is an error that answers the agent instead of an upstream, in the dialect's own error shape.
type Reply struct {
	Status     int
	Code       string // stable, documented, also sent as x-trapgate-error
	Message    string // what happened and what to do
	RetryAfter time.Duration
	NoRetry    bool // adds x-should-retry: false
	Local      bool // of the inner ring: only this upstream has no place, so another candidate is tried if there is one
}

func (r *Reply) Error() string { return fmt.Sprintf("%d %s: %s", r.Status, r.Code, r.Message) }

// AsReply finds the Reply in err, however deep it is wrapped; nil when there is none.
func AsReply(err error) *Reply {
	var r *Reply
	if errors.As(err, &r) {
		return r
	}
	return nil
}

// A FilterError is what Open, Head, Emit and End of a chain return when a filter failed; errors of the sink come unwrapped.
type FilterError struct {
	Filter string // its Name
	Op     Op     // where it failed
	Err    error  // a *Reply, a *PanicError, or the filter's own error
}

func (e *FilterError) Error() string { return fmt.Sprintf("%s: %s: %v", e.Filter, e.Op, e.Err) }

// Unwrap returns what the filter returned.
func (e *FilterError) Unwrap() error { return e.Err }

// A PanicError is a panic of a filter that the chain caught: the exchange fails, the process lives.
type PanicError struct {
	Value any
	Stack []byte // of the panicking goroutine, for the log only
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the panic's value when that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// caught makes an error of what recover returned.
func caught(v any) error { return &PanicError{Value: v, Stack: debug.Stack()} }
