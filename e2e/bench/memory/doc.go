// Command memory measures what memory finds, tells, costs and takes: the engine on its default store, and the trapgate binary on the
// wire.
//
// Its parts (-only names some): changes, retrieve, path, notes, size, open, exchange. Each figure of the issue stands in the report
// beside what was measured, with a verdict. e2e/bench/results/memory/memory.md is written by a full run only; -quick and -only write
// elsewhere, or where -out says. How well memory finds the evidence of human conversations is measured by ./e2e/bench/locomo.
//
// # What is counted
//
// changes plays generated histories (e2e/memory/history) and judges them (e2e/memory/judge). The current value is above the old one
// when the first record told or found that says it stands before any record that says an old one and is not marked as closed; a
// closed value is told when a line of the note for a new conversation's first message says it and not the current one.
//
// Records of retrieve and open are sentences of 23 words whose frequencies fall as those of a language do (Zipf, 20,000 words), all of
// one user in sessions of 22; questions are five words of one of them. Times of retrieve are those of Engine.Search; those with a note
// of Engine.Recall at the first message of a conversation, with the deadline of a sidecar. open is from the start of the
// process to its ready line, and to its first answer with the index of a user of 10,000 records. RSS is the process's VmRSS after
// a question to a user of 100,000.
package main
