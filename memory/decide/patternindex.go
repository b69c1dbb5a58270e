package decide

import "slices"

// An index has the patterns by the first two words that a match can begin with, so that at most places of a text none is tried.
type index struct {
	by    map[string]*follow // by the first word; "@" is the subject
	loose map[string]*follow // begin with a capture, by the words after it
}

type follow struct {
	next map[string][]*pattern
	any  []*pattern // whatever comes second
}

const selfWord = "@"

func (x *index) add(p *pattern) {
	if x.by == nil {
		x.by, x.loose = map[string]*follow{}, map[string]*follow{}
	}
	by, nodes := x.by, p.nodes
	if nodes[0].kind == nodeCapture {
		by, nodes = x.loose, nodes[1:]
	}
	for _, path := range paths(nodes, 2) {
		f := by[path[0]]
		if f == nil {
			f = &follow{next: map[string][]*pattern{}}
			by[path[0]] = f
		}
		if len(path) < 2 || path[1] == "" {
			if !slices.Contains(f.any, p) {
				f.any = append(f.any, p)
			}
		} else if list := f.next[path[1]]; !slices.Contains(list, p) {
			f.next[path[1]] = append(list, p)
		}
	}
}

// paths are the first words, up to a depth, of all texts that nodes match; "" is any word, and ends a path.
func paths(nodes []node, depth int) (out [][]string) {
	if depth == 0 || len(nodes) == 0 {
		return [][]string{{}}
	}
	n, rest := &nodes[0], nodes[1:]
	join := func(word string) {
		for _, tail := range paths(rest, depth-1) {
			out = append(out, append([]string{word}, tail...))
		}
	}
	switch n.kind {
	case nodeWord:
		join(n.word)
	case nodeSelf:
		join(selfWord)
	case nodeAlt:
		for _, alt := range n.alts {
			out = append(out, paths(append(slices.Clone(alt), rest...), depth)...)
		}
		if n.optional {
			out = append(out, paths(rest, depth)...)
		}
	default:
		return [][]string{{""}}
	}
	return out
}

// find appends the patterns that may match at token i, which is word.
func (x *index) find(out []*pattern, m *matcher, i int, word string) []*pattern {
	out = x.by[word].find(out, m, i+1)
	switch word {
	case "i":
		out = x.by[selfWord].find(out, m, i+1)
	case "my", "our":
		j, relation := m.relation(i + 1)
		if relation == "" {
			break
		}
		for k := m.named(j); k >= j; k-- { // my sister Ann
			out = x.by[selfWord].find(out, m, k)
		}
	}
	return out
}

func (f *follow) find(out []*pattern, m *matcher, j int) []*pattern {
	if f == nil {
		return out
	}
	out = append(out, f.any...)
	for ; j < len(m.toks); j++ {
		w := m.norm(j)
		out = append(out, f.next[w]...)
		if !m.adverb(j) {
			break
		}
	}
	return out
}

// relation reads "little sister" at token j, and returns the token after it.
func (m *matcher) relation(j int) (int, string) {
	for j < len(m.toks) && m.lex.relationAdjectives[m.norm(j)] {
		j++
	}
	return j + 1, m.lex.relations[m.norm(j)]
}
