package history

// A Profile is what a provider demands of a request's messages. Each field is a demand; the zero Profile has none but that
// calls and results pair up, which all of them have.
type Profile struct {
	Name string

	// Adjacent: results stand directly behind the calls they answer (not in the responses dialect, where they only come later).
	// OpenAI 400: an assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'.
	Adjacent bool
	// Closed: calls at the very end have their results, too. The same answer.
	Closed bool
	// UniqueIDs: no call id is used twice in a request, not even in different turns.
	// Anthropic 400: `tool_use` ids must be unique.
	UniqueIDs bool
	// ResultsFirst: in a user message with results nothing stands before them (messages dialect).
	// Anthropic 400: `tool_use` ids were found without `tool_result` blocks immediately after.
	ResultsFirst bool
	// CallAfterUser: a turn with calls follows a user message or results, system messages apart.
	// Gemini 400: function call turn comes immediately after a user turn or after a function response turn.
	CallAfterUser bool

	// Alternate: neither two user messages nor two assistant messages without calls in a row, system messages apart.
	// Chat templates 400: Conversation roles must alternate user/assistant/user/assistant/...
	Alternate bool
	// AssistantAfterResult: only the assistant speaks behind results.
	// Mistral 400: Unexpected role 'user' after role 'tool'.
	AssistantAfterResult bool
	// NoSystemAfterAssistant: system messages do not follow the assistant.
	// Mistral 400: Unexpected role 'system' after role 'assistant'.
	NoSystemAfterAssistant bool
	// OneSystem: at most one system or developer message, `instructions` and `system` counted.
	// Chat templates 400: System message must be at the beginning.
	OneSystem bool
	// SystemFirst: no system or developer message behind another message. The same answer.
	SystemFirst bool
	// NoSystem: the system text stands in its own member, never in `messages`.
	// Anthropic 400: messages: Unexpected role "system".
	NoSystem bool
	// FirstUser: the first message that is no system message is a user's.
	// Anthropic 400: messages: first message must use the "user" role.
	FirstUser bool
	// LastUser: the last message is a user's or a result.
	// Mistral 400: Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant.
	LastUser bool

	// NonEmpty: no content is empty or white space only, apart from an assistant's with calls, and results.
	// Anthropic 400: text content blocks must be non-empty; Gemini 400: contents.parts must not be empty.
	NonEmpty bool

	// Reasoning: a reasoning item is followed by the item that it led to (responses dialect).
	// OpenAI 400: Item of type 'reasoning' was provided without its required following item.
	Reasoning bool
	// Signed: thinking blocks keep their signature, and do not end a message (messages dialect).
	// Anthropic 400: thinking.signature: Field required; the final block in an assistant message cannot be `thinking`.
	Signed bool
	// ReasoningContent: when one turn with calls has reasoning_content, all have it (chat dialect).
	// DeepSeek 400: Missing `reasoning_content` field in the assistant message.
	ReasoningContent bool
	// ThoughtSignature: the same for the thought_signature of calls (chat dialect).
	// Gemini 400: Function call is missing a thought_signature.
	ThoughtSignature bool
}

// The profiles. They are shared and must not be changed.
var (
	OpenAI = &Profile{Name: "openai", Adjacent: true, Closed: true, Reasoning: true}
	Azure  = &Profile{Name: "azure", Adjacent: true, Closed: true, Reasoning: true}
	// Anthropic joins neighbouring messages of one role, so it does not demand alternation. It ends with a user message:
	// models from Claude 4.6 on refuse a prefilled answer.
	Anthropic = &Profile{
		Name: "anthropic", Adjacent: true, Closed: true, UniqueIDs: true, ResultsFirst: true, NoSystem: true,
		FirstUser: true, LastUser: true, NonEmpty: true, Signed: true,
	}
	// Gemini by its OpenAI-compatible endpoint.
	Gemini = &Profile{
		Name: "gemini", Adjacent: true, Closed: true, CallAfterUser: true, NonEmpty: true, ThoughtSignature: true,
	}
	// DeepSeek, whose reasoner has refused successive messages of one role.
	DeepSeek = &Profile{Name: "deepseek", Adjacent: true, Closed: true, Alternate: true, ReasoningContent: true}
	Mistral  = &Profile{
		Name: "mistral", Adjacent: true, Closed: true, AssistantAfterResult: true, NoSystemAfterAssistant: true,
		LastUser: true, NonEmpty: true,
	}
	// Strict is what the strictest chat templates of llama.cpp and vLLM demand together.
	Strict = &Profile{
		Name: "strict", Adjacent: true, Closed: true, CallAfterUser: true, Alternate: true, AssistantAfterResult: true,
		NoSystemAfterAssistant: true, OneSystem: true, SystemFirst: true, FirstUser: true, LastUser: true, NonEmpty: true,
	}
	// Plain demands only what no upstream can do without: that calls and results pair up.
	Plain = &Profile{Name: "plain"}
)
