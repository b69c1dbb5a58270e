// Command context measures what rewriting does to long conversations and what it costs: the trapgate binary with a section context on
// the wire, a recording upstream, llama.cpp's server.
//
// Its parts (-only names some): replay, steady, branch, loop, stamp. Each figure of the issue stands in the report beside what was
// measured, with a verdict. e2e/bench/results/context is written by a full run only; -quick and -only write elsewhere, or where -out
// says. With -without the section is left out of every configuration, which shows what the harness itself measures.
//
// # What is counted
//
// The size of a request is the number of o200k tokens of the JSON text of its tools and of each of its messages with the comma behind
// it, counted one by one: 0.1 % more than the whole text at once has. A request is over the window when its size and 4,096 more exceed
// it. A hit is a token of a request that is also in the request before it, with all tokens before it the same, tools first: within the
// first message that differs the tokens are compared. Cost is in millions of uncached tokens: 1 for each token that is no hit, 0.1 for
// each hit, and all tokens of requests that the gate made on its own account count 1. Time to live, block sizes and the price of
// writing to a cache are left out.
//
// A pin or id counts as there when a message of the request holds it: decoded, and for pins also in the escaped bytes in which it was
// said. The tail is the longest run of the session's last messages that stand in the request byte for byte; tool results whose call is
// not in it do not count. Faults are what a provider refuses, less what the agent's own request has of it.
//
// # The bound
//
// The oracle knows the future. It chooses when to rewrite by dynamic programming over all calls and writes a digest of no tokens. It
// keeps the tools, system text, the user's words up to the task message, and the least tail of whole units that has a fifth of the
// usable window. Whoever keeps more at the same calls sends no less and writes no less, so no way to rewrite in epochs is better in
// both. Its frontier is the lower convex hull of (tokens sent, tokens written), found vertex by vertex; the bounds are where the hull
// meets the line of equal hits or of equal cost, so they hold for every schedule, and only a vertex is one.
package main
