// Package simmodel is a simulated model API with a latency and capacity model. The commands trapgate sim and trapgate
// demo, tests and benches stand on it, so the one rule is that it is honest: what it reports (usage, cached tokens,
// headers, Stats) is what it charged in time and budgets, and the same seed and requests give the same answers.
//
// It speaks chat completions, responses and messages (streamed or not), completions, embeddings and models. It is not the
// product's data path: use Instant, which has no model behind it, as the upstream of speed benches.
//
// # Tokens
//
// A token is four bytes. The prompt is rendered as one text, tools first, then each message with its role; tool call ids
// and cache marks are not in it, arguments are compacted, a picture counts 765 tokens. prompt = ceil(bytes/4). Text comes
// out four bytes at a time (moved back to the start of a character); a tool call costs its name and its arguments.
//
// # Time
//
// A request waits for one of Slots in arrival order. In its slot, with n prompt tokens of which c are cached, and m output
// tokens:
//
//	f           = 1 + BatchSlowdown*(busy slots - 1)
//	first token = Overhead + f*(n-c)/PrefillRate
//	last token  = first token + f*(m-1)/DecodeRate
//
// f is looked at again for every 512 prompt tokens and for every streamed token (unary: every 4 ms). A rate of 0 costs
// nothing. Deadlines are absolute: a late timer delays one token, not those after it. No byte of a response leaves before
// the first token, as with llama.cpp's server, unless EarlyHeaders is set. A unary answer leaves after the last token.
// TimeScale k makes everything k times faster: rates and per-minute limits are multiplied and Overhead and the cache's TTL
// divided by k. Limits and waits in headers are in real time, because agents wait in real time.
//
// An agent that leaves frees its place in the queue or its slot at once; nothing is generated for it afterwards, and what
// was prefilled stays in the cache.
//
// # Prefix cache
//
// The rendered prompt is cut into blocks of Cache.Block tokens; a block's key hashes the model, everything before it and
// itself. c is the longest run of held blocks from the front, below Cache.Min nothing, and never the prompt's last token.
// Blocks enter as they are prefilled, and after a complete answer with the answer's text behind them, as the next turn will
// bring it back. At most Cache.Tokens are held; the least recently used block leaves first, of one prompt the last one.
// messages: input_tokens are n - cache_read - cache_creation; the latter is reported only when the body marks cache_control.
//
// # Budgets
//
// Buckets hold Burst minutes' worth and refill continuously. A request needs 1 of RPM, n + max_tokens of TPM, the uncached
// part of n of ITPM, max_tokens of OTPM, all of them or it is refused with 429 and the time until the bucket will do
// (retry-after in whole seconds, rounded up, and retry-after-ms). When it ends the charge becomes what was used (a level may
// fall below zero), unless Reserve is set. Headers: x-ratelimit-{limit,remaining,reset}-{requests,tokens}, on messages
// anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}.
//
// # What it says
//
// In this order: Options.Decide; a directive in the newest user message that has one; a directive in the instructions; the
// first rule of Options.Script that matches; the default. A script is a list of steps, one for each of the model's turns after
// the user message it belongs to, so it needs no state and a repeated request gets the same step. After the last step the
// answer is "done".
//
//	[[sim: shell ls -l & call read {"path":"a.go"}; tokens 20 & call bash {"command":"make"}; say done: $RESULT]]
//
//	directive = "[[sim:" step { ";" step } "]]"       step = action { "&" action }      (one turn; its calls run in parallel)
//	action    = "call" TOOL [JSON object or string]   a declared tool, "namespace.name" too; no arguments: made from its schema
//	          | "shell" TEXT                          whatever shell-like tool the agent declares, with its argument names
//	          | "say" TEXT                            text; $RESULT is the newest tool result; in the last step the final text
//	          | "think" TEXT                          a reasoning item (responses) or thinking block (messages)
//	          | "tokens" N | "stamp" N                N tokens of filler, or of time stamps "@unixnanoseconds "
//	          | "fault" FAULTS                        see below
//	TEXT      = JSON string | characters up to ";", "]]" or "& ACTION"
//
// The word parallel before an action is allowed and means nothing. Quoted (\") and HTML-escaped directives are understood.
//
// A final text goes through the agent's terminal tool when it declares one (submit_and_exit, final_answer, final_result,
// attempt_completion, submit), and as a command when the prompt asks for mini-swe-agent's marker. Agents that act on Python in
// the text (stop sequence </code>) get steps as code blocks. A request without tools is a side call: calls are left out.
// A call of a tool that is not declared is answered with a text that says so. A JSON schema asked for is filled.
//
// The default: an agent that declares tools gets ToolRounds calls after its user message, of its shell ("echo hello-1"),
// else of its first tool with arguments made from the schema, then filler text that quotes the tool's answer. Filler has a
// length uniform in [mean/2, 3*mean/2], decided by seed and prompt.
//
// # Faults
//
// By header x-sim-fault, by directive, or by Options.Faults: "KIND[=VALUE], ...".
//
//	before the answer   hang_headers, slow_headers=DURATION, status=CODE[xTIMES], 429=SECONDS, drop=[xTIMES], info=1XX, bad_type
//	after n events      hang=N, cut=N (no last chunk), reset=N (RST), end=N (clean, no terminal event), error_event=N,
//	                    stall=DURATION (after two), malformed=N (the Nth event; unary: the body). Unary hang, cut, reset: N bytes
//	framing             comments, crlf, cr, nospace, multi_data, pieces=BYTES, one_write, close_delimited, gzip_members,
//	                    huge=BYTES (one event with that much text), huge_comment=BYTES, bom
//	what events say     no_done, no_finish_key, whole_calls, extra_fields, usage_on_last, finish_twice, usage_unasked,
//	                    empty_first, no_index, new_ids, no_role (chat), unknown_event
//
// TIMES counts repetitions of one body: status=503x2 fails twice, then answers.
//
// GET /sim/stats returns Stats as JSON.
package simmodel
