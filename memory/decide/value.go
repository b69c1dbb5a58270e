package decide

import (
	"strings"
	"unicode"
)

// object returns the capture that is the object: {org}, or any but {k}, {old}, {verb} and {y}.
func (h *hit) object() *capture {
	for i := range h.caps {
		if h.caps[i].name == "org" {
			return &h.caps[i]
		}
	}
	for i := range h.caps {
		switch h.caps[i].name {
		case "k", "old", "verb", "y":
		default:
			return &h.caps[i]
		}
	}
	return nil
}

func (r *reader) captured(h *hit, name string) string {
	for _, c := range h.caps {
		if c.name == name {
			return r.clean(c.from, c.to)
		}
	}
	return ""
}

// object is what a hit says, and whether it says anything.
func (r *reader) object(h *hit) (string, bool) {
	c := h.object()
	if c == nil {
		return "", h.p.close
	}
	if r.lex.pronouns[r.toks[c.from].norm] && c.name == "whole" && h.p.rule.predicate == "decided" {
		return "", false
	}
	if h.p.rule.whole {
		return strings.TrimSpace(r.text[r.toks[h.start].start:r.toks[h.end-1].end]), true
	}
	if c.name == "whole" {
		if h.p.rule.predicate == "forget" {
			return r.query(c), true
		}
		for c.from < c.to-1 && r.toks[c.from].mark {
			c.from++
		}
		return strings.TrimSpace(r.text[r.toks[c.from].start:r.toks[c.to-1].end]), true
	}
	if c.name == "date" {
		for c.to > c.from+1 && r.toks[c.to-1].mark {
			c.to--
		}
		return strings.TrimSpace(r.text[r.toks[c.from].start:r.toks[c.to-1].end]), true
	}
	o := r.clean(c.from, c.to)
	return o, o != ""
}

// query is what is to be forgotten, without "everything I told you about".
func (r *reader) query(c *capture) string {
	from, to := c.from, c.to
	for from < to && (r.toks[from].mark || r.lex.forgetLeads[r.toks[from].norm]) {
		from++
	}
	for to > from && (r.toks[to-1].mark || r.lex.trims[r.toks[to-1].norm]) {
		to--
	}
	if from >= to {
		return ""
	}
	return r.text[r.toks[from].start:r.toks[to-1].end]
}

// clean is the text of tokens without words at either end that are not part of a value: "the", "now", "last month".
func (r *reader) clean(from, to int) string {
	for from < to {
		t := &r.toks[to-1]
		if n := r.datedTail(from, to); n > 0 && !r.onlyDate(from, to) {
			to -= n
			continue
		}
		if !t.mark && !r.lex.trims[t.norm] || t.mark && strings.Contains("%+#€$£", t.norm) {
			break
		}
		to--
	}
	for from < to && (r.toks[from].mark && !strings.Contains("$€£+", r.toks[from].norm) || from+1 < to && r.lex.leads[r.toks[from].norm]) {
		from++
	}
	if from >= to {
		return ""
	}
	return strings.TrimSpace(r.text[r.toks[from].start:r.toks[to-1].end])
}

// datedTail counts the tokens at the end that are a date.
func (r *reader) datedTail(from, to int) int {
	for i := range r.times {
		if d := &r.times[i]; d.end == r.toks[to-1].end {
			n := 0
			for k := to - 1; k >= from && r.toks[k].start >= d.start; k-- {
				n++
			}
			return n
		}
	}
	return 0
}

func (r *reader) onlyDate(from, to int) bool {
	n := r.datedTail(from, to)
	for k := from; k < to-n; k++ {
		if !r.toks[k].mark && !r.lex.leads[r.toks[k].norm] && !r.lex.trims[r.toks[k].norm] {
			return false
		}
	}
	return true
}

// list are the objects of "a, b and c", if they are short enough to be an enumeration.
func (r *reader) list(h *hit) []string {
	c := h.object()
	if c == nil {
		return nil
	}
	var out []string
	from := c.from
	for j := c.from; j <= c.to; j++ {
		if j < c.to && r.toks[j].norm != "," && r.toks[j].norm != "、" && !r.lex.conjunctions[r.toks[j].norm] {
			continue
		}
		if j-from > 5 && j-from < c.to-c.from {
			break // not an enumeration
		}
		if j+1 < c.to && gerund(r.toks[c.from].norm) && !gerund(r.toks[j+1].norm) && j > c.from+1 {
			continue // "improving education and health care"
		}
		if o := r.clean(from, j); o != "" {
			out = append(out, o)
		}
		from = j + 1
	}
	if from <= c.to || len(out) == 0 {
		if o := r.clean(c.from, c.to); o != "" {
			return []string{o}
		}
	}
	return out
}

