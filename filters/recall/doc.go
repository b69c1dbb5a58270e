// Package recall stands in the outer ring behind identity. It puts notes of what is remembered at the end of the user's message that
// they matter to, puts those of earlier messages back where they stood, with the same bytes, and gives memory what was said. It adapts
// memory, where everything is decided.
//
// It fails open: whatever goes wrong inside, the request goes out without a new note, and a response header says so.
package recall
