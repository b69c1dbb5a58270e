package telemetry

import (
	"time"

	"github.com/trapgate/trapgate/internal/head"
	"github.com/trapgate/trapgate/internal/wire"
)

// An ExchangeStart is what is known when a request has been read. Strings and fields may alias the request: what is kept
// longer than the exchange is copied.
type ExchangeStart struct {
	Start  time.Time
	ID     string
	Method string
	Target string // raw request target; its query is never recorded
	Route  wire.Route
	Fields head.Fields // the agent's; only traceparent and tracestate are read
	// Where tells which filter is at work, for /debug/state; it is called from any goroutine until End. May be nil.
	Where interface{ Where() string }
}

// An AttemptStart is one try of a call at one upstream.
type AttemptStart struct {
	Upstream  string // configured name
	Provider  string // gen_ai.provider.name: openai, anthropic, azure.ai.openai, ...; "" is taken from the dialect
	Address   string // host or host:port of the upstream
	Model     string // as sent to the upstream
	Stream    bool
	MaxTokens int64 // 0: not given
	Number    int   // from 0 within the call
	Call      int   // number of the call, from 0
	Start     time.Time
}

// An AttemptEnd is how an attempt went.
type AttemptEnd struct {
	At     time.Time
	Status int     // of the upstream; 0: no answer
	Answer *Answer // nil when nothing was read from it
	// ErrorType is empty after success, and for a status of 400 or more, which speaks for itself: "timeout", "connect",
	// "reset", ErrorTruncated, ErrorAgentGone, ... It becomes a label: a small closed set, never a message.
	ErrorType string
	Estimated bool // the usage in Answer was counted by us, not reported

	// Input is the body sent, Output the answer: a whole JSON body, or its text. Both are looked at during the call only,
	// and only when Attempt.Contentful: see Attempt.Content and Attempt.Output, which can be called earlier.
	Input, Output []byte
}

// Error types that have a meaning here.
const (
	ErrorAgentGone = "agent_gone" // the agent left: not counted as the upstream's error
	ErrorShutdown  = "shutdown"   // we ended: not counted as the upstream's error
	ErrorTruncated = "truncated"  // no terminal event
)

// A Piece is what one step added to the time up to the head: a filter's name, or "host".
type Piece struct {
	Name string
	Dur  time.Duration
}

// An ExchangeEnd is how an exchange went.
type ExchangeEnd struct {
	At        time.Time
	Status    int // as the agent saw it; 0: it saw none
	Outcome   Outcome
	State     State   // where the exchange was when the agent left (OutcomeAgentGone)
	Answer    *Answer // what the agent was shown; nil when nothing was read
	Estimated bool    // the usage in Answer was counted by us, not reported
	Attempts  int
	Retries   int
	Fallbacks int
	Added     time.Duration // all that we added up to the head
	Pieces    []Piece       // the parts of Added; read before End returns
	Queued    time.Duration // waited for its turn, no part of Added
	Code      string        // stable code of an error of ours; "" when there is none
	Err       string        // what went wrong, for the log line; must hold no secret and no prompt text
}

// An Attr is a named value of a span event: string, int64, int, float64 or bool.
type Attr struct {
	Key   string
	Value any
}
