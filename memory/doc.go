// Package memory remembers what was said, across conversations, and tells of it where it matters. It knows no HTTP, and asks no
// model when it learns or recalls.
//
// Learn takes the new messages of an exchange after its answer: they are copied into a bounded queue, and one worker decides
// (memory/decide) what of them is kept, as episodes and facts, and commits what has gathered as one. Recall finds what is most like
// a question, within a deadline, and makes a note of it, dated, sourced, and marked as information and not as instructions. A note
// belongs to the message that it was made for: it stands in the store under that message's chain hash, so a retry and every later
// request of the conversation show the same bytes.
//
// Extract may have a model look for facts beside the rules, later and beside the path (memory/extract); Undo takes back what it changed.
//
// What must hold, the first before the others: nobody is shown what their scope does not see (record.Scope.Sees, asked by the store
// and again here); what was forgotten is gone, and stays gone when a history is replayed; a value that was superseded is not told;
// nothing that a tool or a document said becomes a fact or leaves its session; no note is ever learned; nobody waits.
package memory
