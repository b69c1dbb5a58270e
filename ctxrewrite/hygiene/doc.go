// Package hygiene mends what costs a request its provider's prompt cache. It knows no HTTP and adds splices only; what changes bytes
// is off unless asked for.
//
// # Cache key
//
// Where the agent set no prompt_cache_key and the provider's own host knows it (OpenAI, Azure, Mistral), one is added: a hash of
// tenant and session, the same in every process.
//
// # Breakpoints
//
// In the messages dialect up to four blocks may carry cache_control, the agent's own included. Those that are free go, in this order,
// to the last message, the end of the system text, the end of the request before (only when more blocks have come since than the
// provider looks back, 20), the message that carries a digest, and the end of the tools. All are found in the request alone, so that
// the next one has them at the same places, but for the one at the tail, which moves. The marks themselves are no part of what is
// hashed by the provider.
//
// # Volatile lines
//
// A line of the system prompt that is different in each request (a clock, a nonce, a counter) takes everything behind it out of the
// cache. Two requests of one session prove it: their system texts are equal but for runs with digits, hexadecimal runs, and names of
// days and months (the mask), and this line is not. What was proven holds for all later sessions of the agent whose masked text is the
// same.
//
// Such a line is reported, with the tokens that could not be read from the cache. When asked to, it is moved: a constant stands in its
// place, and its text at the end of the newest user text or tool result, inside the content, when it has changed. What was appended to
// a message (a stamp) is appended to it again, byte for byte, in all later requests of this conversation: so a request is a prefix of
// the next up to its end. Stamps are kept in memory, for each session, and noted for later processes and other replicas, which read
// them at the first request of a conversation that did not begin there.
package hygiene
