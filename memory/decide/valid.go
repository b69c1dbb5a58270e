package decide

import (
	"strings"
	"unicode"
)

// valid reports whether what was captured is of the kind that the pattern asks for.
func (r *reader) valid(h *hit) bool {
	if t := &r.toks[h.start]; (t.norm == "i" || t.norm == "my") && h.start > 0 && h.p.rule.class != Told && !r.clauseAt(h.start) {
		return false
	}
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
		return r.validThing(h, c, text) && r.validRole(h, c)
	case "old", "thing", "list", "subject", "y", "tool":
		return r.validThing(h, c, text) && !((h.p.rule.predicate == "likes" || h.p.rule.predicate == "dislikes") && !h.p.close && r.definite(c))
	case "place", "org", "school":
		if !r.validProper(c) || c.to-c.from > 9 || c.name == "org" && !r.capital(h, c) {
			return false
		}
		return c.name == "school" || r.category(text) == "" || r.employs(c)
	case "name":
		return r.validProper(c) && c.to-c.from <= 4 && !r.lex.states[first.norm] && r.validName(h, c)
	case "job":
		return r.validJob(c)
	case "num":
		if h.p.rule.predicate == "age" && (c.to-c.from > 1 || len(text) > 3 && hasDigit(text)) {
			return false
		}
		return hasDigit(text) && c.to-c.from <= 8 || c.to-c.from == 1 && calendarWords().numbers[first.norm] > 0
	case "date":
		return c.to-c.from <= 12 && (r.datedAt(c) || clock(text) || strings.HasPrefix(h.p.rule.predicate, "birthday") && hasDigit(text))
	case "mail":
		return strings.Contains(text, "@") && c.to-c.from <= 2
	case "lang":
		return r.anyOf(c, r.lex.languages)
	case "pet":
		return r.anyOf(c, r.lex.animals)
	case "value":
		return r.validValue(h, c, text)
	case "whole":
		if h.p.rule.predicate == "remember" && r.advice(c) || !r.wish(h, c) {
			return false
		}
		return c.to-c.from > 1 || h.p.rule.class == Preference || h.p.rule.predicate == "forget" || !r.lex.pronouns[first.norm]
	case "verb":
		return c.to-c.from == 1
	}
	return true
}

// within reports whether a capture says where something is: "instead of Postgres in line 4".
func (r *reader) within(c capture) bool {
	for _, t := range r.toks[c.from:c.to] {
		switch t.norm {
		case "in", "on", "at", "line", "here", "this", "for":
			return true
		}
	}
	return false
}

// clock reports whether a text is a time of day: "9:30".
func clock(text string) bool {
	h, m, ok := strings.Cut(text, ":")
	return ok && len(h) <= 2 && len(h) > 0 && hasDigit(h) && len(m) >= 2 && hasDigit(m[:2]) && len(m) <= 8
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
	if c.name == "old" && h.p.first && r.within(c) {
		return false
	}
	if c.name == "tool" {
		named := false
		for _, t := range r.toks[c.from:min(c.to, c.from+4)] {
			named = named || t.upper && t.norm != "i" || hasDigit(t.norm)
		}
		if head := r.toks[h.start].norm; h.p.first && (head == "use" || head == "run" || head == "please") {
			named = false // "use Foo instead of Bar" may be about a line of code
		}
		return named && c.to-c.from <= 10 || r.category(text) != ""
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

// employs reports whether what stands before a capture is said of employers, though a product has the name too: "a job at Spotify".
func (r *reader) employs(c capture) bool {
	if c.name != "org" || c.from == 0 {
		return false
	}
	switch r.toks[c.from-1].norm {
	case "at", "for", "joined", "joining", "left", "by":
		return true
	}
	return false
}

// capital asks for one where the verb says little: "I joined", "I left", "I started at".
func (r *reader) capital(h *hit, c capture) bool {
	if h.p.rule.predicate != "works_at" {
		return true
	}
	first := &r.toks[c.from]
	if first.norm == "the" && c.from+1 < c.to {
		first = &r.toks[c.from+1]
	}
	if first.upper || hasDigit(first.norm) || first.norm[0] >= utf8Self {
		return true
	}
	for _, t := range r.toks[h.start:c.from] {
		switch t.norm {
		case "work", "works", "working", "employed", "hired", "job", "jobs", "employer", "company", "workplace":
			return !r.toks[0].upper || r.toks[c.from].norm != "the"
		}
	}
	return false
}

// clauseAt reports whether a clause of its own can begin at a token: not in "the things | I love" nor in "when | I turned ten".
func (r *reader) clauseAt(i int) bool {
	p := &r.toks[i-1]
	if p.start == r.toks[i].start {
		return true
	}
	return p.mark || p.adverb || r.lex.conjunctions[p.norm] || r.lex.clauseHeads[p.norm] || r.lex.openers[p.norm] || r.opened(i) ||
		r.toks[i].norm == "my" || r.dateEnds(p.end)
}

func (r *reader) dateEnds(end int) bool {
	for k := range r.times {
		if r.times[k].end == end {
			return true
		}
	}
	return false
}

// validName asks more where nothing but "I am" says that a name comes.
func (r *reader) validName(h *hit, c capture) bool {
	if !h.p.strict {
		return true
	}
	for i := c.from; i < c.to; i++ {
		if !r.nameWord(i) {
			return false
		}
	}
	return c.to-c.from <= 3 && (r.toks[h.start].norm != "this" || r.toks[0].start < 40)
}

// validRole is for "as a ROLE", where the words before leave little doubt.
func (r *reader) validRole(h *hit, c capture) bool {
	if h.p.rule.predicate == "works_at" {
		return r.validJob(c)
	}
	switch r.toks[c.to-1].norm {
	case "team", "group", "unit", "pair", "couple", "family", "whole", "model", "mess", "problem", "way", "result":
		return r.validJob(c)
	}
	return true
}

func (r *reader) validJob(c capture) bool {
	if c.to-c.from > 6 || r.lex.states[r.toks[c.from].norm] {
		return false
	}
	head := c.from // "a software engineer at SAP": the noun is the last before a preposition
	for k := c.from + 1; k < c.to; k++ {
		w := r.toks[k].norm
		if w == "at" || w == "for" || w == "in" || w == "of" || w == "with" || w == "to" || w == "on" || r.toks[k].mark || r.lex.trims[w] {
			break
		}
		head = k
	}
	if head > c.from && r.toks[head-1].norm == "role" {
		return false // a role model
	}
	for _, w := range [...]string{r.toks[head].norm} {
		if r.lex.professions[w] {
			return true
		}
		for _, tail := range [...]string{"er", "or", "ist", "ian", "eer", "yst", "ologist", "man", "woman", "grapher"} {
			if len(w) > len(tail)+2 && strings.HasSuffix(w, tail) && !r.lex.common[w] && !r.lex.functionWords[w] && !r.lex.animals[w] {
				return !r.lex.noJobs[w]
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
	if k := r.key(h); (w == "a" || w == "an") && h.p.rule.subject == "" {
		return r.lex.animals[k] || k == "job" || k == "car" || k == "diet" || k == "bike"
	}
	return !strings.HasSuffix(w, "ing") && !strings.HasSuffix(w, "ed") && !r.lex.functionWords[w] || w == "a" || w == "an" || w == "the"
}
