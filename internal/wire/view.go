package wire

// A Span is a half-open range of bytes in a request body. A zero Span means absent.
type Span struct{ Start, End int32 }

// Of returns the bytes of the span, aliasing body.
func (s Span) Of(body []byte) []byte { return body[s.Start:s.End] }

// Empty reports whether the span holds nothing, which is how an absent value is shown.
func (s Span) Empty() bool { return s.End <= s.Start }

// A Role says who speaks in a message or item.
type Role uint8

const (
	NoRole Role = iota // the element has no role: a responses item such as function_call or reasoning
	System
	Developer
	User
	Assistant
	Tool      // chat role "tool" or "function"
	OtherRole // a role this version does not know; see Message.RoleSpan
)

// A Kind says what an element of the history is.
type Kind uint8

const (
	Msg        Kind = iota // a message with role and content (also responses items without "type")
	CallItem               // responses: function_call, custom_tool_call, local_shell_call, shell_call, ...
	ResultItem             // responses: function_call_output, custom_tool_call_output, local_shell_call_output, ...
	Reasoning              // responses: reasoning
	ToolsItem              // responses: additional_tools
	OtherItem              // anything else
)

// A Message is one element of the history: of chat's and messages' `messages`, of responses' `input` array. When responses'
// `input` is a string, it is shown as one user message whose Span is the string.
type Message struct {
	Span     Span // the whole element, braces included
	Kind     Kind
	Role     Role
	RoleSpan Span // the raw JSON string of the role
	TypeSpan Span // responses: the raw JSON string of `type`, empty when absent
	Content  Span // the raw JSON value of `content` (ResultItem: of `output`)
	// Ranges into View.Texts, View.Calls, View.Results and View.Tools that belong to this message. Text includes the texts
	// inside tool results, which ToolResult.Text tells apart; thinking and reasoning are not text.
	Text, Call, Result, Tool Range

	extra Range // into View.extras
	count int32 // elements read up to the end of this message, for Limits.Elements
	odd   bool  // has \u or \/ escapes, so equal strings may differ in bytes
}

// A Range selects elements [From, To) of one of a View's slices.
type Range struct{ From, To int32 }

// A ToolCall is a call that the model made, as the agent repeats it in the history.
type ToolCall struct {
	Span      Span // the whole call object
	ID        Span // raw JSON string: chat id, responses call_id (else id), messages id; empty for chat's old function_call
	Name      Span // raw JSON string; for typed calls without a name (local_shell_call, shell_call), of `type`
	Args      Span // raw JSON value: a string in chat and responses (function, custom), an object in messages and shell items
	Type      Span // raw JSON string of `type`, empty when absent
	Namespace Span // raw JSON string, responses only, empty when absent
}

// A ToolResult is the answer to one call.
type ToolResult struct {
	Span Span  // the element or block that holds the result
	ID   Span  // raw JSON string: tool_call_id, call_id, tool_use_id
	Body Span  // raw JSON value of its content
	Text Range // the texts of View.Texts inside Body
	Fail bool  // the agent marked it as an error (messages: is_error)
}

// Where a tool is declared; agents use all four places.
type ToolPlace uint8

const (
	ToolNested     ToolPlace = iota // tools[].function (chat)
	ToolFlat                        // tools[] (responses, messages, typed tools)
	ToolNamespaced                  // inside {"type":"namespace"}
	ToolInItem                      // in an input item {"type":"additional_tools"}
)

// A ToolDecl is one declared tool.
type ToolDecl struct {
	Place  ToolPlace
	Span   Span // the element
	Name   Span // raw JSON string; for typed tools without a name, of `type`
	Type   Span // raw JSON string, empty when absent
	Schema Span // raw JSON value of parameters / input_schema, empty when absent
	// Namespace is the raw JSON string of the surrounding namespace's name, empty when there is none. A namespace itself is
	// no tool and not listed.
	Namespace Span
}

// A View shows what a request says, as spans into its bytes; the same for all dialects. Nothing is decoded until asked for.
// It is valid as long as the body it was made over is unchanged. Views are pooled: see Acquire and Release.
type View struct {
	Dialect Dialect
	Body    []byte

	Model      Span // raw JSON string
	Stream     bool
	StreamSpan Span // the raw value of `stream`, empty when absent
	MaxTokens  Span // raw number: max_completion_tokens, max_output_tokens, else max_tokens
	UserField  Span // raw JSON string of `user` (messages: metadata.user_id)
	Metadata   Span // raw value of `metadata`
	CacheKey   Span // raw JSON string of prompt_cache_key: not a session
	PreviousID Span // raw JSON string of previous_response_id
	Options    Span // raw value of stream_options
	System     Span // raw value of top-level `system` (messages) or `instructions` (responses)
	History    Span // raw value of `messages` or `input`
	ToolsSpan  Span // raw value of `tools`
	Root       Span // the top-level object, braces included

	ToolChoice   Span  // raw value of `tool_choice`
	Conversation Span  // raw value of `conversation` (responses)
	Background   bool  // responses: `background` is true
	SystemText   Range // the texts of View.Texts inside System

	Msgs    []Message
	Texts   []Span // raw JSON strings of text, in order
	Calls   []ToolCall
	Results []ToolResult
	Tools   []ToolDecl

	extras   []extra  // blocks that are neither text nor tool traffic
	hashes   []uint64 // of the leading Msgs: what they mean, 0 when not known yet
	modelVal Span     // the value of `model`, of any type
	maxRank  uint8    // which key MaxTokens came from
	known    int      // leading Msgs taken from a prefix
	noted    []noted  // tools and system, for the memos of a prefix
	toolsSum uint64   // ToolsHash, 0 when not asked for yet
	sysSum   uint64   // SystemHash, likewise
	from     *Prefix  // the prefix this view started from
	fromCut  int
	scan     scanner
}

// An extra is part of a message's meaning that is neither text nor tool traffic: an image, a document, a name.
type extra struct {
	span Span
	at   int32 // texts of View.Texts before it
}
