package decide

import (
	_ "embed"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Placeholder stands where a secret was.
const Placeholder = "[secret removed]"

//go:generate go run ./rulegen v8.30.1

// gitleaksRules are the rules of gitleaks, MIT: see LICENSE.gitleaks beside them.
//
//go:embed secrets/gitleaks.json
var gitleaksRules []byte

// A secretAllow says what is no secret although it looks like one.
type secretAllow struct {
	Target    string   `json:"target"` // "match": the regexes are for the whole match
	Regexes   []string `json:"regexes"`
	Stopwords []string `json:"stopwords"`

	once     sync.Once
	compiled []*regexp.Regexp
}

func (a *secretAllow) allows(match, secret string) bool {
	a.once.Do(func() {
		for _, r := range a.Regexes {
			a.compiled = append(a.compiled, regexp.MustCompile(r))
		}
	})
	of := secret
	if a.Target == "match" || a.Target == "line" {
		of = match
	}
	for _, r := range a.compiled {
		if r.MatchString(of) {
			return true
		}
	}
	low := strings.ToLower(secret)
	return slices.ContainsFunc(a.Stopwords, func(w string) bool { return strings.Contains(low, w) })
}

// A secretRule finds one sort of secret near its keywords.
type secretRule struct {
	ID       string         `json:"id"`
	Regex    string         `json:"regex"`
	Entropy  float64        `json:"entropy"`
	Group    int            `json:"group"`
	Keywords []string       `json:"keywords"`
	Allow    []*secretAllow `json:"allow"`

	prose    bool // ours: no token that looks like a key has to stand near, but the keyword is a word
	digit    bool // and a digit follows
	once     sync.Once
	compiled *regexp.Regexp
}

func (s *secretRule) regexp() *regexp.Regexp {
	s.once.Do(func() { s.compiled = regexp.MustCompile(s.Regex) })
	return s.compiled
}

// A detector has the rules by their keywords. Regular expressions are compiled when their keyword is first met.
type detector struct {
	allow    *secretAllow
	rules    []*secretRule
	keywords *automaton
	of       []int // the rule of a keyword
	length   []int // of a keyword
}

var secretRules = sync.OnceValue(func() *detector {
	var f struct {
		Allow *secretAllow  `json:"allow"`
		Rules []*secretRule `json:"rules"`
	}
	if err := json.Unmarshal(gitleaksRules, &f); err != nil {
		panic(err)
	}
	d := &detector{allow: f.Allow, rules: append(f.Rules, proseRules()...)}
	var keywords []string
	for i, r := range d.rules {
		if r.Regex == "" {
			continue // of file names
		}
		for _, k := range r.Keywords {
			keywords = append(keywords, strings.ToLower(k))
			d.of = append(d.of, i)
			d.length = append(d.length, len(k))
		}
	}
	d.keywords = newAutomaton(keywords)
	return d
})

const (
	keyBefore = 160 // bytes before a keyword, and after it, in which its secret is looked for
	keyAfter  = 420
)

// redact puts Placeholder in the place of secrets and says how many there were.
func redact(text string) (string, int) {
	found := secretRules().find(text)
	found = append(found, numbers(text)...)
	if len(found) == 0 {
		return text, 0
	}
	slices.SortFunc(found, func(a, b span) int { return a.from - b.from })
	var b strings.Builder
	end, n := 0, 0
	for _, s := range found {
		if s.to <= end {
			continue
		}
		if s.from < end { // they overlap: one secret
			end = s.to
			continue
		}
		b.WriteString(text[end:s.from])
		b.WriteString(Placeholder)
		end = s.to
		n++
	}
	b.WriteString(text[end:])
	return b.String(), n
}

func (d *detector) find(text string) (out []span) {
	tokens := keyLike(text)
	windows := map[int][]span{}
	d.keywords.find(text, func(k, end int) {
		rule := d.of[k]
		if d.rules[rule].prose && !d.rules[rule].near(text, end-d.length[k], end) {
			return
		}
		w := window(text, end-1, tokens, d.rules[rule])
		if w.to == 0 {
			return
		}
		list := windows[rule]
		if n := len(list); n > 0 && w.from <= list[n-1].to {
			list[n-1].to = max(list[n-1].to, w.to)
			return
		}
		windows[rule] = append(list, w)
	})
	for rule, list := range windows {
		for _, w := range list {
			out = d.rules[rule].find(out, text, w, d.allow)
		}
	}
	return out
}

// near reports whether a keyword of prose is a word of its own, and whether a digit follows where one must.
func (s *secretRule) near(text string, from, end int) bool {
	letter := func(i int) bool {
		return i >= 0 && i < len(text) && (text[i] >= 'a' && text[i] <= 'z' || text[i] >= 'A' && text[i] <= 'Z')
	}
	if letter(from-1) && letter(from) || end-from <= 4 && letter(end) && letter(end-1) && text[end] != 's' {
		return false
	}
	return !s.digit || strings.ContainsAny(text[end:min(len(text), end+120)], "0123456789")
}

// window is where a secret may stand that belongs to the keyword at a byte, cut at white space; the zero span for nowhere.
func window(text string, at int, tokens []span, r *secretRule) span {
	from, to := max(0, at-keyBefore), min(len(text), at+keyAfter)
	if r.ID == "private-key" {
		to = min(len(text), at+16<<10)
	} else if !r.prose {
		i, _ := slices.BinarySearchFunc(tokens, from, func(s span, at int) int { return s.to - at })
		if i >= len(tokens) || tokens[i].from >= to {
			return span{}
		}
		for ; i < len(tokens) && tokens[i].from < to; i++ { // keys may be long
			to = max(to, min(tokens[i].to, at+8<<10))
		}
	}
	for from > 0 && !blank(text[from-1]) && at-from < 2*keyBefore {
		from--
	}
	for to < len(text) && !blank(text[to]) && to-at < 9<<10 {
		to++
	}
	return span{from, to}
}

func blank(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// keyLike are the runs of at least 8 characters of which keys are made that are no plain word: with a digit, or capitals inside.
func keyLike(text string) (out []span) {
	start, odd, other := -1, false, false
	for i := 0; i <= len(text); i++ {
		c := byte(' ')
		if i < len(text) {
			c = text[i]
		}
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if letter || c >= '0' && c <= '9' || strings.IndexByte("+/=_-.~", c) >= 0 {
			if start < 0 {
				start, odd, other = i, false, false
			}
			odd = odd || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' && i > start
			other = other || letter
			continue
		}
		if start >= 0 && i-start >= 8 && (odd || i-start >= 20) && (other || i-start >= 12) {
			out = append(out, span{start, i})
		}
		start = -1
	}
	return out
}

// find appends the secrets of a window.
func (s *secretRule) find(out []span, text string, w span, global *secretAllow) []span {
	part := text[w.from:w.to]
	if !s.prose {
		part = endTokens(part)
	}
	for _, m := range s.regexp().FindAllStringSubmatchIndex(part, -1) {
		from, to := m[0], m[1]
		if s.Group > 0 && 2*s.Group+1 < len(m) && m[2*s.Group] >= 0 {
			from, to = m[2*s.Group], m[2*s.Group+1]
		} else {
			for g := 2; g+1 < len(m); g += 2 {
				if m[g] >= 0 && m[g+1] > m[g] {
					from, to = m[g], m[g+1]
					break
				}
			}
		}
		secret := part[from:to]
		if s.Entropy > 0 && entropy(secret) <= s.Entropy || secret == "" || strings.Contains(secret, Placeholder) {
			continue
		}
		if global != nil && !s.prose && global.allows(part[m[0]:m[1]], secret) {
			continue
		}
		if slices.ContainsFunc(s.Allow, func(a *secretAllow) bool { return a.allows(part[m[0]:m[1]], secret) }) {
			continue
		}
		out = append(out, span{w.from + from, w.from + to})
	}
	return out
}

// endTokens puts spaces where a mark of prose ends a token, because the rules know ends as code has them: quotes, white space, ";".
func endTokens(text string) string {
	var b []byte
	for i := 0; i < len(text); i++ {
		last := i+1 == len(text) || blank(text[i+1])
		switch c := text[i]; {
		case c == ')' || c == ']' || c == '}' || c == '|' || last && (c == ',' || c == '.' || c == '!' || c == '?' || c == ':'):
			if b == nil {
				b = []byte(text)
			}
			b[i] = ' '
		}
	}
	if b == nil {
		return text
	}
	return string(b)
}

// entropy is Shannon's, in bits a character.
func entropy(text string) (bits float64) {
	counts, n := map[rune]int{}, 0
	for _, c := range text {
		counts[c]++
		n++
	}
	for _, count := range counts {
		p := float64(count) / float64(n)
		bits -= p * math.Log2(p)
	}
	return bits
}
