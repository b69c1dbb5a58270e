package digest

import (
	"bytes"
	"strings"
)

// telling are the sets of which a sentence that states a rule has a word.
const telling = trigger | absolute | ruleVerbs | softVerbs | checks | quantities | labels

// judge says whether a sentence (plain text) states a rule: something that must hold from now on, in imperative or deontic
// words. It returns 0, weakRule (a wish, a soft form, a rule inside a question) or strongRule.
func (s *clauseWords) judge(text []byte) rank {
	sets := s.split(text)
	best := rank(0)
	if sets&telling != 0 {
		best = s.english()
	}
	if best < strongRule && (sets&abroad != 0 || !ascii(text)) {
		best = max(best, foreign(text))
	}
	if best > 0 && asks(text) {
		best--
	}
	return best
}

// asks reports whether a sentence is a question.
func asks(text []byte) bool {
	text = bytes.TrimRight(text, " \"')*")
	return bytes.HasSuffix(text, []byte("?")) || bytes.HasSuffix(text, []byte("？")) || bytes.HasSuffix(text, []byte("؟"))
}

// english judges a sentence by the grammar of English.
func (s *clauseWords) english() rank {
	s.spell()
	w, best := s.w, s.label()
	opening := true
	for i := range w {
		if !opening && !w[i].in(trigger|absolute|ruleVerbs|softVerbs|checks) {
			continue
		}
		opening = opening && w[i].in(linking)
		best = max(best, s.rule(i))
		if best == strongRule {
			break
		}
	}
	if best == weakRule && !s.firstPerson(len(w)) && hasCode(s.text) {
		best = strongRule // a wish that names its object precisely
	}
	return best
}

// at is the word at i, or an empty one.
func (s *clauseWords) at(i int) word {
	if i < 0 || i >= len(s.w) {
		return word{}
	}
	return s.w[i]
}

// after reports whether one of the words of set stands behind i.
func (s *clauseWords) after(i int, set words) bool {
	for _, w := range s.w[min(i+1, len(s.w)):] {
		if w.in(set) {
			return true
		}
	}
	return false
}

// starts reports whether a command can begin with word i: it opens the sentence or a clause, or only polite and linking words
// stand before it.
func (s *clauseWords) starts(i int) bool {
	for i > 0 && !s.w[i].begin {
		if !s.at(i - 1).in(linking) {
			return false
		}
		i--
	}
	return true
}

// opens reports whether only polite and linking words stand before word i in its sentence.
func (s *clauseWords) opens(i int) bool {
	for _, w := range s.w[:i] {
		if !w.in(linking) {
			return false
		}
	}
	return true
}

// firstPerson reports whether the speaker is the subject of the words before i in its clause.
func (s *clauseWords) firstPerson(i int) bool {
	for k := i - 1; k >= 0 && k >= i-14; k-- {
		if s.at(k).in(first) {
			return true
		}
		if k < len(s.w) && s.w[k].begin {
			break
		}
	}
	return false
}

// label finds "Rule: ..." and its like.
func (s *clauseWords) label() rank {
	if i := bytes.IndexByte(s.text, ':'); i > 0 && i < 40 && len(s.w) > 2 {
		for k := 0; k < 4 && k < len(s.w) && (k == 0 || !s.w[k].begin); k++ {
			if s.at(k).in(labels) {
				return strongRule
			}
		}
	}
	return 0
}

// unless gives r, or 0 when no is true.
func (r rank) unless(no bool) rank {
	if no {
		return 0
	}
	return r
}

// softer gives r, or weakRule when soft is true.
func (r rank) softer(soft bool) rank {
	if soft && r > weakRule {
		return weakRule
	}
	return r
}

