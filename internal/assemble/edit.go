package assemble

import (
	"strconv"

	"github.com/trapgate/trapgate/internal/wire"
)

// Stream makes an Eligible request ask for a stream: `"stream": true`, and in chat the usage chunk, without which the answer
// would have no usage. No other byte changes. The agent, which asked for neither, gets the assembled body.
func Stream(v *wire.View, e *wire.Edits) {
	e.SetStream(v, true)
	if v.Dialect == wire.Chat && !v.IncludeUsage() {
		e.SetIncludeUsage(v)
	}
}

// AskUsage makes a streaming request of chat or legacy completions ask for the usage chunk when the agent did not, and
// reports whether it did: then the answer has to pass a UsageStripper. An upstream that answers 400 or 422 to it is to be asked without.
func AskUsage(v *wire.View, e *wire.Edits) bool {
	if v.Dialect != wire.Chat && v.Dialect != wire.Completions || !v.Stream || v.IncludeUsage() {
		return false
	}
	e.SetIncludeUsage(v)
	return true
}

// maxChoices is more than any provider makes for one request.
const maxChoices = 128

// Choices is how many answers a request of chat or legacy completions asks for at once (n, best_of): each of them costs output.
// 1 for all others, and for what is no such number.
func Choices(v *wire.View) int64 {
	if v.Dialect != wire.Chat && v.Dialect != wire.Completions {
		return 1
	}
	s := scanner{b: v.Raw(v.Root)}
	n := int64(1)
	for more := s.peek() == '{' && s.first(); more; more = s.another('}') {
		key := s.key()
		raw := value(&s, v)
		if s.bad {
			break
		}
		if string(key) == "n" || string(key) == "best_of" && v.Dialect == wire.Completions {
			if k, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
				n = max(n, min(k, maxChoices))
			}
		}
	}
	return n
}
