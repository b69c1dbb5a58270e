// Package filtertest helps to test filters and the hosts that run them.
//
// For authors of filters there are recording neighbours (Recorder) and filters that behave badly or unusually on purpose
// (Holder, Multiplier, Refuser, Failer, Panicker, Repeater, Waiter), and Memory, a host without a network. For hosts there
// is Conformance, the suite that every host of filters must pass: the proxy's pipeline over TCP does, and so must any other.
//
// The one rule that all of it watches: every stream that was opened is closed exactly once, in reverse order of Open. Every
// filter of this package writes to a Log, and Log.Verify finds what broke the rule.
package filtertest
