// Package assemble puts the events of a streamed answer together into the one JSON body that the same request has without
// streaming. It is what stands behind `unary: stream`: an engine notices that a streaming reader left, and frees its
// slot; of a unary one it may learn a second later, or never.
//
// The one rule: the agent gets what the engine itself would have answered, or an error that says why not. An end that the
// upstream did not send is not made up, and no byte leaves before the terminal event, so a cut stream can be tried again.
//
//	if assemble.Eligible(view) {            // else the request goes out as it is
//		assemble.Stream(view, &edits)       // "stream": true, and for chat the usage chunk
//	}
//	a.Reset(view.Dialect)
//	err := a.Event(name, data)              // for each SSE event, until a.Done()
//	body, err := a.Body(buf)                // ErrIncomplete when the stream ended before
//
// # What an answer is made of
//
// Nothing is decoded: strings are joined as they are spelled, numbers stay as written, unknown members are kept.
//
//   - chat: a choice's delta becomes its message. In a delta strings are joined, objects merged, arrays appended; elements
//     with an index are merged by it; words such as id, type and role are said once. Beside the delta (logprobs,
//     content_filter_results) objects are merged and arrays appended, and the last value of all else counts. Of a chunk's other
//     members (id, model, usage, timings, ...) the last value counts. null never replaces a value.
//   - responses: the terminal event holds the whole response; its bytes are the answer.
//   - messages: content blocks by index, input from its JSON text, usage and stop reason from message_delta over those of
//     message_start, as Anthropic's SDKs do it.
//
// # What a stream does not say
//
// An answer cannot hold what its stream left out. Engines were compared by tests (e2e/engine); this is known:
//
//   - OpenAI's chat names an empty list of annotations that its chunks do not have: it is put in where deltas speak of refusal.
//   - A message of calls alone has the content null, as OpenAI's and vLLM's have, though its chunks begin with "".
//   - llama.cpp's chat says "content":"" there, though its chunks begin with null, and its responses say completed_at: both are put in
//     for it alone (llama.go). Cut by max_tokens inside a tool call's name, its unary answer shows the raw text, which its
//     stream holds back: that text is lost.
//   - Members that are null or empty in every answer and in no chunk (vLLM's prompt_logprobs) are absent.
//
// # Usage that the agent did not ask for
//
// AskUsage and UsageStripper are the same trade for streams that stay streams: usage is asked for, for the books, and kept
// from an agent that did not.
//
// Not for relaying: who passes events on needs none of this.
package assemble
