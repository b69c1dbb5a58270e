// Command locomo measures how well memory finds the evidence of questions about long conversations, with no model in the loop: every
// turn goes through the same capture, decisions and retrieval as in a sidecar, into SQLite, and every question of a set of LoCoMo's
// shape (Maharana and others, Evaluating Very Long-Term Conversational Memory of LLM Agents, 2024) is asked.
//
//	go run ./e2e/bench/locomo --data FILE [--rank OUT.json] [--embeddings URL]
//
// With embeddings the same defaults rank, and each question's embedding is waited for. The URL is that of an OpenAI-style API, whole or
// its base; what could not be embedded is compared by words alone, and counted.
//
// The sets are not part of this repository: LoCoMo's licence is CC BY-NC 4.0. A set of another kind, such as generated dialogues of
// agents, is measured by the same command: categories that LoCoMo does not have are shown by their numbers. The weights that rank are
// tuned by ./e2e/bench/locomo/tune.
package main
