// Package qdrant runs memory's store on Qdrant against what comes nearest to a server of it. There is no server in the package
// registries, but its engine is, as a library in a process (qdrant-edge-py on PyPI): a process of ours runs that, and
// memory/qdrant/qdranttest answers the client's calls with it. The engine answers upserts, changes of payloads and vectors, deletions,
// queries, scrolling, counts and facets; collections' settings are kept here, and calls of a batch are made one after the other, as a
// server makes them. The same suite runs against a real server when TRAPGATE_QDRANT gives its address (host:port of its gRPC).
//
// It also compares the engine with the one in memory/qdrant/qdranttest, which the unit tests use, by random points and questions.
package qdrant
