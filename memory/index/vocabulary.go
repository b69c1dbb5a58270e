package index

import (
	"slices"
	"sync"
	"time"
)

// A vocabulary is the terms of the records, where they occur, and which have a run of letters in common. A term that no record has any
// more is removed.
type vocabulary struct {
	numbers map[string]uint32
	lists   []list
	unused  []uint32
	grams   map[uint64][]uint32
}

// A list is where a term occurs, by slot.
type list struct {
	term  string
	posts []posting
}

func newVocabulary() vocabulary {
	return vocabulary{numbers: map[string]uint32{}, grams: map[uint64][]uint32{}}
}

func (v *vocabulary) number(term string) uint32 {
	n, ok := v.numbers[term]
	if ok {
		return n
	}
	if k := len(v.unused); k > 0 {
		n = v.unused[k-1]
		v.unused = v.unused[:k-1]
	} else {
		n = uint32(len(v.lists))
		if n >= most {
			return none
		}
		v.lists = append(v.lists, list{})
	}
	v.lists[n].term = term
	v.numbers[term] = n
	eachGram(term, func(g uint64) {
		if l := v.grams[g]; len(l) == 0 || l[len(l)-1] != n { // a gram may occur twice in a term
			v.grams[g] = append(l, n)
		}
	})
	return n
}

// enter adds a record's terms to the lists and returns them counted.
func (v *vocabulary) enter(slot uint32, words []*lexeme) []posting {
	var few [64]uint32
	numbers := few[:0]
	for _, w := range words {
		if int(w.number) >= len(v.lists) || v.lists[w.number].term != w.term {
			w.number = v.number(w.term)
		}
		if w.number != none {
			numbers = append(numbers, w.number)
		}
	}
	slices.Sort(numbers)
	distinct := 0
	for i, n := range numbers {
		if i == 0 || n != numbers[i-1] {
			distinct++
		}
	}
	own := make([]posting, 0, distinct)
	for i := 0; i < len(numbers); {
		j := i + 1
		for j < len(numbers) && numbers[j] == numbers[i] {
			j++
		}
		own = append(own, post(numbers[i], j-i))
		v.insert(numbers[i], post(slot, j-i))
		i = j
	}
	return own
}

func (v *vocabulary) insert(term uint32, p posting) {
	l := &v.lists[term].posts
	at := len(*l)
	if at > 0 && (*l)[at-1].of() > p.of() {
		at, _ = slices.BinarySearch(*l, p)
	}
	if at == len(*l) {
		*l = append(*l, p)
		return
	}
	*l = slices.Insert(*l, at, p)
}

// leave takes a record's terms from the lists.
func (v *vocabulary) leave(slot uint32, terms []posting) {
	for _, t := range terms {
		n := t.of()
		l := &v.lists[n]
		if at, _ := slices.BinarySearch(l.posts, posting(slot<<8)); at < len(l.posts) && l.posts[at].of() == slot {
			l.posts = slices.Delete(l.posts, at, at+1)
		}
		if len(l.posts) > 0 {
			continue
		}
		eachGram(l.term, func(g uint64) {
			if v.grams[g] = without(v.grams[g], n); len(v.grams[g]) == 0 {
				delete(v.grams, g)
			}
		})
		delete(v.numbers, l.term)
		*l = list{}
		v.unused = append(v.unused, n)
	}
}

// Runs of letters that make words alike.
const shortGram, longGram = 3, 5

// eachGram calls f with each run of 3 to 5 bytes of a term, with its borders marked, as a number.
func eachGram(term string, f func(uint64)) {
	var room [longestWord + 8]byte
	b := append(append(append(room[:0], '<'), term[:min(len(term), longestWord)]...), '>')
	for i := range b {
		gram := uint64(0)
		for n, c := range b[i:min(i+longGram, len(b))] {
			if gram |= uint64(c) << (8 * n); n+1 >= shortGram {
				f(gram)
			}
		}
	}
}

// An analysis is what a text is to the index.
type analysis struct {
	words  []*lexeme // of all words that say something, in order
	traits traits
}

var analysed = sync.Pool{New: func() any { return new(analysis) }}

func (a *analysis) length() uint16 { return uint16(min(len(a.words), 1<<16-1)) }

func (a *analysis) read(s *stemmer, text string) {
	a.words, a.traits = a.words[:0], 0
	s.mu.RLock()
	words(text, func(w []byte) {
		l := s.of(w)
		if a.traits |= l.traits; l.term != "" {
			a.words = append(a.words, l)
		}
	})
	s.mu.RUnlock()
	if names(text) {
		a.traits |= proper
	}
	if asks(text) {
		a.traits |= question
	}
}

// Terms are what the words of a text are indexed under, in their order, with repetitions, without words that say nothing.
func Terms(text string) (terms []string) {
	words(text, func(w []byte) {
		if t := stem(string(w)); t != "" {
			terms = append(terms, t)
		}
	})
	return terms
}

func day(t time.Time) int32 {
	_, zone := t.Zone()
	return int32((t.Unix() + int64(zone)) / 86400)
}
