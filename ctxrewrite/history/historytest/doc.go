// Package historytest makes request bodies to test the rewriting of histories with: random ones with planted rules and ids
// (Generate), and what real agents sent (Recorded).
package historytest
