// Package history knows the structure of a conversation: which messages form an atomic group (Units), what each provider
// demands of a request's messages (Profile), and whether a body meets that (Check). It changes nothing.
//
// # Units
//
// A unit is what can be removed from a history, or kept, only as a whole: a model's turn with its calls, thinking and
// signatures, together with all results of those calls. Removing whole units leaves calls and results paired.
//
// # Profiles
//
// The fields of a Profile are demands, each with the answer it gets when it is broken. What an upstream demands is
// looked up by its host and by the family of the model. A host that is not known, loopback included, may be anything
// behind a chat template, so it gets the rules of Strict, joined with those of the model's family: our rewriting then
// has fewer places where it may cut, and none of them is refused by anybody.
//
// # Faults
//
// Check is absolute: it reports what the agent itself did as well. What a rewriting must answer for is Introduced.
package history
