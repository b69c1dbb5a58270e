package decide

import (
	"strings"
	"unicode"
)

// valid reports whether what was captured is of the kind that the pattern asks for.
func (r *reader) valid(h *hit) bool {
	for _, c := range h.caps {
		if !r.validCapture(h, c) {
			return false
		}
	}
	return true
}

func (r *reader) validCapture(h *hit, c capture) bool {
	for c.from < c.to && r.toks[c.from].mark {
		c.from++
	}
	if c.from >= c.to {
		return false
	}
	first, last := &r.toks[c.from], &r.toks[c.to-1]
	text := r.text[first.start:last.end]
	switch c.name {
	case "k":
		return r.validKey(h, c)
	case "role":
		return r.validThing(h, c, text) && (h.p.rule.predicate != "works_at" || r.validJob(c))
	case "old", "thing", "list", "subject", "y", "tool":
		return r.validThing(h, c, text)
	case "place", "org", "school":
		return r.validProper(c) && c.to-c.from <= 9 && (c.name == "school" || r.category(text) == "")
	case "name":
		return r.validProper(c) && c.to-c.from <= 4 && !r.lex.states[first.norm]
	case "job":
		return r.validJob(c)
	case "num":
		if h.p.rule.predicate == "age" && (c.to-c.from > 1 || len(text) > 3 && hasDigit(text)) {
			return false
		}
		return hasDigit(text) && c.to-c.from <= 8 || c.to-c.from == 1 && calendarWords().numbers[first.norm] > 0
	case "date":
		return c.to-c.from <= 12 && (r.datedAt(c) || strings.HasPrefix(h.p.rule.predicate, "birthday") && hasDigit(text))
	case "mail":
		return strings.Contains(text, "@") && c.to-c.from <= 2
	case "lang":
		return r.anyOf(c, r.lex.languages)
	case "pet":
		return r.anyOf(c, r.lex.animals)
	case "value":
		return r.validValue(h, c, text)
	case "whole":
		return c.to-c.from > 1 || h.p.rule.class == Preference || h.p.rule.predicate == "forget" || !r.lex.pronouns[first.norm]
	case "verb":
		return c.to-c.from == 1
	}
	return true
}

func (r *reader) anyOf(c capture, set map[string]bool) bool {
	for _, t := range r.toks[c.from:min(c.to, c.from+6)] {
		if set[t.norm] {
			return true
		}
	}
	return false
}

// datedAt reports whether a capture is a date, with at most three other words: "Friday at 3 pm".
func (r *reader) datedAt(c capture) bool {
	for i := range r.times {
		d := &r.times[i]
		if d.start < r.toks[c.from].start || d.end > r.toks[c.to-1].end {
			continue
		}
		inside := 0
		for _, t := range r.toks[c.from:c.to] {
			if t.start >= d.start && t.end <= d.end || t.mark || t.norm == "the" {
				inside++
			}
		}
		first := &r.toks[c.from]
		return c.to-c.from-inside <= 4 && (first.start >= d.start || first.norm == "the" || hasDigit(first.norm) || first.norm == "noon")
	}
	return false
}

func (r *reader) validThing(h *hit, c capture, text string) bool {
	first := r.toks[c.from].norm
	if r.lex.pronouns[first] || strings.Contains(" not no your being their all ", " "+first+" ") || c.to-c.from > 16 {
		return false
	}
	if c.name == "tool" {
		return r.category(text) != "" || hasDigit(text) || strings.ContainsFunc(text, unicode.IsUpper)
	}
	if h.p.rule.predicate == "lives_in" || h.p.rule.predicate == "works_at" && c.name == "old" {
		return r.category(text) == "" && c.to-c.from <= 8
	}
	if strings.HasPrefix(h.p.rule.predicate, "uses") && c.name != "old" {
		return c.to-c.from <= 8 && first != "to"
	}
	return true
}

// validProper asks for a proper noun: a capital, unless the whole sentence has none.
func (r *reader) validProper(c capture) bool {
	i := c.from
	for i < c.to && (r.toks[i].norm == "the" || r.toks[i].norm == "downtown" || r.toks[i].norm == "in") {
		i++
	}
	if i >= c.to || r.lex.pronouns[r.toks[i].norm] || r.lex.common[r.toks[i].norm] {
		return false
	}
	switch r.toks[i].norm {
	case "a", "an", "my", "our", "your", "not", "to":
		return false
	}
	if r.toks[i].upper || r.toks[i].norm[0] >= utf8Self || hasDigit(r.toks[i].norm) {
		return true
	}
	for j := range r.toks {
		if t := &r.toks[j]; t.upper && j > 0 && t.norm != "i" {
			return false
		}
	}
	return !r.lex.states[r.toks[i].norm] && !r.lex.functionWords[r.toks[i].norm]
}

const utf8Self = 0x80

func (r *reader) validJob(c capture) bool {
	if c.to-c.from > 6 || r.lex.states[r.toks[c.from].norm] {
		return false
	}
	for k := c.from; k < c.to; k++ { // "a software engineer at SAP": the noun is the last before a preposition
		w := r.toks[k].norm
		if k > c.from && (w == "at" || w == "for" || w == "in" || w == "of" || w == "with") {
			break
		}
		if r.lex.professions[w] {
			return true
		}
		for _, tail := range [...]string{"er", "or", "ist", "ian", "eer", "yst", "ologist", "man", "woman", "grapher"} {
			if len(w) > len(tail)+2 && strings.HasSuffix(w, tail) && !r.lex.common[w] && !r.lex.functionWords[w] && !r.lex.animals[w] {
				return !strings.Contains(" member beginner lover believer winner ", " "+w+" ")
			}
		}
	}
	return false
}

func (r *reader) validKey(h *hit, c capture) bool {
	n := c.to - c.from
	if n > 4 {
		return false
	}
	for _, t := range r.toks[c.from:c.to] {
		if t.norm == "'s" && h.p.rule.attribute || t.mark || r.lex.pronouns[t.norm] || r.lex.hedges[t.norm] {
			return false
		}
		switch t.norm {
		case "is", "are", "not", "i":
			return false
		}
	}
	if !h.p.rule.attribute {
		return true
	}
	k := r.key(h)
	plain := strings.ReplaceAll(k, "_", " ")
	if h.p.rule.subject == "project" {
		return r.lex.projectAttributes[plain] || r.lex.projectAttributes[r.toks[c.to-1].norm]
	}
	if r.lex.attributes[plain] != "" || r.lex.attributes[r.toks[c.to-1].norm] != "" || r.lex.relations[plain] != "" {
		return true
	}
	o := h.object()
	if n > 2 || o == nil || r.lex.common[plain] {
		return false
	}
	t := &r.toks[o.from]
	return t.norm != "i" && (t.upper || hasDigit(t.norm))
}

// validValue is for "my ... is VALUE": no adjectives, no clauses.
func (r *reader) validValue(h *hit, c capture, text string) bool {
	first := r.toks[c.from]
	if r.lex.pronouns[first.norm] || r.lex.states[first.norm] || c.to-c.from > 12 {
		return false
	}
	if first.upper || hasDigit(text) || strings.ContainsFunc(text, unicode.IsUpper) {
		return true
	}
	w := first.norm
	return !strings.HasSuffix(w, "ing") && !strings.HasSuffix(w, "ed") && !r.lex.functionWords[w] || w == "a" || w == "an" || w == "the"
}
