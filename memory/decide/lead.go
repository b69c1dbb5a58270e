package decide

import "slices"

// A lead is what a clause leaves out because it stands before it: "I" of "I moved to Rome and | joined Fiat", "I am" of "I am Ann, | 34, |
// a nurse | living in Porto" and of "as | a nurse, I often work nights".
type lead struct {
	words []token
	at    int // the token that it stands before
}

var am = []token{{norm: "i", is: isFirst}, {norm: "am"}}

// subject is who a clause that begins at token i speaks of, if that is the speaker or one of the speaker's; else what was before.
func (r *reader) subjectAt(m *matcher, i int, begin bool, before []token) []token {
	switch w := r.toks[i].norm; {
	case w == "i" || w == "we":
		return r.toks[i : i+1]
	case begin && (w == "my" || w == "our"):
		if j, relation := m.relation(i + 1); relation != "" && j < len(r.toks) && r.toks[j].norm != "'s" {
			return r.toks[i:j]
		}
	case begin && (w == "he" || w == "she" || w == "they" || w == "you" || w == "it"):
		return nil
	}
	return before
}

// leads are the leads with which patterns are tried at token i, besides none.
func (r *reader) leads(hits []hit, i int, begin, opened bool, subject []token) (out []lead) {
	t := &r.toks[i]
	if begin && i > 0 && len(subject) > 0 && t.norm != subject[0].norm && t.norm != "like" { // "I moved to Rome and | joined Fiat"
		out = append(out, lead{subject, i})
	}
	for k := range hits {
		if hits[k].being != nil && r.adjoins(hits[k].end, i) {
			if t.norm == "who" && i+1 < len(r.toks) {
				return append(out, lead{hits[k].being[:len(hits[k].being)-1], i + 1})
			}
			return append(out, lead{hits[k].being, i})
		}
	}
	if !opened || !r.speaksOn(i+1) {
		return out
	}
	switch t.norm {
	case "as":
		out = append(out, lead{am, i + 1})
	case "being":
		if !slices.ContainsFunc(r.toks, func(t token) bool { return t.norm == "," }) {
			break // "being a model for them is something I enjoy"
		}
		out = append(out, lead{am, i + 1})
	case "working", "living", "based", "studying":
		out = append(out, lead{am, i})
	}
	return out
}

// adjoins reports whether nothing but marks and "and" stands between two tokens.
func (r *reader) adjoins(end, i int) bool {
	for ; end < i; end++ {
		switch r.toks[end].norm {
		case ",", "-", "–", "—", "(", "and", "&", "und", "et", "y", "e", "en":
		default:
			return false
		}
	}
	return end == i
}

// speaksOn reports whether the clause after the one at token i is the speaker's: "As a nurse, I often ...". What "as a user, I want"
// introduces is a role in a story.
func (r *reader) speaksOn(i int) bool {
	for ; i+1 < len(r.toks); i++ {
		switch r.toks[i].norm {
		case "i", "we", "my":
			next := r.toks[i+1].norm
			return next != "want" && next != "need" && next != "can" && next != "should" && next != "expect"
		}
	}
	return false
}

// led tries the patterns at a lead, as if its words stood there.
func (r *reader) led(m *matcher, out []hit, l lead, question bool) []hit {
	r.virtual = append(append(r.virtual[:0], l.words...), r.toks[l.at:]...)
	m.toks = r.virtual
	out = r.at(m, out, place{from: 0, shift: l.at - len(l.words), least: l.at}, question, false)
	m.toks = r.toks
	return out
}

// clause is what of a sentence says a hit's fact: from its beginning to that of the next. Of a sentence that says one thing it is all.
// So what else it says can stay when this is no longer so.
func (r *reader) clause(hits []hit, i int, quote string) string {
	first, last := 0, len(r.toks)
	for k := range hits {
		switch h := &hits[k]; {
		case h.p.rule.class == Told:
			return quote
		case k < i:
			first = hits[i].start
		case k > i && h.start > hits[i].start:
			last = min(last, h.start)
		}
	}
	if first == 0 && last == len(r.toks) {
		return quote
	}
	for last < len(r.toks) && last > first+1 {
		if t := &r.toks[last-1]; (!t.mark || t.norm == ".") && t.is&isConjunction == 0 {
			break
		}
		last--
	}
	return r.quote(first, max(last, hits[i].end))
}

// besides are the facts that a pattern tells beside its own: "I work as a nurse at Charité", "this is Ann from Siemens".
func (r *reader) besides(h *hit, f Fact) {
	for _, c := range [...][2]string{{"role", "job"}, {"name", "name"}} {
		if o := r.captured(h, c[0]); o != "" && h.p.rule.predicate == "works_at" {
			f.Predicate, f.Object = c[1], o
			r.add(f)
		}
	}
}
