// Package record has the words that all of memory speaks: what is remembered (Record), whose it is (Scope), and who may see it
// (Scope.Sees). It decides nothing and stores nothing.
package record