// rule judges what word i says.
func (s *clauseWords) rule(i int) rank {
	prev, next, next2 := s.at(i-1), s.at(i+1), s.at(i+2)
	switch w := s.at(i).s; w {
	case "must", "shall", "shalt", "mustn't", "shan't":
		guess := prev.s == "there" || next.s == "have" || next.s == "i" || next.s == "we" || next.s == "be" && (next2.in(guessed) || s.firstPerson(i))
		return strongRule.unless(guess).softer(s.firstPerson(i) && !guess)
	case "never", "always", "ever":
		return s.frequency(i, w, prev, next)
	case "only", "solely", "exclusively", "strictly":
		return s.only(i, prev, next)
	case "not":
		if strings.HasSuffix(prev.s, "'s") || strings.HasSuffix(prev.s, "'re") {
			prev.s = "is" // "it's not allowed"
		}
		return s.negated(i-1, i, prev.s, next, next2)
	case "don't", "dont", "can't", "cant", "cannot", "shouldn't", "isn't", "aren't", "won't", "needn't":
		return s.negated(i, i, contracted[w], next, next2)
	case "should", "ought":
		return strongRule.unless(s.firstPerson(i) || next.s == "i" || next.s == "we" || prev.in(thing)).softer(prev.s != "you" && next.s != "not" && next.s != "never")
	case "no", "nobody", "none", "noone", "nothing":
		return s.nobody(i, w, prev, next)
	case "limits", "bounds":
		return strongRule.unless(prev.s != "off" && prev.s != "of")
	case "without":
		return strongRule.unless(!next.in(conditions)).softer(s.firstPerson(i))
	case "to":
		return s.duty(i, prev, next)
	case "unless", "until", "except":
		return weakRule.unless(s.firstPerson(i))
	case "reserved", "restricted", "confined", "limited":
		return strongRule.unless(next.s != "for" && next.s != "to" || s.firstPerson(i))
	case "allowed", "permitted", "authorised", "authorized", "supposed":
		return weakRule.unless(s.firstPerson(i) || !prev.in(is) && prev.s != "be" && prev.s != "not" && prev.s != "only")
	case "required", "obliged", "expected", "obligated":
		return strongRule.unless(s.firstPerson(i) || !prev.in(is) && prev.s != "be")
	case "essential", "crucial", "vital", "important", "critical", "necessary", "imperative", "unacceptable":
		if w == "unacceptable" && prev.s == "are" {
			return strongRule.unless(s.at(i - 2).in(thing))
		}
		return strongRule.unless(next.s != "that" && next.s != "to" || next2.in(me))
	case "insist", "require", "demand", "forbid", "prohibit", "expect":
		return strongRule.unless(prev.s == "to" || prev.s == "you" || prev.in(thing) || s.firstPerson(i) && !prev.in(first))
	case "requires", "demands", "forbids", "prohibits":
		return strongRule.softer(prev.in(thing))
	case "stays", "remains":
		return weakRule
	case "rather":
		return weakRule.unless(prev.s != "i'd")
	case "needs":
		return strongRule.unless(next.s == "to" || !s.general(i))
	case "now":
		return strongRule.unless(prev.s != "from" || next.s != "on" && !(next.s == "onwards" || next.s == "onward"))
	case "henceforth":
		return strongRule
	case "policy":
		return strongRule.unless(next.s != "is" || next2.s != "that" && next2.s != "to" && next2.s != "no" || s.firstPerson(i-1))
	case "want", "need", "like":
		if w == "need" && s.general(i) {
			return strongRule
		}
		return weakRule.unless(next.s != "you" || next2.s != "to")
	default:
		if s.at(i).in(absolute) {
			return strongRule
		}
		if s.phrase(i, w, next, next2) {
			return strongRule.unless(s.firstPerson(i))
		}
		if s.starts(i) {
			return s.command(i, s.at(i), next, next2)
		}
	}
	return 0
}

func (s *clauseWords) frequency(i int, w string, prev, next word) rank {
	if w == "ever" {
		return strongRule.unless(next.s != "again" && !s.starts(i) && prev.s != "not" && prev.s != "don't")
	}
	story := next.s == "mind" || next.s == "been" || prev.s == "as" || prev.s == "not" || prev.in(has) || next.s == "heard"
	if prev.s == "we" && !story && w != "ever" && canCommand(next) && !next.in(past) {
		return strongRule.softer(w != "never") // a practice: "we never deploy on Fridays"
	}
	if story || s.firstPerson(i) {
		return weakRule.unless(story || next.s != "want")
	}
	return strongRule
}

// general reports whether the clause of word i begins with all, every, any.
func (s *clauseWords) general(i int) bool {
	for i > 0 && !s.w[i].begin {
		i--
	}
	return s.w[i].s == "all" || s.w[i].s == "every" || s.w[i].s == "each" || s.w[i].s == "any"
}

func (s *clauseWords) only(i int, prev, next word) rank {
	if prev.s == "the" || prev.s == "not" || prev.s == "if" || prev.s == "my" || prev.s == "an" {
		return 0
	}
	if s.firstPerson(i) {
		return weakRule
	}
	return strongRule.softer(!s.starts(i) && !prev.in(modal) && !prev.in(ruleVerbs) && !prev.in(softVerbs) && !prev.in(is) && !next.in(narrows))
}

// negated judges "do not", "cannot", "is not to" and their like: aux at k, the negation at i.
func (s *clauseWords) negated(k, i int, aux string, next, next2 word) rank {
	mine := s.firstPerson(k)
	switch aux {
	case "do":
		if s.starts(k) && !mine {
			return strongRule.unless(next.s == "worry" || next.s == "know")
		}
		if mine {
			return weakRule.unless(next.s != "want" && next.s != "like" && next.s != "wish" || next2.s == "to" && s.at(i+3).s == "be")
		}
		return weakRule.unless(s.at(k - 1).in(thing))
	case "may", "must", "shall", "should":
		return strongRule.unless(mine || next.s == "be" && next2.s == "able" || s.at(k-1).in(thing) && aux == "may")
	case "can":
		return strongRule.unless(mine || s.at(k-1).in(thing)).softer(s.at(k-1).s != "you")
	case "is", "are":
		return strongRule.unless(mine || !next.in(denials))
	case "will":
		return strongRule.unless(s.at(k-1).s != "you")
	}
	if i == 0 && (next.in(conditions) || next.in(opens)) {
		return strongRule
	}
	return weakRule.unless(mine || next.s != "without" && next.s != "before" && next.s != "unless" && next.s != "until")
}

