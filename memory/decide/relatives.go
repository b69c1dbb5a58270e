package decide

import "strings"

// several are the relations of which one can have more than one: a second friend's name does not end the first one's.
var several = wordSet("sister brother son daughter child children grandmother grandfather uncle aunt cousin nephew niece friend roommate " +
	"neighbour colleague dog cat pet rabbit hamster parrot horse turtle fish doctor teacher tutor coach lawyer")

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	addWords(set, words)
	return set
}

// relatives reads names that are said by the way, in questions too: "my wife Dana and our kids Tim and Lea are here", "I have two cats,
// Miso and Tofu", "say hi to Luna, my sister".
func (r *reader) relatives() {
	for i := range r.toks {
		switch t := &r.toks[i]; {
		case t.is&isFiction != 0:
			return
		case t.norm == "my" || t.norm == "our":
			r.relative(i)
		case t.norm == "have" || t.norm == "got" || t.norm == "has" || t.norm == "adopted":
			if i > 0 && (r.toks[i-1].norm == "i" || r.toks[i-1].norm == "we") {
				r.counted(i + 1)
			}
		}
	}
}

// relative is for "my sister Ann" and "Ann, my sister".
func (r *reader) relative(i int) {
	m := matcher{toks: r.toks, lex: r.lex}
	j, relation := m.relation(i + 1)
	switch {
	case relation == "" || relation == "team" || relation == "company" || r.toks[j-1].upper || r.ex(i, j):
	case j < len(r.toks) && r.toks[j].norm == ",": // "my husband, Piet, is"
		if names, end := r.names(j+1, false); end < len(r.toks) && r.toks[end].norm == "," {
			r.called(relation, names, i, end)
		}
	default:
		if names, end := r.names(j, relation == "children" || relation == "parents"); len(names) > 0 {
			r.called(relation, names, i, end)
			return
		}
	}
	if i < 3 || r.toks[i-1].norm != "," {
		return
	}
	names, end := r.names(i-2, false)
	switch {
	case end != i-1 || r.toks[i-3].upper:
	case relation != "" && (j >= len(r.toks) || r.toks[j].mark):
		r.called(relation, names, i-2, j)
	case relation == "":
		r.pet(names[0], i)
	}
}

// pet is for "Luna, my golden retriever".
func (r *reader) pet(name string, i int) {
	for k := i + 1; k < min(i+4, len(r.toks)) && !r.toks[k].mark; k++ {
		if r.lex.animals[r.toks[k].norm] && (k+1 == len(r.toks) || r.toks[k+1].mark) {
			object := name + ", a " + r.quote(i+1, k+1)
			r.add(Fact{Predicate: "has_pet", Class: Identity, Object: object, Quote: r.quote(i-2, k+1), Importance: importance[Identity]})
		}
	}
}

// ex reports whether the relation is over: "my ex wife".
func (r *reader) ex(i, j int) bool {
	for _, t := range r.toks[i:min(j, len(r.toks))] {
		if t.norm == "ex" || t.norm == "late" || t.norm == "old" {
			return true
		}
	}
	return false
}

// counted is for "two kids, Ada and Max" and "two cats called Miso and Tofu".
func (r *reader) counted(i int) {
	if i+3 >= len(r.toks) || calendarWords().numbers[r.toks[i].norm] < 2 {
		return
	}
	what, j := r.toks[i+1].norm, i+2
	if w := r.toks[j].norm; w == "," || w == ":" || w == "named" || w == "called" {
		j++
	}
	names, end := r.names(j, true)
	singular := strings.TrimSuffix(what, "s")
	switch relation := r.lex.relations[what]; {
	case len(names) < 2:
	case relation == "children":
		r.called(relation, names, i, end)
	case r.lex.animals[what]:
		for _, n := range names {
			r.add(Fact{Predicate: "has_pet", Class: Identity, Object: n + ", a " + singular, Quote: r.quote(i, end), Importance: 0.8})
		}
	case r.lex.relations[singular] != "":
		r.called(r.lex.relations[singular], names, i, end)
	}
}

func (r *reader) called(relation string, names []string, from, to int) {
	for _, n := range names {
		r.add(Fact{
			Subject: r.speaker() + "." + relation, Predicate: "name", Single: !several[relation], Class: Identity, Object: n,
			Quote: r.quote(from, to), Importance: importance[Identity],
		})
	}
}

// quote is what tokens were made of.
func (r *reader) quote(from, to int) string { return r.text[r.toks[from].start:r.toks[to-1].end] }

// names reads a name of one or two words at token i, or several: "Tim, Ada and Lea".
func (r *reader) names(i int, many bool) (names []string, end int) {
	for {
		j := i
		for j < len(r.toks) && j < i+3 && r.nameWord(j) {
			j++
		}
		if j == i || j > i+2 || j < len(r.toks) && r.toks[j].norm == "." && r.lex.abbreviations[r.toks[j-1].norm] {
			return names, end
		}
		names, end = append(names, r.quote(i, j)), j
		if i = j + 1; !many || j >= len(r.toks) || r.toks[j].norm != "," && r.toks[j].norm != "and" && r.toks[j].norm != "&" {
			return names, end
		}
	}
}

// nameWord reports whether a word can be a part of somebody's name.
func (r *reader) nameWord(i int) bool {
	t := &r.toks[i]
	if !t.upper || t.end-t.start < 2 || r.lex.notNames[t.norm] || r.lex.languages[t.norm] || r.lex.functionWords[t.norm] ||
		r.lex.pronouns[t.norm] {
		return false
	}
	raw := r.text[t.start:t.end]
	c := calendarWords()
	_, day := c.weekdays[t.norm]
	_, month := c.months[t.norm]
	return raw != strings.ToUpper(raw) && !day && !month && r.lex.categories[t.norm] == "" && !hasDigit(raw) && r.lex.relations[t.norm] == ""
}
