// Command summary runs the steps of a test run one after another, shows what is worth seeing of each, and ends with one
// account of all: what was skipped and why, and how many tests passed, failed and were skipped.
//
//	summary reset                          forget earlier steps
//	summary step [-strict] NAME COMMAND... run a command; events of go test -json are counted test by test,
//	                                       any other command counts as one test; up to three tests that failed run
//	                                       once more, alone, and the account names those that pass only then; with
//	                                       -twice so does a command that is no test run
//	summary fuzz -total 60s PKG...         fuzz every target of the packages, the time split evenly
//	summary fuzz -each 10m PKG...          the same time for each package, all packages at once
//	summary report [-full FILE]            the account; the exit code is 1 when anything failed
//
// The one rule: a step never ends the run, and nothing that failed or did not run may be missing from the account.
package main
