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
	// strict: it has a {name=!}, which must look like a name
	strict bool
	nodes  []node
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
			p.nodes, p.strict = c.seq(), strings.Contains(line, "{name=!}")
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
