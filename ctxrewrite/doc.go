// Package ctxrewrite fits a conversation to its model's window and keeps the provider's prompt cache warm. It knows no HTTP.
//
// Rewriting happens in rare, frozen epochs. Below 65 % of the usable window nothing happens. From there on an epoch is prepared
// beside the path; at the high mark it is swapped in: the messages between the task message and a late boundary are left out, and
// a digest of them stands inside the task message. From then on every request of that line carries the same bytes in front, so it
// is a prefix of the next one, until the high mark is reached once more. What is not ready when the window is nearly full is built
// in the path; what does not fit even then is cut inside its largest tool results.
//
// The rules that must hold, the first ones before the others: the history stays valid, the request fits the window, system text
// and pins stand byte for byte, the end of the conversation stands verbatim. Below the mark not one byte changes.
//
// A digest is made of the agent's own text: exchange edits inside what an epoch covers are left out with it, and an epoch is for
// the edits that it was made under. No filter makes any today.
//
// An epoch belongs to one session and to the prefix chain of what it covers: the longest one whose covered messages and whose
// swap point are in the request's own chain is used, so that appended and regenerated requests find it and edited or branched
// ones find an older one or none.
package ctxrewrite
