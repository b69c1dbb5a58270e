// Package memory proves memory with the trapgate binary on the wire: agent -> trapgate -> model.
//
//   - Two real frameworks, in two runs each: what was told in one is there in the next; another user, and nobody, see nothing.
//   - Probes over fuzzed headers, users, sessions and credentials: nothing crosses a scope.
//   - kill -9 at random moments: what was acknowledged is kept, what was forgotten stays forgotten, also while others write.
//   - A full disk, a damaged file, a clock that goes back.
//   - Agents that quote notes and send their histories again and again: no note is ever learned.
//   - Tools and documents that try to become facts; credentials of many vendors in what users say.
//   - Histories of package history in which things change, judged by package judge.
//
// TRAPGATE_E2E_FULL=1 makes all of it long.
package memory
