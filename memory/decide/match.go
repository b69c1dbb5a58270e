package decide

import (
	"slices"
	"strings"
)

// A capture is a run of tokens.
type capture struct {
	name     string
	from, to int
}

// A matcher matches patterns at places of one sentence.
type matcher struct {
	text  string
	toks  []token
	caps  []capture
	self  string // the relation of nodeSelf: "" is the speaker
	steps int    // bounds backtracking
	end   int    // where the match ends
	lex   *lexicon
	// pending are the nodes after those alternatives that are being tried
	pending []pending
}

// pending nodes are matched when those before them have been, and then others, by their index; -1: none.
type pending struct {
	nodes []node
	then  int
}

const maxSteps = 400

// match reports where a match of p at token i ends.
func (m *matcher) match(p *pattern, i int) (end int, ok bool) {
	m.caps, m.self, m.steps, m.pending = m.caps[:0], "", 0, m.pending[:0]
	ok = m.seq(p.nodes, i, true, -1)
	return m.end, ok
}

func (m *matcher) norm(i int) string {
	if i < len(m.toks) {
		return m.toks[i].norm
	}
	return ""
}

func (m *matcher) adverb(i int) bool { return i >= 0 && i < len(m.toks) && m.toks[i].adverb }

func (m *matcher) seq(nodes []node, i int, first bool, then int) bool {
	if m.steps++; m.steps > maxSteps {
		return false
	}
	if len(nodes) == 0 {
		if then < 0 {
			m.end = i
			return true
		}
		p := m.pending[then]
		return m.seq(p.nodes, i, false, p.then)
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
		at := len(m.pending)
		m.pending = append(m.pending, pending{rest, then})
		for _, alt := range n.alts {
			if !skips && alt[0].kind == nodeWord && alt[0].word != w {
				continue
			}
			if m.seq(alt, i, first, at) {
				return true
			}
		}
		m.pending = m.pending[:at]
		return n.optional && m.seq(rest, i, first, then)
	case nodeSelf:
		return m.selfNode(rest, i, then)
	case nodeCapture:
		return m.capture(n, rest, i, then)
	}
	return false
}

// selfNode is "i", "my sister", "my sister Ann" or "my dog".
func (m *matcher) selfNode(rest []node, i int, then int) bool {
	switch {
	case m.norm(i) == "i":
		m.self = ""
		return m.seq(rest, i+1, false, then)
	case m.norm(i) != "my" && m.norm(i) != "our":
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
	for k := m.named(j); k > j; k-- { // my sister Ann
		m.self = name
		if m.seq(rest, k, false, then) {
			return true
		}
	}
	return false
}

// named is where a name of at most two words ends that stands at token j, perhaps between commas: "my sister, Ann, ".
func (m *matcher) named(j int) int {
	comma := m.norm(j) == ","
	k := j
	if comma {
		k++
	}
	end := k
	for end < len(m.toks) && end < k+2 && m.toks[end].upper && m.toks[end].norm != "i" {
		end++
	}
	switch {
	case end == k || comma && m.norm(end) != ",":
		return j
	case comma:
		end++
	}
	return end
}

// being is who a match at token i speaks of and that they are something: "i am", "my sister Ann is".
func (m *matcher) being(i int) []token {
	end := i + 1
	if w := m.norm(i); w == "my" || w == "our" {
		j, relation := m.relation(end)
		if relation == "" {
			return nil
		}
		end = m.named(j)
	} else if w != "i" {
		return nil
	}
	for m.adverb(end) {
		end++
	}
	if w := m.norm(end); w != "am" && w != "is" && w != "are" && w != "'s" {
		return nil
	}
	if m.norm(i) == "i" {
		return am
	}
	return slices.Clone(m.toks[i : end+1])
}

// capture takes as little as lets the rest match; at the end of a pattern all up to where its kind ends.
func (m *matcher) capture(n *node, rest []node, i int, then int) bool {
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

func (m *matcher) take(n *node, i, j int, rest []node, then int) bool {
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
			if j > i && strings.Contains("-–—", t.norm) && t.start > m.toks[j-1].end { // "pottery - it calms me"
				break
			}
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
	return kind == "list" && !m.newClause(j+1) && !m.lex.stops[""][next.norm] && next.norm != "to" && next.norm != "especially"
}

// newClause reports whether a clause of its own begins at a token: "and we", "and moved", "and that".
func (m *matcher) newClause(j int) bool {
	for j < len(m.toks) && m.adverb(j) {
		j++
	}
	return j >= len(m.toks) || m.lex.clauseWords[m.norm(j)]
}
