package config

import "strings"

// nearest returns the word of words that text is most likely a slip of, "" when none is near.
func nearest(text string, words []string) string {
	text = strings.ToLower(strings.NewReplacer("-", "_", " ", "_").Replace(text))
	best, bestDistance := "", 1+max(1, min(3, len(text)/3))
	for _, w := range words {
		if d := distance(text, strings.ToLower(w), bestDistance); d < bestDistance {
			best, bestDistance = w, d
		}
	}
	if best == "" && len(text) >= 4 {
		for _, w := range words {
			if strings.Contains(strings.ReplaceAll(w, "_", ""), strings.ReplaceAll(text, "_", "")) {
				return w
			}
		}
	}
	return best
}

// distance is the number of insertions, deletions, replacements and swaps of neighbours between a and b (optimal string
// alignment); lengths that differ by limit or more give limit at once.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// oneOf joins words for a message: "a, b or c".
func oneOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
