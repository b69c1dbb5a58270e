// Package sqlite is the store of memory in the state file of one data directory.
//
// The rows are the only truth. What a question reaches, a record.Space, has an index in memory (memory/index), which is a cache: made
// from rows when it is first asked for, dropped when others were asked for since and room is needed, and after a commit brought up
// to date by reading again the rows that the commit touched. Because every commit is followed by such a reading, the last one of them
// sees the result of all, in whatever order they come.
//
// A record is a row with one packed column (codec.go) beside those that queries need; vectors are rows of their own, with 16 bits for
// each number. Writes are durable when they return, as state.WriteSync says, and short: what removes much does it in parts.
//
// Forget leaves tombstones that are keyed hashes, so that nobody without the key can tell whether a text was forgotten, and has the
// file scrubbed (state.DB.Scrub), so that nothing that was forgotten can be read from its bytes.
package sqlite
