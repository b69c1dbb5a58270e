// Package context runs real agents whose conversations outgrow the model's window, and proves that Trapgate keeps them alive:
// agent -> recorder -> trapgate -> recorder -> model.
//
// The task is a book of pages, each of them read by a tool call, several windows long. The model is proxy/simmodel with a
// context window and strict histories: what does not fit is refused with 400, and so is a tool result without its call. It is
// stateless as real ones are: what it asks for next follows from the last page that it finds in the request.
//
//   - A framework (LangGraph) over chat and responses: direct it dies of context_length_exceeded; through Trapgate the same
//     script ends, also when nobody told Trapgate the window and it has to learn it from the refusal.
//   - Command lines (Codex, opencode) through 32k, with rules in the prompt and in AGENTS.md.
//
// Asserted is what the recorders saw: no request that the model refused, the planted rules byte for byte in every request
// after them, the newest result whole, and x-trapgate-context on the responses. Agents are installed by package clients.
package context
