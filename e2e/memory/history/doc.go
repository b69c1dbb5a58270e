// Package history makes the conversations of users with agents that memory is measured on, from a seed: sessions over weeks, full of
// tool calls and their output, in which a user says things about themselves and their work, and takes some of them back later.
//
// A [Change] says what holds at the end, what held before, and which messages say so. A [Question] asks for something that was done or
// decided, and names the messages that answer it. Between them stand other people's facts, suppositions, questions and tool output with
// values of the same kind, none of which says anything about the user.
//
// The sentences were written before anybody looked at the rules of memory/decide: those of style Plain say a change with the usual words
// (moved to, no longer, actually, now), those of style Free as people happen to say it. They are not to be adapted to the rules.
package history
