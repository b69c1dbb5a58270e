package decide

// An automaton finds all of a set of keywords in one pass over a text, ASCII case folded: Aho and Corasick, "Efficient String
// Matching", 1975, with the failure links worked into the transitions.
type automaton struct {
	class [256]uint8 // bytes that no keyword has are class 0
	width int
	next  []uint16 // state*width + class
	out   [][]uint16
}

func newAutomaton(keywords []string) *automaton {
	a := &automaton{width: 1}
	for _, k := range keywords {
		for i := 0; i < len(k); i++ {
			if c := lower(k[i]); a.class[c] == 0 {
				a.class[c] = uint8(a.width)
				a.width++
			}
		}
	}
	for c := byte('A'); c <= 'Z'; c++ {
		a.class[c] = a.class[lower(c)]
	}
	a.grow()
	for id, k := range keywords {
		state := 0
		for i := 0; i < len(k); i++ {
			at := state*a.width + int(a.class[k[i]])
			if a.next[at] == 0 {
				a.next[at] = uint16(a.grow())
			}
			state = int(a.next[at])
		}
		a.out[state] = append(a.out[state], uint16(id))
	}
	a.link()
	return a
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func (a *automaton) grow() int {
	a.next = append(a.next, make([]uint16, a.width)...)
	a.out = append(a.out, nil)
	return len(a.out) - 1
}

// link gives every state the transitions of its longest proper suffix that is a state, breadth first.
func (a *automaton) link() {
	fail := make([]int, len(a.out))
	var queue []int
	for c := range a.width {
		if s := int(a.next[c]); s != 0 {
			queue = append(queue, s)
		}
	}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		a.out[s] = append(a.out[s], a.out[fail[s]]...)
		for c := range a.width {
			at := s*a.width + c
			through := a.next[fail[s]*a.width+c]
			if t := int(a.next[at]); t != 0 {
				fail[t] = int(through)
				queue = append(queue, t)
			} else {
				a.next[at] = through
			}
		}
	}
}

// find visits the keywords of a text with the byte after each.
func (a *automaton) find(text string, visit func(keyword, end int)) {
	state := 0
	for i := 0; i < len(text); i++ {
		state = int(a.next[state*a.width+int(a.class[text[i]])])
		for _, k := range a.out[state] {
			visit(int(k), i+1)
		}
	}
}
