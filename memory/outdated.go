package memory

import (
	"slices"
	"strings"
	"unicode"

	"github.com/trapgate/trapgate/memory/decide"
	"github.com/trapgate/trapgate/memory/index"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

const (
	maxCompared = 24 // statements of the user that are compared with each other
	maxValue    = 3  // words in which two sentences of one frame differ
	besideValue = 4  // words between one that gives something up and what is given up
)

func wordSet(list string) map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(list) {
		set[w] = true
	}
	return set
}

// What says that something is not as it was; what says so of the words after it, and of those before it; and what speaks of no fact.
var (
	changing = wordSet(`moved changed switched now anymore instead actually new renamed migrated slipped postponed pushed replaced dropped
		stopped quit left correction scratch rescheduled upgraded raised lowered rather longer retired increased reduced
		jetzt nicht mehr ahora ya maintenant désormais plus agora adesso nu теперь`)
	yielding = wordSet(`used not longer instead than left quit gave drop dropped replaced stopped from over scratch more off leave killed`)
	gone     = wordSet(`gone dead out left retired up behind`)
	supposed = wordSet(`if suppose would could should might maybe perhaps`)
	copulas  = wordSet(`is are ist sind es son est sont`)
	pronouns = wordSet(`i we me us my our`)
)

// A said is a sentence of the user, to be compared with others.
type said struct {
	of    *record.Record
	words []string // lower case
	terms []string // index terms, without those that only say that something changed
	moves bool     // it says that something changed
	maybe bool     // it supposes
	means []bool   // which of words say what it is about
}

func newSaid(r *record.Record, text string) *said {
	s := &said{of: r}
	s.words = strings.FieldsFunc(strings.ToLower(text), func(c rune) bool {
		return !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("'’:+.-", c)
	})
	for i, w := range s.words {
		s.words[i] = strings.Trim(w, ":.-'’")
		s.maybe = s.maybe || supposed[s.words[i]]
		terms := index.Terms(s.words[i])
		s.means = append(s.means, len(terms) > 0)
		if changing[s.words[i]] {
			s.moves = true
		} else {
			s.terms = append(s.terms, terms...)
		}
	}
	line := " " + strings.Join(s.words, " ") + " "
	s.moves = s.moves || slices.ContainsFunc(phrases, func(p string) bool { return strings.Contains(line, p) })
	return s
}

// phrases are what changing is in more than one word.
var phrases = []string{
	" as of ", " from now on ", " from here on ", " these days ", " used to ", " no more ", " gave up ",
	" not any more ",
}

// outdated finds what of the user's words among the hits, and of answers right after them, a later statement says otherwise. It needs
// no fact: the two are of one frame with another value, or the later one says that something changed, and what.
func outdated(found []store.Hit) map[record.ID]bool {
	var all []*said
	for i := range found {
		r := found[i].Record
		if r.Role != record.User || r.Trust != record.High || !r.Closed.IsZero() {
			continue
		}
		for _, text := range decide.Statements(r.Text) {
			if s := newSaid(r, text); !s.maybe {
				all = append(all, s)
			}
		}
		if len(all) >= maxCompared {
			break
		}
	}
	var old map[record.ID]bool
	for _, later := range all {
		for _, s := range all {
			if !old[s.of.ID] && s.of.Said.Before(later.of.Said) && s.of.Speaker == later.of.Speaker && later.replaces(s) {
				if old == nil {
					old = map[record.ID]bool{}
				}
				old[s.of.ID] = true
				s.echoed(found, old)
			}
		}
	}
	return old
}

// echoed adds the answers right after a statement that have no word of their own beside its words.
func (s *said) echoed(found []store.Hit, old map[record.ID]bool) {
	for i := range found {
		r := found[i].Record
		near := r.Scope.Session == s.of.Scope.Session && r.Seq > s.of.Seq && r.Seq <= s.of.Seq+2
		its := func(w string) bool { return slices.Contains(s.terms, w) }
		if near && r.Role == record.Assistant && slices.ContainsFunc(index.Terms(r.Text), its) {
			old[r.ID] = true
		}
	}
}

// replaces reports whether the later of two statements says that the other one no longer holds.
func (s *said) replaces(old *said) bool {
	if slices.Equal(s.terms, old.terms) {
		return false
	}
	return s.sameFrame(old) || s.moves && (s.givesUp(old) || s.sameThing(old))
}

// own reports whether a sentence speaks of the user, or of what is theirs.
func (s *said) own() bool {
	return slices.ContainsFunc(s.words, func(w string) bool {
		w, _, _ = strings.Cut(strings.ReplaceAll(w, "’", "'"), "'")
		return pronouns[w]
	})
}

// sameFrame reports whether two sentences say of one thing what it is, in the same words but for the value.
func (s *said) sameFrame(old *said) bool {
	a, b := s.words, old.words
	from := 0
	for from < len(a) && from < len(b) && a[from] == b[from] {
		from++
	}
	to := 0
	for to < len(a)-from && to < len(b)-from && a[len(a)-1-to] == b[len(b)-1-to] {
		to++
	}
	n, m := len(a)-from-to, len(b)-from-to
	if from < 2 || n == 0 || m == 0 || n > maxValue || m > maxValue || !copulas[a[from-1]] && !copulas[a[from-2]] {
		return false
	}
	numbers := hasDigit(a[from:from+n]) && hasDigit(b[from:from+m])
	frame := len(index.Terms(strings.Join(a[:from], " ")))
	return frame >= 2 && numbers || frame >= 3
}

func hasDigit(words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.ContainsFunc(w, unicode.IsDigit) })
}

// givesUp reports whether a statement says of a word of the other one that it is over.
func (s *said) givesUp(old *said) bool {
	for i, w := range s.words {
		if !s.means[i] || changing[w] || yielding[w] || !slices.Contains(old.words, w) {
			continue
		}
		before := s.words[max(0, i-besideValue):i]
		after := s.words[i+1 : min(len(s.words), i+3)]
		if slices.ContainsFunc(before, func(w string) bool { return yielding[w] }) ||
			slices.ContainsFunc(after, func(w string) bool { return gone[w] }) {
			return true
		}
	}
	return false
}

// sameThing reports whether two sentences share what they speak of, and differ in one place: "the Berlin office has 40 desks" and "the
// Warsaw office now has 25" differ in two, and so speak of two offices.
func (s *said) sameThing(old *said) bool {
	shared, runs, own := differing(s.terms, old.terms)
	_, oldRuns, oldOwn := differing(old.terms, s.terms)
	if shared == 0 || own == 0 || oldOwn == 0 || runs > 1 && oldRuns > 1 {
		return false
	}
	dates := own <= maxValue && oldOwn <= maxValue && hasDigit(s.words) && hasDigit(old.words)
	return shared >= 2 || (dates || own == 1 && oldOwn == 1) && s.own() == old.own()
}

// differing counts the terms that two sentences share, and those that only the first has, and the runs that those form.
func differing(a, b []string) (shared, runs, own int) {
	within := false
	for _, w := range a {
		if slices.Contains(b, w) {
			shared++
			within = false
			continue
		}
		own++
		if !within {
			runs++
		}
		within = true
	}
	return shared, runs, own
}