// nobody judges "no agent may", "nobody but", "under no circumstances", "no refunds after".
func (s *clauseWords) nobody(i int, w string, prev, next word) rank {
	if w == "no" && (prev.s == "under" || prev.s == "in" || prev.s == "at" || prev.s == "on" || prev.s == "by") && next.in(circumstances) {
		return strongRule
	}
	if w == "no" && (i+1 < len(s.w) && s.w[i+1].begin || next.in(idle)) || s.firstPerson(i) {
		return 0
	}
	if w == "nothing" || w == "none" {
		return strongRule.unless(!s.starts(i) || !s.after(i, acts))
	}
	if s.after(i, bars) {
		return strongRule
	}
	return weakRule.unless(!s.starts(i) || w != "no")
}

// duty judges "has to", "are to", "need to".
func (s *clauseWords) duty(i int, prev, next word) rank {
	if s.firstPerson(i) || i < 2 && prev.s != "remember" {
		return 0
	}
	switch prev.s {
	case "has", "have", "needs", "need":
		return strongRule.unless(s.at(i-2).in(thing) || s.at(i-2).s == "to" || s.at(i-2).s == "no" || s.at(i-2).s == "still")
	case "are", "is":
		return strongRule.unless(s.at(i-2).in(thing) && next.s != "be" && next.s != "stay" && next.s != "remain")
	}
	return 0
}

// phrase finds fixed phrases that begin at word i.
func (s *clauseWords) phrase(i int, w string, next, next2 word) bool {
	switch w {
	case "every", "each", "any":
		return next.s == "time" || next.s == "single" || w == "any" && next.s == "circumstances"
	case "at":
		return next.s == "all" && (next2.s == "times" || next2.s == "costs")
	case "hands", "steer", "stay":
		return next.s == "off" || next.s == "clear" || next.s == "away" || next.s == "out" || next.s == "within" || next.s == "below"
	case "make", "be", "making":
		return (next.s == "sure" || next.s == "certain" || next.s == "careful") && (s.starts(i) || s.at(i-1).in(modal))
	case "see":
		return next.s == "to" && next2.s == "it" || next.s == "that" && s.starts(i)
	case "take", "keep":
		return next.s == "care" && next2.s != "of" && next2.s != "" && s.starts(i) || next.s == "off" || next.s == "out" && next2.s == "of"
	case "whatever":
		return next.s == "happens"
	case "business":
		return s.at(i-1).s == "no"
	case "rule":
		return s.at(i-1).s == "a" && s.at(i-2).s == "as"
	}
	return false
}

// command judges an imperative: w opens a clause.
func (s *clauseWords) command(i int, w, next, next2 word) rank {
	switch {
	case w.in(ruleVerbs):
		return strongRule
	case w.s == "keep" || w.s == "leave" || w.s == "hold" || w.s == "treat" || w.s == "let":
		return strongRule.unless(!s.after(i, states)).softer(w.s == "keep" && next.s == "me")
	case w.in(checks):
		return strongRule.unless(!s.after(i, orders))
	case w.s == "stop" || w.s == "quit" || w.s == "cease":
		return strongRule.unless(!strings.HasSuffix(next.s, "ing"))
	case w.s == "remember":
		return strongRule.unless(next.s != "to" && next.s != "that" && next.s != "never" && next.s != "always" && next.s != "not")
	case w.in(softVerbs):
		return weakRule
	case len(s.w) > 3 && s.after(i, quantities) && canCommand(w) && s.opens(i):
		return strongRule.softer(i > 0 || !next.in(opens) && !next.in(determiner) && !hasCode(s.text))
	}
	return 0
}

// canCommand reports whether w may be a verb in the imperative: it is of letters only and none of the words that are not.
func canCommand(c word) bool {
	w := c.s
	if c.in(notVerbs|linking|first) || len(w) < 3 || strings.HasSuffix(w, "ing") || strings.HasSuffix(w, "ed") && w != "feed" {
		return false
	}
	for i := 0; i < len(w); i++ {
		if w[i] < 'a' || w[i] > 'z' {
			return false
		}
	}
	return true
}

// hasCode reports whether text names something by a code: letters and digits in one word.
func hasCode(text []byte) bool {
	for i := 0; i < len(text); {
		var flags uint8
		j := i
		for j < len(text) && tab[text[j]] != 0 {
			flags |= tab[text[j]]
			j++
		}
		if j-i >= 4 && flags&digit != 0 && (flags&upper != 0 || j-i >= 6) {
			return true
		}
		i = j + 1
	}
	return false
}
