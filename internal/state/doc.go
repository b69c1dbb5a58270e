// Package state owns the one SQLite file of the data directory: who may open it, its schema, the one goroutine that writes
// and the connections that read. Pieces bring their own migrations and SQL; nothing registers itself.
//
// The rule that must hold: what was committed is still there after kill -9 of the process, and nothing is ever thrown away
// without saying so. Precisely:
//
//   - Write returns at once. The writer commits it at once when it was idle, else with the next batch, at most Options.Gap
//     after the batch before. kill -9 in between loses it.
//   - WriteSync and Flush return once it is committed: kill -9 cannot take it any more.
//   - The write-ahead log is synced at most Options.Sync (1 s) after a commit, so a power loss takes the last second.
//   - A disk that is full (or fails otherwise) loses nothing that was written before. Writes are kept in order and tried
//     again until they go through; those that wait for commit are told at once. Health tells what is wrong; past
//     Options.MaxQueued waiting writes, new ones are refused, counted and logged.
//   - A file that is damaged, foreign or of a newer version is not touched: Open refuses and says what to do.
//
// It is not a store for what many sidecars share, and no place for I/O on a request's path: reads wait for a disk.
package state
