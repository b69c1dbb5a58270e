package decide

import (
	"fmt"
	"slices"
	"strings"
)

// A pattern is one line of a rules file, compiled. It is matched against tokens, word by word:
//
//	i (live|am living) in {place}     words; one of several; a capture
//	we (just)? chose {thing}          what may be left out
//	@ lives in {place}                @: "i", or "my sister (Ann)"; the fact's subject is whose it is
//	{x=vegan|vegetarian}              a capture of one of these words
//	^ call me {name}                  only at the beginning of a clause
//	- i no longer live in {place}     ends the fact
//
// Adverbs that change nothing ("just", "really", "now") may stand between any two words. {old} is what has ceased to be so.
type pattern struct {
	rule  *rule
	first bool // ^
	close bool // -
	nodes []node
}

// A rule is what patterns that say the same have in common.
type rule struct {
	predicate string // "{k}" in it is the capture of that name
	class     Class
	single    bool
	subject   string // "" the speaker's
	list      bool   // "a, b and c" are three facts
	whole     bool   // the object is all that matched
	dated     bool   // the object must be a date
	attribute bool   // {k} must be something that has a value
	query     bool   // holds in questions too ("can you remember that ...?")
	lang      string
	order     int // in the rules files: of two that match the same words the earlier one is taken
}

type nodeKind uint8

const (
	nodeWord nodeKind = iota
	nodeAlt
	nodeCapture
	nodeSelf
	nodeEnd
)

type node struct {
	kind     nodeKind
	word     string
	alts     [][]node // of nodeAlt
	optional bool
	name     string // of nodeCapture
	among    map[string]bool
	upper    bool            // {x=!}: begins with a capital
	last     bool            // nothing of the pattern follows
	follow   map[string]bool // what can come after a capture; nil: anything
}

// compile reads a pattern. Rules files are part of the program: a mistake in one is a panic that every test meets.
func compile(line string, r *rule) *pattern {
	p := &pattern{rule: r}
	for {
		switch {
		case strings.HasPrefix(line, "- "):
			p.close = true
		case strings.HasPrefix(line, "^ "):
			p.first = true
		default:
			c := &compiler{text: line}
			p.nodes = c.seq()
			if c.text != "" || len(p.nodes) == 0 {
				panic(fmt.Sprintf("decide: pattern %q ends at %q", line, c.text))
			}
			markLast(p.nodes)
			markFollow(p.nodes, nil)
			return p
		}
		line = line[2:]
	}
}

// markLast marks the captures with which a pattern can only end.
func markLast(nodes []node) {
	if len(nodes) == 0 {
		return
	}
	n := &nodes[len(nodes)-1]
	n.last = n.kind == nodeCapture
	for _, alt := range n.alts {
		markLast(alt)
	}
}

// markFollow sets what can follow each capture: the first words of the nodes after it, and of those after the nodes.
func markFollow(nodes, after []node) {
	for i := range nodes {
		rest := append(slices.Clone(nodes[i+1:]), after...)
		for _, alt := range nodes[i].alts {
			markFollow(alt, rest)
		}
		if nodes[i].kind != nodeCapture || nodes[i].last || len(rest) == 0 {
			continue
		}
		follow := map[string]bool{}
		for _, path := range paths(rest, 1) {
			if len(path) == 0 || path[0] == "" || path[0] == selfWord {
				follow = nil
				break
			}
			follow[path[0]] = true
		}
		nodes[i].follow = follow
	}
}

type compiler struct{ text string }

// seq reads nodes up to "|", ")" or the end.
func (c *compiler) seq() (out []node) {
	for {
		c.text = strings.TrimLeft(c.text, " ")
		if c.text == "" || c.text[0] == '|' || c.text[0] == ')' {
			return out
		}
		out = append(out, c.one()...)
	}
}

