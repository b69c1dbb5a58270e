// Package telemetry shows what happens to an exchange: spans, metrics, one log line, a ledger and the list of what is in
// flight. The host reports each step of an exchange once, to an Exchange and its Attempts; everything else follows.
//
// The one rule: seeing costs next to nothing when nobody looks. Without an exporter in the environment there is no tracer,
// and metrics are a few atomic adds on series that were resolved once. No credential and no text of a prompt reaches a span,
// a log line or a label; prompt content reaches spans only when Options.Content says so.
//
// It is not a tracing library for the rest of the program: engines know nothing of it.
package telemetry
