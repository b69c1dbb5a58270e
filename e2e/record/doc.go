// Package record stands beside a proxy and proves what it did to the bytes: one recorder before it, one behind it, in the
// same run.
//
// A Recorder copies TCP bytes both ways, at once and unchanged, and keeps them with the time at which they arrived. Only
// afterwards are they read as HTTP/1.1, by a parser of its own that shares nothing with the proxy under test. Compare then
// lists every difference between the two recordings that its Rules do not allow.
//
// The one rule: the recorder never interprets before it has forwarded, so it cannot repair, delay or reorder what it
// watches. An end of stream is forwarded as an end of stream, a reset as a reset. It is for tests: everything is kept in
// memory.
package record