func (c *compiler) one() []node {
	switch c.text[0] {
	case '@':
		c.text = c.text[1:]
		return []node{{kind: nodeSelf}}
	case '$':
		c.text = c.text[1:]
		return []node{{kind: nodeEnd}}
	case '{':
		end := strings.IndexByte(c.text, '}')
		name, among, _ := strings.Cut(c.text[1:end], "=")
		c.text = c.text[end+1:]
		n := node{kind: nodeCapture, name: name}
		n.upper = among == "!"
		if among != "" && !n.upper {
			n.among = map[string]bool{}
			for w := range strings.SplitSeq(among, "|") {
				n.among[w] = true
			}
		}
		return []node{n}
	case '(':
		n := node{kind: nodeAlt}
		for c.text[0] != ')' {
			c.text = c.text[1:]
			n.alts = append(n.alts, c.seq())
		}
		c.text = c.text[1:]
		if strings.HasPrefix(c.text, "?") {
			n.optional, c.text = true, c.text[1:]
		}
		return []node{n}
	}
	end := strings.IndexAny(c.text, " |(){}$")
	if end < 0 {
		end = len(c.text)
	}
	word, optional := strings.CutSuffix(c.text[:end], "?")
	if word == "" {
		optional, word = false, c.text[:end]
	}
	c.text = c.text[end:]
	if word == "'s" || strings.HasSuffix(word, "'") { // as tokenize takes "sister's" and "j'habite" apart
		return []node{{word: word}}
	}
	var out []node
	for _, t := range tokenize(nil, word, 0, len(word)) { // "我叫" is two tokens
		out = append(out, node{word: t.norm})
	}
	if optional {
		return []node{{kind: nodeAlt, alts: [][]node{out}, optional: true}}
	}
	return out
}

// A capture is a run of tokens.
type capture struct {
	name     string
	from, to int
}

// A matcher matches patterns at places of one sentence.
type matcher struct {
	text   string
	toks   []token
	hidden string // takes the place of the token before the first: the subject that "and moved to ..." shares with what stands before
	caps   []capture
	self   string // the relation of nodeSelf: "" is the speaker
	steps  int    // bounds backtracking
	lex    *lexicon
}

const maxSteps = 400

// match reports where a match of p at token i ends.
func (m *matcher) match(p *pattern, i int) (end int, ok bool) {
	m.caps, m.self, m.steps = m.caps[:0], "", 0
	ok = m.seq(p.nodes, i, true, func(j int) bool { end = j; return true })
	return end, ok
}

func (m *matcher) norm(i int) string {
	if i < 0 {
		return m.hidden
	}
	if i < len(m.toks) {
		return m.toks[i].norm
	}
	return ""
}

func (m *matcher) adverb(i int) bool { return i >= 0 && i < len(m.toks) && m.toks[i].adverb }

func (m *matcher) seq(nodes []node, i int, first bool, then func(int) bool) bool {
	if m.steps++; m.steps > maxSteps {
		return false
	}
	if len(nodes) == 0 {
		return then(i)
	}
	n, rest := &nodes[0], nodes[1:]
	switch n.kind {
	case nodeWord:
		for ; i < len(m.toks); i++ {
			if m.norm(i) == n.word {
				return m.seq(rest, i+1, false, then)
			}
			if first || !m.adverb(i) {
				return false
			}
		}
	case nodeEnd:
		return (i >= len(m.toks) || m.toks[max(i, 0)].mark) && m.seq(rest, i, false, then)
	case nodeAlt:
		w := m.norm(i)
		skips := !first && m.adverb(i)
		for _, alt := range n.alts {
			if !skips && alt[0].kind == nodeWord && alt[0].word != w {
				continue
			}
			if m.seq(alt, i, first, func(j int) bool { return m.seq(rest, j, false, then) }) {
				return true
			}
		}
		return n.optional && m.seq(rest, i, first, then)
	case nodeSelf:
		return m.selfNode(rest, i, then)
	case nodeCapture:
		return m.capture(n, rest, i, then)
	}
	return false
}

// selfNode is "i", "my sister", "my sister Ann" or "my dog".
func (m *matcher) selfNode(rest []node, i int, then func(int) bool) bool {
	switch {
	case m.norm(i) == "i":
		m.self = ""
		return m.seq(rest, i+1, false, then)
	case m.norm(i) != "my":
		return false
	}
	j, name := m.relation(i + 1)
	if name == "" {
		return false
	}
	m.self = name
	if m.seq(rest, j, false, then) {
		return true
	}
	for k := j; k < len(m.toks) && k <= j+1 && m.toks[k].upper; k++ { // my sister Ann
		m.self = name
		if m.seq(rest, k+1, false, then) {
			return true
		}
	}
	return false
}

