// Package wire reads what agents and model APIs say to each other, in place.
//
// A View is made of spans into the raw request body: nothing is decoded or marshalled again, so unknown fields, number
// spellings and key order survive because nobody touches them. An edit is a splice (Edits). A Meter reads usage, finish
// reasons and the terminal event from a response as it passes. Errors of our own take the dialect's shape here.
//
// The one rule: bytes that were not spliced leave exactly as they came.
package wire
