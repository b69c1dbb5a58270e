package assemble

import "github.com/trapgate/trapgate/internal/wire"

// Stream makes an Eligible request ask for a stream: `"stream": true`, and in chat the usage chunk, without which the answer
// would have no usage. No other byte changes. The agent, which asked for neither, gets the assembled body.
func Stream(v *wire.View, e *wire.Edits) {
	e.SetStream(v, true)
	if v.Dialect == wire.Chat && !v.IncludeUsage() {
		e.SetIncludeUsage(v)
	}
}

// AskUsage makes a streaming chat request ask for the usage chunk when the agent did not, and reports whether it did: then
// the answer has to pass a UsageStripper. An upstream that answers 400 or 422 to it is to be asked without.
func AskUsage(v *wire.View, e *wire.Edits) bool {
	if v.Dialect != wire.Chat || !v.Stream || v.IncludeUsage() {
		return false
	}
	e.SetIncludeUsage(v)
	return true
}
