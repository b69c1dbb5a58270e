package digest

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A language is how rules are worded in it, for languages other than English, whose grammar judge knows better.
//
// Phrases stand one per line: words divided by blanks; / divides words of which any will do; x* is any word that begins with
// x, and *x one that ends with it; … stands for up to 12 words; ^ before a phrase says that a clause begins with it, perhaps
// behind polite words; + before that, that the speaker may be its subject. The first word of a phrase is spelled out.
type language struct {
	firm  string // phrases that state a rule, unless the speaker is their subject
	loose string // those that do so unless the sentence tells a story, too
	mine  string // the speaker as a subject
	story string // auxiliaries and subjects of narrative sentences
	kind  string // polite and linking words
	idle  string // words that stand in no rule: "do not worry"
}

// A cue is a phrase of a language.
type cue struct {
	parts   []part
	own     bool // the speaker may be the subject
	opening bool
	loose   bool
	sets    *languageSets
}

type part struct {
	gap   bool
	forms []string
}

type languageSets struct{ mine, story, kind, idle map[string]bool }

// cues are the phrases of all languages by each of their first words; Load makes them.
var cues map[string][]*cue

func newCues() map[string][]*cue {
	m := map[string][]*cue{}
	for _, l := range languages {
		sets := &languageSets{set(l.mine), set(l.story), set(l.kind), set(l.idle)}
		for i, lines := range []string{l.firm, l.loose} {
			for line := range strings.Lines(lines) {
				if c := newCue(strings.TrimSpace(line), i == 1, sets); c != nil {
					for _, w := range c.parts[0].forms {
						m[w] = append(m[w], c)
					}
				}
			}
		}
	}
	return m
}

// tellingAbroad are words of which any sentence in ASCII that has a cue has one: for each cue the first of its words that are no
// words of English.
func tellingAbroad() (all []string) {
	for _, list := range cues {
		for _, c := range list {
			for _, p := range c.parts {
				var words []string
				for _, w := range p.forms {
					if w != "…" && !strings.Contains(w, "*") && !alsoEnglish[w] {
						words = append(words, w)
					}
				}
				all = append(all, words...)
				if len(words) == len(p.forms) {
					break
				}
			}
		}
	}
	return all
}

// alsoEnglish are words of the phrases that English texts have, too.
var alsoEnglish = set(`a ab all ana and at be bare commit commits d da de del do du el en fast for from given has hay her hold i if in is it
	la let main mag mai me most must no norma o od of on or per plus pod pro push python ring rode sans se send set she sin sob sous so still
	ta test teste the to todo under use van von w was will with`)

func newCue(line string, loose bool, sets *languageSets) *cue {
	if line == "" {
		return nil
	}
	line, own := strings.CutPrefix(line, "+")
	line, opening := strings.CutPrefix(line, "^")
	c := &cue{own: own, opening: opening, loose: loose, sets: sets}
	for _, w := range strings.Fields(line) {
		c.parts = append(c.parts, part{w == "…", strings.Split(w, "/")})
	}
	return c
}

// foreign says whether a sentence states a rule in a language other than English.
func foreign(text []byte) rank {
	low := strings.ReplaceAll(strings.ToLower(string(text)), "’", "'")
	if dense(low) {
		return denseRule(low)
	}
	f := utterance{}
	f.split(low)
	for i, w := range f.words {
		for _, c := range cues[w] {
			if f.says(i, c) {
				return strongRule
			}
		}
	}
	return 0
}

// An utterance is a sentence divided into words of any script.
type utterance struct {
	words []string
	begin []bool // a clause begins with the word
}

// split finds the words; an elided one ("n'utilise") is a word of its own.
func (f *utterance) split(low string) {
	const most = 120
	from, begin := -1, true
	end := func(i int) {
		if from >= 0 {
			f.words, f.begin = append(f.words, spelled(low[from:i])), append(f.begin, begin)
			from, begin = -1, false
		}
	}
	for i, r := range low {
		switch {
		case len(f.words) >= most:
			return
		case unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r) || r == '_':
			if from < 0 {
				from = i
			}
		case r == '\'' && from >= 0:
			if elided[low[from:i]] {
				end(i)
			}
		case (r == '-' || r == '.') && from >= 0 && i+1 < len(low) && wordly(low[i+1:]):
		case unicode.IsSpace(r):
			end(i)
		default:
			end(i)
			begin = true
		}
	}
	end(len(low))
}

var elided = set("n d l c s j m t qu dell all nell sull dall un quest")

// spelled is a word as the phrases have it.
func spelled(w string) string {
	if w == "n" {
		return "ne"
	}
	if strings.Contains(w, "\u0307") { // İ in lower case
		return strings.ReplaceAll(w, "\u0307", "")
	}
	return w
}

func wordly(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.IsLetter(r) || unicode.IsDigit(r)
}

// says reports whether cue c, whose first word is the one at i, states a rule.
func (f *utterance) says(i int, c *cue) bool {
	if c.opening && !f.opens(i, c.sets.kind) || !f.matches(i, c.parts) {
		return false
	}
	for k := i - 1; k >= max(i-5, 0) && !f.begin[k+1] && !c.own; k-- {
		if c.sets.mine[f.words[k]] {
			return false
		}
	}
	if !c.own && i+1 < len(f.words) && c.sets.mine[f.words[i+1]] {
		return false // the subject stands behind the verb: "muss ich"
	}
	for _, w := range f.words {
		if c.sets.idle[w] || c.loose && (c.sets.story[w] || c.sets.mine[w]) {
			return false
		}
	}
	return true
}

// opens reports whether a clause begins with word i, but for polite and linking words.
func (f *utterance) opens(i int, kind map[string]bool) bool {
	for ; !f.begin[i]; i-- {
		if !kind[f.words[i-1]] {
			return false
		}
	}
	return true
}

// matches reports whether the words from i on are those of parts.
func (f *utterance) matches(i int, parts []part) bool {
	if len(parts) == 0 {
		return true
	}
	if parts[0].gap {
		for k := i; k <= i+12 && k < len(f.words); k++ {
			if f.matches(k, parts[1:]) {
				return true
			}
		}
		return false
	}
	return i < len(f.words) && parts[0].is(f.words[i]) && f.matches(i+1, parts[1:])
}

func (p part) is(w string) bool {
	for _, form := range p.forms {
		if stem, ok := strings.CutSuffix(form, "*"); ok && strings.HasPrefix(w, stem) {
			return true
		}
		if end, ok := strings.CutPrefix(form, "*"); ok && len(w) > len(end) && strings.HasSuffix(w, end) {
			return true
		}
		if w == form {
			return true
		}
	}
	return false
}

// ascii reports whether text has no other characters.
func ascii(text []byte) bool {
	for _, c := range text {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