func gerund(w string) bool { return len(w) > 5 && strings.HasSuffix(w, "ing") }

func (r *reader) subject(h *hit) string {
	switch {
	case h.p.rule.subject != "":
		return h.p.rule.subject
	case h.self != "":
		return r.speaker() + "." + h.self
	}
	return r.speaker()
}

// key is the canonical form of {k}: "my new phone number" and "my phone" are the same thing's.
func (r *reader) key(h *hit) string {
	for _, c := range h.caps {
		if c.name != "k" {
			continue
		}
		var parts []string
		for _, t := range r.toks[c.from:c.to] {
			if !t.mark && t.norm != "new" && t.norm != "current" && t.norm != "own" && t.norm != "next" && t.norm != "old" && t.norm != "the" {
				parts = append(parts, t.norm)
			}
		}
		k := strings.Join(parts, "_")
		if h.p.rule.dated {
			for _, head := range [...]string{"deadline_for_", "deadline_of_", "due_date_for_", "due_date_of_", "date_of_", "date_for_"} {
				k = strings.TrimPrefix(k, head)
			}
			for _, tail := range [...]string{"_deadline", "_due_date", "_date", "_day"} {
				k = strings.TrimSuffix(k, tail)
			}
			return strings.TrimSuffix(k, "_'s")
		}
		if name := r.lex.attributes[strings.Join(parts, " ")]; name != "" {
			k = name
		}
		if strings.HasPrefix(h.p.rule.predicate, "favourite") || k == "color" {
			k = strings.ReplaceAll(strings.TrimSuffix(k, "_of_all_time"), "color", "colour")
			if len(k) > 4 && strings.HasSuffix(k, "s") && !strings.HasSuffix(k, "ss") {
				k = k[:len(k)-1]
			}
			switch k {
			case "film":
				k = "movie"
			}
		}
		return k
	}
	return ""
}

func (r *reader) predicate(h *hit) string {
	return strings.ReplaceAll(h.p.rule.predicate, "{k}", r.key(h))
}

// refine gives a fact the predicate under which an update of it will come: of two databases that a project uses the later one holds.
func (r *reader) refine(h *hit, f *Fact) {
	if f.Predicate == "decided" {
		rest := f.Object
		for _, lead := range [...]string{
			"to ", "that we ", "we ", "will ", "go with ", "going with ", "use ", "using ", "switch to ",
			"stick with ",
		} {
			if len(rest) > len(lead) && strings.EqualFold(rest[:len(lead)], lead) {
				rest = rest[len(lead):]
			}
		}
		for _, tail := range [...]string{" instead of ", " rather than ", " over ", " and not ", ", not ", " for "} {
			rest, _, _ = strings.Cut(rest, tail)
		}
		if r.category(rest) == "" || len(strings.Fields(rest)) > 4 {
			return
		}
		f.Subject, f.Predicate, f.Object = "project", "uses", rest
	}
	if f.Predicate == "lives_in" && hasDigit(f.Object) && !h.p.close {
		f.Predicate = "address"
	}
	spoken := f.Predicate == "language" && r.category(f.Object) == ""
	if h.p.rule.attribute && f.Predicate != "phone" && !spoken && r.lex.categoryNames[strings.ReplaceAll(f.Predicate, "_", " ")] {
		f.Predicate = "uses:" + f.Predicate
	}
	if f.Predicate == "name" && several[h.self] {
		f.Single = false
	}
	if home, job, ok := strings.Cut(f.Object, "-based "); ok && f.Predicate == "job" {
		f.Object = job
		g := *f
		g.Predicate, g.Object = "lives_in", home
		r.add(g)
	}
	switch f.Predicate {
	case "uses", "prefers":
		if c := r.category(f.Object); c != "" {
			f.Predicate, f.Single = f.Predicate+":"+strings.ReplaceAll(c, " ", "_"), true
		}
	}
}

// category is what sort of thing is named: "PostgreSQL 16" is a database.
func (r *reader) category(object string) string {
	fields := strings.Fields(strings.ToLower(object))
	if len(fields) > 6 {
		return ""
	}
	for i := range fields {
		if i+1 < len(fields) {
			if c := r.lex.categories[fields[i]+" "+fields[i+1]]; c != "" {
				return c
			}
		}
		if c := r.lex.categories[strings.Trim(fields[i], ",.")]; c != "" {
			return c
		}
	}
	return ""
}

func hasDigit(s string) bool { return strings.IndexFunc(s, unicode.IsDigit) >= 0 }
