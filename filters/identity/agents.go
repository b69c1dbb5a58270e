package identity

import (
	"github.com/trapgate/trapgate/internal/head"
)

// OtherAgent is the agent of a User-Agent that this version does not know.
const OtherAgent = "other"

// An agentKind is one of the labels that User-Agent can lead to; there are no others, so metrics may carry them.
type agentKind struct {
	prefix string // of the User-Agent, lower case
	label  string
	// tools says that this agent declares tools in every request of its conversation: one without any is a side call.
	tools bool
}

// Longer prefixes stand before shorter ones that they begin with.
var agentKinds = [...]agentKind{
	{"codex", "codex", true},
	{"opencode/", "opencode", true},
	{"claude-cli/", "claude-code", true},
	{"claude-code/", "claude-code", true},
	{"qwencode/", "qwen-code", true},
	{"agents/python", "openai-agents", false},
	{"agents/javascript", "openai-agents", false},
	{"agents/js", "openai-agents", false},
	{"pydantic-ai/", "pydantic-ai", false},
	{"dspy/", "dspy", false},
	{"litellm", "litellm", false},
	{"ai-sdk/", "ai-sdk", false},
	{"ai/", "ai-sdk", false},
	{"openai/python", "openai-python", false},
	{"asyncopenai/python", "openai-python", false},
	{"azureopenai/python", "openai-python", false},
	{"asyncazureopenai/python", "openai-python", false},
	{"openai/js", "openai-node", false},
	{"openai/go", "openai-go", false},
	{"openai/java", "openai-java", false},
	{"openai/ruby", "openai-ruby", false},
	{"anthropic/python", "anthropic-python", false},
	{"asyncanthropic/python", "anthropic-python", false},
	{"anthropic/js", "anthropic-node", false},
	{"anthropic/go", "anthropic-go", false},
	{"crush/", "crush", false},
	{"goose/", "goose", false},
	{"zed/", "zed", false},
	{"curl/", "curl", false},
	{"python-httpx/", "python", false},
	{"python-requests/", "python", false},
	{"aiohttp", "python", false},
	{"go-http-client/", "go", false},
	{"node", "node", false},
}

// unknown is the kind of all others.
var unknown agentKind

// known finds the agent by its User-Agent; nil when there is none that we know.
func known(ua []byte) *agentKind {
	if len(ua) == 0 {
		return nil
	}
	first := ua[0] | 0x20 // all prefixes begin with a letter
	for i := range agentKinds {
		p := agentKinds[i].prefix
		if p[0] == first && len(ua) >= len(p) && head.Is(ua[:len(p)], p) {
			return &agentKinds[i]
		}
	}
	return nil
}
