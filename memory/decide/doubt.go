package decide

import "strings"

// advice reports whether "remember ..." tells everybody something ("remember, every step matters") and asks for nothing.
func (r *reader) advice(c capture) bool {
	i, from := c.from, c.from
	for i > 0 && r.toks[i-1].mark {
		i--
	}
	for from < c.to-1 && r.toks[from].mark {
		from++
	}
	if i == 0 || r.toks[i-1].norm != "remember" && r.toks[i-1].norm != "forget" || r.toks[from-1].norm == ":" {
		return false // "remember that", "remember:"
	}
	if i > 1 && (r.toks[i-2].norm == "please" || r.toks[i-2].norm == "you") {
		return false
	}
	for _, t := range r.toks[from:c.to] {
		if t.norm == "you" || t.norm == "your" {
			return true
		}
	}
	switch r.toks[from].norm {
	case "i", "my", "we", "our":
		return false
	case "the":
		for _, t := range r.toks[from:min(c.to, from+5)] {
			if t.norm == "is" || t.norm == "are" {
				return false
			}
		}
	}
	return true
}

// definite reports whether a capture is "the ..." with no name in it.
func (r *reader) definite(c capture) bool {
	if r.toks[c.from].norm != "the" {
		return false
	}
	for _, t := range r.toks[c.from+1 : c.to] {
		if t.upper && t.norm != "i" {
			return false
		}
	}
	return true
}

// taste are the predicates of which much is said that holds only of what is spoken of at the time.
var taste = map[string]bool{"likes": true, "dislikes": true, "prefers": true, "uses": true}

var (
	momentary = wordSet("keep use theme mindset idea part look how say what when where that if all being having seeing through by with of " +
		"got your you")
	clausal = wordSet("it you your him them they i he she this that is are these those it's his her their")
)

// vague reports whether what is liked is a clause, or a thing of the moment: "how it looks", "the taste".
func (r *reader) vague(object string) bool {
	words := strings.Fields(strings.ToLower(object))
	if len(words) > 7 {
		return true
	}
	if momentary[words[0]] {
		return true
	}
	for _, w := range words {
		if clausal[w] {
			return true
		}
	}
	return false
}

// wish asks of "from now on ..." that it tells the reader to do something, or how.
func (r *reader) wish(h *hit, c capture) bool {
	if h.p.rule.predicate != "wants" {
		return true
	}
	for _, t := range r.toks[h.start:c.to] {
		switch t.norm {
		case "things", "everything", "she", "he", "they":
			return false
		}
	}
	return true
}