// capture takes as little as lets the rest match; at the end of a pattern all up to where its kind ends.
func (m *matcher) capture(n *node, rest []node, i int, then func(int) bool) bool {
	if n.among != nil {
		for i < len(m.toks) && !n.among[m.norm(i)] && m.adverb(i) {
			i++
		}
		if i >= len(m.toks) || !n.among[m.norm(i)] {
			return false
		}
		return m.take(n, i, i+1, rest, then)
	}
	if n.name != "whole" && n.name != "k" {
		for i+1 < len(m.toks) && i >= 0 && m.adverb(i) && (n.name != "date" || !calendarDay(m.norm(i))) {
			i++
		}
	}
	if n.last {
		end := m.extent(n.name, i)
		return end > i && m.take(n, i, end, rest, then)
	}
	limit := min(len(m.toks), i+10)
	switch n.name {
	case "old":
		limit = min(limit, m.extent("thing", i))
	case "k":
		limit = min(limit, i+4)
	}
	for j := i + 1; j <= limit; j++ {
		if (n.follow == nil || n.follow[m.norm(j)] || m.adverb(j)) && m.take(n, i, j, rest, then) {
			return true
		}
		if j < len(m.toks) && m.toks[j].mark && !strings.Contains("'&-.$€£", m.toks[j].norm) {
			return false
		}
	}
	return false
}

func (m *matcher) take(n *node, i, j int, rest []node, then func(int) bool) bool {
	if n.upper && !m.toks[i].upper {
		return false
	}
	at := len(m.caps)
	m.caps = append(m.caps, capture{n.name, i, j})
	if m.seq(rest, j, false, then) {
		return true
	}
	m.caps = m.caps[:at]
	return false
}

// extent is where a capture of a kind that begins at token i ends at the latest.
func (m *matcher) extent(kind string, i int) int {
	stops := m.lex.stops[kind]
	j := i
	if kind == "whole" {
		for j = len(m.toks); j > i && m.toks[j-1].mark && !strings.Contains("\"')]}%€$£”", m.toks[j-1].norm); j-- {
		}
		return j
	}
	for ; j < len(m.toks); j++ {
		t := &m.toks[j]
		if t.mark {
			if strings.Contains("'’\"“”«»&$€£-+#%*`/\\_", t.norm) || j == i || m.joins(kind, i, j) {
				continue
			}
			break
		}
		if j > i && (m.lex.stops[""][t.norm] || stops[t.norm]) {
			break
		}
		if j > i && m.lex.conjunctions[t.norm] && m.newClause(j+1) {
			break
		}
	}
	return j
}

// joins reports whether a comma belongs to what is captured: "Austin, Texas"; "apples, pears and plums".
func (m *matcher) joins(kind string, i, j int) bool {
	t := &m.toks[j]
	if t.norm == "." && j > i && m.lex.abbreviations[m.norm(j-1)] && j+1 < len(m.toks) {
		return true
	}
	if t.norm == "." || t.norm == ":" {
		return j+1 < len(m.toks) && m.toks[j+1].start == t.end && j > i && m.toks[j-1].end == t.start
	}
	if (t.norm != "," && t.norm != "、" && t.norm != "，") || j+1 >= len(m.toks) {
		return false
	}
	next := &m.toks[j+1]
	if kind == "place" {
		return next.upper && next.norm != "i" && (j+2 >= len(m.toks) || m.toks[j+2].mark || m.toks[j+2].upper)
	}
	return kind == "list" && !m.newClause(j+1) && !m.lex.stops[""][next.norm]
}

// newClause reports whether a clause of its own begins at a token: "and we", "and moved", "and that".
func (m *matcher) newClause(j int) bool {
	for j < len(m.toks) && m.adverb(j) {
		j++
	}
	return j >= len(m.toks) || m.lex.clauseWords[m.norm(j)]
}
