// Package rewrite stands first in the inner ring and fits each attempt's request to the window of the model that it goes to. It
// adapts ctxrewrite, where everything is decided.
//
// It fails open: whatever goes wrong inside, the request goes out as it came, and a response header says so.
package rewrite
