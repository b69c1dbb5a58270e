// Package engine starts a real engine for tests: llama.cpp's own HTTP server, from a pinned wheel, on a model of 6 MB that
// model.py writes in a second. Nobody here wrote the server, so it checks a proxy honestly; the model says fixed texts and
// calls a tool whenever one is offered, so use it for the shape of an engine's behaviour, never for the quality of an answer.
//
// The first start needs a package index (about 15 s); later ones need no network and take a second. The server ends with
// the test's process, even if that is killed.
package engine
