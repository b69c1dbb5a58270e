package decide

import "strings"

// maxStatement is how long a sentence may be, in bytes. What is longer is no sentence of somebody who talks.
const maxStatement = 1000

// Statements are the sentences of a user's text, as an episode has it, that state something in the user's own words: neither code,
// quotes, logs, mail and what follows "translate this:", nor questions, nor what held a secret. They share the text's memory.
func Statements(text string) (all []string) {
	for _, own := range ownWords(text, facts()) {
		sentences(text, own.from, own.to, func(start, end int) {
			s := strings.TrimSpace(text[start:end])
			asks := strings.HasSuffix(s, "?") || strings.HasSuffix(s, "？")
			if s != "" && !asks && len(s) <= maxStatement && !strings.Contains(s, Placeholder) {
				all = append(all, s)
			}
		})
	}
	return all
}
