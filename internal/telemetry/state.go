package telemetry

// A State says where an exchange is, for /debug/state, `trapgate top` and the cancellation metric.
type State uint8

// The states of an exchange, in the order in which most pass them.
const (
	StateOpen      State = iota // request read; filters at work before an upstream is asked
	StateQueued                 // waits for capacity (schedule)
	StateBackoff                // waits before a retry
	StateWaiting                // sent to an upstream, no head yet
	StateStreaming              // the answer is being relayed
	StateTool                   // a hidden turn runs a tool
	numStates
)

var stateNames = [numStates]string{"open", "queued", "backoff", "waiting", "streaming", "tool"}

// String returns the word used in JSON, logs and metrics.
func (s State) String() string {
	if s < numStates {
		return stateNames[s]
	}
	return "unknown"
}

// An Outcome says how an exchange ended.
type Outcome uint8

// The outcomes of an exchange.
const (
	OutcomeOK        Outcome = iota // the upstream's answer went out whole, status below 400
	OutcomeError                    // the upstream's own error went out
	OutcomeRefused                  // we answered with an error of ours before an upstream did
	OutcomeAgentGone                // the agent left before the end
	OutcomeTruncated                // the stream ended without its terminal event
	OutcomeFailed                   // no upstream could be reached, or something of ours broke
	OutcomeShutdown                 // cut because Trapgate ended
	numOutcomes
)

var outcomeNames = [numOutcomes]string{"ok", "error", "refused", "agent_gone", "truncated", "failed", "shutdown"}

// String returns the word used in logs and metrics.
func (o Outcome) String() string {
	if o < numOutcomes {
		return outcomeNames[o]
	}
	return "unknown"
}
