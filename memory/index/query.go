package index

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/trapgate/trapgate/memory/store"
)

// A group is a word of the question: the term itself, and terms that stand for it.
type group struct {
	word    string
	idf     float32
	term    uint32 // none: no record has it
	letters []alike
	meaning []alike
}

// An alike is a term that stands for another, and how well, from 0 to 1.
type alike struct {
	term uint32
	how  float32
}

// A parsed is a question as the index reads it.
type parsed struct {
	groups   []group
	mass     float32 // of the inverse document frequencies
	speakers []uint16
	self     bool // asks about the user who asks
	when     bool
	count    bool
	name     bool
	dates    []span
}

// mostWords bounds the words of a question: the rarest are kept.
const mostWords = 32

// parse reads a question. It is called with the index read-locked.
func (t *search) parse(q *store.Query) {
	x, p := t.x, &t.p
	raw := t.raw[:0]
	words(q.Text, func(w []byte) { raw = append(raw, string(w)) })
	t.raw = raw
	*p = parsed{groups: p.groups[:0], speakers: x.askedSpeakers(raw), dates: dates(raw, q.Now)}
	p.shape(raw)
	t.group(raw, true)
	if len(p.groups) == 0 { // nothing but a name
		t.group(raw, false)
	}
	slices.SortStableFunc(p.groups, func(a, b group) int { return cmp.Compare(b.idf, a.idf) })
	p.groups = p.groups[:min(len(p.groups), mostWords)]
	for i := range p.groups {
		g := &p.groups[i]
		p.mass += g.idf
		g.letters = t.spelledLike(g.word, g.term)
		g.meaning = t.meansLike(g.word)
	}
}

// group finds the terms of a question. Who speaks is no word of it: people say the name of the one they speak to.
func (t *search) group(raw []string, unnamed bool) {
	x, p := t.x, &t.p
	for _, w := range raw {
		word := x.stemmer.term(w)
		if word == "" || unnamed && x.isName(p, w) || slices.ContainsFunc(p.groups, func(g group) bool { return g.word == word }) {
			continue
		}
		g := group{word: word, term: none, idf: x.idf(word)}
		if n, ok := x.numbers[word]; ok {
			g.term = n
		}
		p.groups = append(p.groups, g)
	}
}

// shape finds what kind of answer a question wants.
func (p *parsed) shape(raw []string) {
	for i, w := range raw {
		next := ""
		if i+1 < len(raw) {
			next = raw[i+1]
		}
		switch w {
		case "when":
			p.when = true
		case "what", "which", "how":
			switch next {
			case "long", "time", "date", "day", "month", "year", "often":
				p.when = true
			case "many", "much", "old":
				p.count = true
			}
		}
		switch w {
		case "who", "which", "name", "names", "called", "named", "where":
			p.name = true
		case "my", "i", "me", "mine":
			p.self = true
		}
	}
}

// askedSpeakers are the speakers that a question names.
func (x *Index) askedSpeakers(raw []string) (asked []uint16) {
	for i, name := range x.speakers.names {
		for part := range strings.FieldsSeq(name) {
			if slices.Contains(raw, part) {
				asked = append(asked, uint16(i+1))
				break
			}
		}
	}
	return asked
}

func (x *Index) isName(p *parsed, word string) bool {
	for _, s := range p.speakers {
		for part := range strings.FieldsSeq(x.speakers.names[s-1]) {
			if part == word {
				return true
			}
		}
	}
	return false
}

// idf is the inverse document frequency of a term.
func (x *Index) idf(term string) float32 {
	df, n := 0, len(x.byID)
	if x.stats != nil {
		df, n = x.stats.DF(term), x.stats.Records
	} else if t, ok := x.numbers[term]; ok {
		df = len(x.lists[t].posts)
	}
	v := math.Log(1 + (float64(max(n, df))-float64(df)+.5)/(float64(df)+.5))
	return float32(math.Pow(v, float64(x.weights.Shape.Power)))
}

// spelledLike are terms that have many runs of letters in common with one, and that term itself.
func (t *search) spelledLike(term string, self uint32) []alike {
	x, found := t.x, t.found[:0]
	from := len(t.likes)
	eachGram(term, func(g uint64) {
		for _, n := range x.grams[g] {
			if t.common[n] == 0 {
				found = append(found, n)
			}
			t.common[n]++
		}
	})
	t.found = found
	ours, least := grams(len(term)), x.weights.Shape.Alike
	for _, n := range found {
		how := 2 * float32(t.common[n]) / float32(ours+grams(len(x.lists[n].term)))
		t.common[n] = 0
		if n == self {
			how = 1
		}
		if how >= least {
			t.likes = append(t.likes, alike{n, how})
		}
	}
	own := t.likes[from:]
	slices.SortFunc(own, func(a, b alike) int {
		return cmp.Or(cmp.Compare(b.how, a.how), cmp.Compare(x.lists[a.term].term, x.lists[b.term].term))
	})
	t.likes = t.likes[:from+min(len(own), mostAlike)]
	return t.likes[from:len(t.likes):len(t.likes)]
}

// mostAlike bounds the terms that stand for one word.
const mostAlike = 24

// grams is how many runs of letters a term of so many bytes has.
func grams(n int) int {
	sum := 0
	for g := shortGram; g <= longGram; g++ {
		sum += max(0, min(n, longestWord)+2-g+1)
	}
	return sum
}

// meansLike are terms that mean something like a term, by the table of meanings.
func (t *search) meansLike(term string) []alike {
	from := len(t.likes)
	for _, m := range meanings()[term] {
		if n, ok := t.x.numbers[m.term]; ok {
			t.likes = append(t.likes, alike{n, m.how})
		}
	}
	return t.likes[from:len(t.likes):len(t.likes)]
}
