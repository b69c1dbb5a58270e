// Package filters is the contract between a host (the proxy, later an Envoy external processor) and the steps of the chain.
//
// Filters stand in two rings. The outer ring runs once for an exchange (identity, recall, tools); the inner ring once for
// each attempt (rewrite, schedule). A response goes back through the same filters in reverse, one whole SSE event or one
// whole JSON body at a time. Every stream that was opened is closed exactly once, in reverse order, on every path.
//
// A filter is thin: it adapts an engine and owns no algorithm. No type of an HTTP library appears here.
//
// # For hosts
//
// A host does this, and filtertest.Conformance checks it:
//
//   - Open the outer ring once; for each attempt fill Exchange.Attempt, empty CallEdits and open the inner ring. Whatever
//     Open returns, Close the flow. A *Reply found in an error answers the agent, as long as nothing has left.
//   - The inner ring's sink is the outer Flow, the outer ring's sink writes to the agent. Head goes to the inner ring, then
//     to the outer one; an answer that is not final (it will be tried again) is shown to neither.
//   - Everything that reaches the sink leaves, in order. A JSON body that reaches a stream which has begun (an error of a
//     later call) is an error of the sink.
//   - When neither ring Wants events, relay bytes. Else feed whole events to the inner ring: also what an unfinished last
//     frame leaves at a clean end. What an unfinished frame leaves at a cut stays behind when a filter wants events.
//   - After the upstream's clean end: End and Close of the inner ring, then End of the outer ring, so that an attempt holds
//     nothing while a tool runs. When that asks for another call, count Exchange.Call up and start again with attempts. A
//     JSON body leaves only when the outer ring has ended; a filter may still replace or refuse it.
//   - At an error that is not a clean end: no End, Close both rings with the cause, inner first, and let the agent see an
//     error or a cut, never a clean end. A stream without its terminal event has a clean end, and the cause ErrTruncated.
//   - The context given to Open ends when the agent leaves, until the terminal event has reached the sink (that of a hidden
//     turn never does). From then on the agent may go: a sink's write error is no error any more.
package filters
