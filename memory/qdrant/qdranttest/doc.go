// Package qdranttest is a Qdrant server for tests: the client's own service stubs over an Engine, which answers. Memory is an Engine
// in this process, exact in the documented semantics of the calls that memory/qdrant makes and no others: what it does not know it
// refuses. e2e/qdrant compares it with Qdrant's own engine.
package qdranttest
