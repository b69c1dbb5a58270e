// Package decide says what of a message is remembered, by rules alone: text in, a Decision out. It stores nothing, calls nobody, and
// knows no clock but the time that the message bears, so the same message is always decided alike.
//
// A message is cleaned first: notes that we put into the conversation ourselves, what agents' scaffolding adds to a user's words,
// and secrets are cut out. What is left becomes an episode, unless it says nothing (a Reason). From what users say in their own
// words, and from nothing else, facts are read: who they are, what they prefer, what was decided, what is due, what is no longer so.
//
// Secrets are found by the rules of gitleaks (github.com/gitleaks/gitleaks, MIT), which this package reads and applies itself, and
// by rules for passwords in prose, payment cards and bank accounts. Tables and regular expressions are made when they are first
// needed, so a process that remembers nothing pays nothing.
package decide
