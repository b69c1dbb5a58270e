package decide

import (
	"strings"
	"sync"
)

// What is shorter than three words, or longer than so many bytes, is no sentence of somebody who states something.
const (
	minWords     = 3
	maxStatement = 1000
)

// Statements are the sentences of a user's text, as an episode has it, that state something in the user's own words: neither code,
// quotes, logs, mail and what follows "translate this:", nor questions, nor what held a secret. They share the text's memory.
func Statements(text string) (all []string) {
	for _, own := range ownWords(text, facts()) {
		sentences(text, own.from, own.to, func(start, end int) {
			s := strings.TrimSpace(text[start:end])
			asks := strings.HasSuffix(s, "?") || strings.HasSuffix(s, "？")
			if !asks && len(s) <= maxStatement && manyWords(s) && !strings.Contains(s, Placeholder) {
				all = append(all, s)
			}
		})
	}
	return all
}

func manyWords(text string) bool {
	n := 0
	for _, t := range tokenize(nil, text, 0, len(text)) {
		if !t.mark {
			n++
		}
	}
	return n >= minWords
}

var singles = sync.OnceValue(func() map[string]bool {
	set := map[string]bool{}
	lines("en", func(head, _ string) {
		if r := parseRule(head, "en"); r.single {
			name, _, _ := strings.Cut(r.predicate, "{")
			set[name] = true // "favourite:" is of favourite:colour
		}
	})
	delete(set, "")
	return set
})

// Single reports whether the rules know a predicate of which one value holds at a time: lives_in, favourite:colour.
func Single(predicate string) bool {
	head, kind, of := strings.Cut(predicate, ":")
	if of && kind != "" {
		head += ":"
	}
	return singles()[head]
}
