package config

import "strings"

// A glob matches text: * stands for any text, the empty one and '/' included; everything else stands for itself.
type glob struct {
	prefix, suffix string
	middle         []string // must occur in this order in between
	exact          bool     // no * at all: prefix is the whole text
}

func newGlob(pattern string) glob {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return glob{prefix: pattern, exact: true}
	}
	g := glob{prefix: parts[0], suffix: parts[len(parts)-1]}
	for _, p := range parts[1 : len(parts)-1] {
		if p != "" {
			g.middle = append(g.middle, p)
		}
	}
	return g
}

// match takes time proportional to the length of text and allocates nothing.
func (g *glob) match(text string) bool {
	if g.exact {
		return text == g.prefix
	}
	if len(text) < len(g.prefix)+len(g.suffix) || !strings.HasPrefix(text, g.prefix) || !strings.HasSuffix(text, g.suffix) {
		return false
	}
	text = text[len(g.prefix) : len(text)-len(g.suffix)]
	for _, m := range g.middle {
		i := strings.Index(text, m)
		if i < 0 {
			return false
		}
		text = text[i+len(m):]
	}
	return true
}

// globs match when one of them does. Nil matches everything, as an absent key does.
type globs []glob

func newGlobs(patterns []string) globs {
	if patterns == nil {
		return nil
	}
	gs := make(globs, len(patterns))
	for i, p := range patterns {
		gs[i] = newGlob(p)
	}
	return gs
}

func (gs globs) match(text string) bool {
	if gs == nil {
		return true
	}
	for i := range gs {
		if gs[i].match(text) {
			return true
		}
	}
	return false
}
