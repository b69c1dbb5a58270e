// Command embedserver serves OpenAI's /v1/embeddings on loopback, for tests and benches, with a real sentence embedding model:
// all-MiniLM-L6-v2 in float32. Package server starts the same server from Go.
//
//	go run ./e2e/embedserver
//
// prints the URL, as e2e/bench/locomo takes it with --embeddings, and serves until it is interrupted.
package main
