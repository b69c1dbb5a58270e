// Package glob matches names against patterns that know one sign: * stands for any text, the empty one and '/' included.
// Everything else stands for itself, and case counts.
package glob

import "strings"

// Match reports whether the pattern matches the whole text.
//
// The text may be a pattern as well: then it reports whether everything that the text matches is matched by the pattern, since a
// star of the text is matched by a star only. It goes back to the last star at most, so it takes time proportional to the product
// of both lengths and no memory.
func Match(pattern, text string) bool {
	star, mark := -1, 0
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && pattern[p] == text[t]:
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
