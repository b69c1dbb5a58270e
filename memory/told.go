package memory

import (
	"slices"
	"strings"

	"github.com/trapgate/trapgate/memory/record"
)

// quoted are the sentences that notes quote, one for each of their lines.
func quoted(note string) (quotes []string) {
	for line := range strings.Lines(note) {
		from, to := strings.IndexByte(line, '"'), strings.LastIndexByte(line, '"')
		if strings.HasPrefix(line, "- ") && from < to {
			quotes = append(quotes, line[from+1:to])
		}
	}
	return quotes
}

// told reports whether a note that is still part of the conversation says the same: it quotes the text, with what else was said, or
// most of it.
func (t *telling) told(r *record.Record) bool {
	if t.evicted(r) != nil || r.Text == "" {
		return false
	}
	text := defuse(strings.TrimSuffix(fold(r.Text, maxLine/2), "…"))
	return slices.ContainsFunc(t.quotes, func(q string) bool {
		return strings.Contains(q, text) || 2*len(q) >= len(text) && strings.Contains(text, q)
	})
}

// statementMarks are words of a sentence that says something, if it is short.
var statementMarks = strings.Fields("i i'm my we we're our you your he she it it's they the this that is are was were am has have had " +
	"ich mein meine wir unser unsere er sie es der die das ist sind war hat")

// onlyAsks reports whether a text asks, and says nothing but how to answer.
func onlyAsks(text string) bool {
	asks := false
	for text = strings.TrimSpace(text); text != ""; {
		end := strings.IndexAny(text, ".!?\n")
		if end < 0 {
			end = len(text) - 1
		}
		if text[end] == '?' {
			asks = true
		} else if says(text[:end+1]) {
			return false
		}
		text = strings.TrimSpace(text[end+1:])
	}
	return asks
}

func says(sentence string) bool {
	words := strings.FieldsFunc(strings.ToLower(sentence), func(r rune) bool { return strings.ContainsRune(" \t,;:.!()", r) })
	return len(words) > 3 || strings.ContainsAny(sentence, "0123456789") ||
		slices.ContainsFunc(words, func(w string) bool { return slices.Contains(statementMarks, w) })
}
