// Package store keeps what context rewriting must find again: epochs and notes (the agent's rules, cuts, moved lines), so that a
// restart or another replica goes on with the same bytes, and contents that left a request, by their handles. Everything has a time
// to live and a bound in bytes, the session not used for longest going first. A lost entry costs a prompt cache, never a request.
//
// Memory is for one process, SQLite for one data directory (package state, piece "context"), Redis for many sidecars. SQLite and
// Redis keep a content as one zstd frame and put a checksum before an epoch's record; what is found damaged is logged and treated
// as if it had never been stored. All of them pass the suite in storetest.
package store
