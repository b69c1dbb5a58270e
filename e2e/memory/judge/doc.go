// Package judge plays generated histories (package history) through memory as a sidecar has it, with no model and no HTTP, and counts
// what is found and told afterwards.
package judge
