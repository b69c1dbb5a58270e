// Command sched measures orders of service in virtual time: the engine of package ratelimit itself, with none of its rules
// copied, beside small baselines that live only here.
//
// The scenarios are S1 (a hog and light tenants), S1b (two backlogged tenants), S2 (programs of many calls), S3 (a provider's
// token limit), the hog test on plain slots, and AIOS's experiment. It takes any file of lengths (-lengths), prints its
// parameters, seeds 1 to 3 and their mean beside what must be reached, and draws the waits over time.
//
// One rule keeps it honest: every order sees the same arrivals, lengths and pauses for the same seed, because all of them are
// drawn before the order is asked for anything, and none is shown what has not happened yet. Only the oracle is, and it says so.
package main
