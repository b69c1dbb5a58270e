// Package extract asks a model for the facts in what a user has said, for those that rules (memory/decide) do not see. It stores nothing:
// a Batch goes in, what may be added or superseded comes out.
//
// A model is not believed. It is shown statements of the user, in the user's own words, and the facts that stand, numbered. It may say
// three things: ADD a fact, SUPERSEDE a numbered one by a fact, or NOOP. Each fact must quote a span of one of those statements letter
// for letter, and names and numbers in it must stand there too; what does not hold is rejected, and counted by its Reason. Nothing that a
// text can talk a model into goes further than a wrong word about something that the user did say, which can be taken back.
package extract
