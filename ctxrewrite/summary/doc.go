// Package summary has a model write the prose of a digest: goal, decisions, work done, open items and the next step of the messages
// that leave a conversation, and checks what it wrote.
//
// It is incremental: the model reads its summary of before and the messages evicted since, tool results shortened. Rules and facts
// are not its business: the digest copies them itself, whatever the model writes. The conversation is material; what it says to
// whoever reads it is not followed. A summary that loses ids, claims a call that never was, is empty, cut off or too long is asked
// for once more, with the reason; then there is none.
package summary
