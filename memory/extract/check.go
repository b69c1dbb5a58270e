package extract

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Read takes from an answer what the batch bears out.
func (b *Batch) Read(answer string) (r Result, err error) {
	list, err := parse(answer)
	if err != nil {
		return r, err
	}
	for i, e := range list {
		if i >= maxElements {
			r.reject(TooMany)
			continue
		}
		b.element(&r, e)
	}
	return r, nil
}

// element takes or rejects one.
func (b *Batch) element(r *Result, e *element) {
	c := Change{Supersedes: -1}
	switch {
	case e != nil && e.Op == "NOOP" && e.Fact == nil:
		r.Noops++
		return
	case e == nil, e.Op != "ADD" && e.Op != "SUPERSEDE", (e.Op == "SUPERSEDE") != (e.ID != nil), !e.Fact.clean(), len(e.Quote) > maxQuote:
		r.reject(Malformed)
		return
	}
	c.Subject, c.Predicate, c.Object = e.Fact.Subject, e.Fact.Predicate, e.Fact.Object
	if !b.find(&c, strings.TrimSpace(e.Quote)) {
		r.reject(Unquoted)
		return
	}
	c.Subject = ownName(c.Subject, b.Said[c.Said].Speaker)
	if why := b.check(&c, e.ID, r.Changes); why != "" {
		r.reject(why)
		return
	}
	r.Changes = append(r.Changes, c)
}

// ownName is a subject as rules name it: who says "user" and has a name is called by it.
func ownName(subject, speaker string) string {
	who, of, more := strings.Cut(subject, ".")
	if who != "user" || speaker == "" {
		return subject
	}
	if who = strings.ToLower(speaker); more {
		who += "." + of
	}
	return who
}

// minQuote is how many letters and digits show anything.
const minQuote = 4

// find finds the statement that has a quote as whole words, the last one first: what was said last counts.
func (b *Batch) find(c *Change, quote string) bool {
	letters := 0
	for _, r := range quote {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			letters += utf8.RuneLen(r) // a character of a script that writes no spaces says as much as a word's part
		}
	}
	if letters < minQuote {
		return false
	}
	for i := len(b.Said) - 1; i >= 0; i-- {
		for k := len(b.Said[i].Statements) - 1; k >= 0; k-- {
			if statement := b.Said[i].Statements[k]; whole(statement, quote) {
				c.Said, c.Sentence = i, statement
				return true
			}
		}
	}
	return false
}

// whole reports whether a text has a quote that begins and ends with no part of a word: "not able" has no "table".
func whole(text, quote string) bool {
	for at := 0; ; {
		i := strings.Index(text[at:], quote)
		if i < 0 {
			return false
		}
		from, to := at+i, at+i+len(quote)
		before, _ := utf8.DecodeLastRuneInString(text[:from])
		first, n := utf8.DecodeRuneInString(quote)
		last, _ := utf8.DecodeLastRuneInString(quote)
		after, _ := utf8.DecodeRuneInString(text[to:])
		if !(spaced(before) && spaced(first)) && !(spaced(last) && spaced(after)) {
			return true
		}
		at = from + n
	}
}

// spaced reports whether a character is a part of a word of a script that writes spaces between words.
func spaced(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) &&
		!unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai)
}

// check says what is wrong with a fact whose quote was found.
func (b *Batch) check(c *Change, id *int, before []Change) Reason {
	if id != nil {
		if *id < 1 || *id > len(b.Known) || b.Known[*id-1].Subject != c.Subject {
			return NoSuchFact
		}
		c.Supersedes = *id - 1
	}
	if !grounded(c.Object, c.Sentence) {
		return Ungrounded
	}
	for i := range b.Known {
		if k := &b.Known[i]; k.Subject == c.Subject && k.Predicate == c.Predicate && strings.EqualFold(k.Object, c.Object) {
			return Repeated
		}
	}
	for i := range before {
		o := &before[i]
		same := o.Subject == c.Subject && o.Predicate == c.Predicate && strings.EqualFold(o.Object, c.Object)
		if same || c.Supersedes >= 0 && o.Supersedes == c.Supersedes {
			return Repeated
		}
	}
	return ""
}

// grounded reports whether all words of an object that a model cannot have put into other words, those with a digit or a capital, stand
// in the sentence.
func grounded(object, sentence string) bool {
	has := map[string]bool{}
	for _, w := range wordsOf(sentence) {
		has[strings.ToLower(w)] = true
	}
	for _, w := range wordsOf(object) {
		if strings.ContainsFunc(w, func(r rune) bool { return unicode.IsDigit(r) || unicode.IsUpper(r) }) && !has[strings.ToLower(w)] {
			return false
		}
	}
	return true
}

func wordsOf(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) })
}
