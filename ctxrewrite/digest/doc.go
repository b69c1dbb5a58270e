// Package digest makes the text that stands for an evicted span of a conversation: what of it must survive.
//
// It is extractive: nothing is made up, what matters is copied. The same messages and the same previous digest give the same
// bytes on every machine, so sidecars agree without talking, and a digest is a function of the one before it and the newly
// evicted messages only. Everything is bounded by the budgets of Options.
//
// The sections, in this order, each left out when empty: rules (pins, verbatim), goal, a model's summary (only where WithSummary
// added one: it is the one part that is not copied), recent user messages (verbatim, newest first), decisions, facts, work done
// and files touched, errors, open items, next step, stubs of offloaded results, handles of the evicted spans.
//
// Facts are append-only: one keeps its place and its bytes until its class is over budget. Then only its value stays, in a list;
// what leaves the list as well is counted there, beside the handle of an offload that holds it.
//
// # Who may pin
//
// Rules are taken from system, developer and user text, and from nowhere else: a web page that says "you must" is no rule.
// The sentence finder works on English deontic and imperative forms (and a few words of other languages); it would rather
// keep a sentence too many. Rules are strong ("never", "is off limits") or weak (a wish: "I don't want"); weak ones share
// a 24th of the pin budget, newest first.
//
// # Which facts
//
// A value that is hard to guess and was said in prose ("the code of the locker is ZQ-1") cannot be asked for again, while a
// listing can. So values with a label in a sentence are kept, wherever they stand, and values in JSON, tables and lists of
// like things are left to the stubs.
package digest
