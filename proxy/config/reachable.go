package config

import (
	"maps"
	"slices"
	"strings"
)

// reachable lists the models that can be asked for, as the upstreams know them: names, and globs where nothing says more. It may
// list what no request can reach, never less than can be reached.
func (b *builder) reachable() []string {
	all := map[string]bool{}
	for _, u := range b.snap.Upstreams {
		for _, asked := range b.snap.routing.routed(u) {
			for _, g := range u.knownAs(asked) {
				all[g.String()] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// routed lists the models, by the agents' names, that routes may send to an upstream.
func (r *routing) routed(u *Upstream) (out []glob) {
	for _, served := range u.served() {
		elsewhere := false // all that served stands for is in some route, so it goes nowhere else
		for i := range r.routes {
			rt := &r.routes[i]
			models := rt.models
			if models == nil {
				models = newGlobs([]string{"*"})
			}
			elsewhere = elsewhere || models.match(served.String())
			if !rt.has(u) {
				continue
			}
			for _, m := range models {
				out = append(out, meet(served, m)...)
			}
		}
		if !elsewhere {
			out = append(out, served)
		}
	}
	return out
}

func (rt *route) has(u *Upstream) bool {
	return slices.ContainsFunc(rt.groups, func(g []*Upstream) bool { return slices.Contains(g, u) })
}

// served lists the models that an upstream serves, by the agents' names.
func (u *Upstream) served() globs {
	if u.models == nil {
		return newGlobs([]string{"*"})
	}
	out := slices.Clone(u.models)
	for name := range u.exact {
		out = append(out, glob{prefix: name, exact: true})
	}
	for i := range u.renames {
		out = append(out, u.renames[i].from)
	}
	return out
}

// knownAs lists what the models of a glob are called by the upstream, as Rename has it.
func (u *Upstream) knownAs(asked glob) (out globs) {
	if asked.exact {
		to, _ := u.Rename(asked.prefix)
		return globs{{prefix: to, exact: true}}
	}
	for name, to := range u.exact {
		if asked.match(name) {
			out = append(out, glob{prefix: to, exact: true})
		}
	}
	for i := range u.renames {
		r := &u.renames[i]
		for _, m := range meet(asked, r.from) {
			out = append(out, r.applied(m))
		}
		if r.from.match(asked.String()) {
			return out // nothing is left for later ones, or to go unchanged
		}
	}
	return append(out, asked)
}

// applied is what a rename makes of models that it takes.
func (r *rename) applied(m glob) glob {
	before, after, star := strings.Cut(r.to, "*")
	if !star {
		return glob{prefix: r.to, exact: true}
	}
	text := m.String() // begins and ends with what from begins and ends with
	return newGlob(before + text[len(r.from.prefix):len(text)-len(r.from.suffix)] + after)
}

// String returns the pattern.
func (g *glob) String() string {
	if g.exact {
		return g.prefix
	}
	var b strings.Builder
	b.WriteString(g.prefix)
	b.WriteByte('*')
	for _, m := range g.middle {
		b.WriteString(m)
		b.WriteByte('*')
	}
	b.WriteString(g.suffix)
	return b.String()
}

// covers reports whether all that other matches is matched by one glob of gs alone.
func (gs globs) covers(other globs) bool {
	if gs == nil {
		return true
	}
	if other == nil {
		return gs.match("*")
	}
	for i := range other {
		if !gs.match(other[i].String()) {
			return false
		}
	}
	return true
}

// meet lists globs that together match what both a and b match. Where both have stars inside, they may match more.
func meet(a, b glob) globs {
	switch {
	case b.match(a.String()): // the star of a pattern is text that only a star matches
		return globs{a}
	case a.match(b.String()):
		return globs{b}
	case a.exact || b.exact:
		return nil
	}
	prefix, suffix := a.prefix, a.suffix
	if len(b.prefix) > len(prefix) {
		prefix = b.prefix
	}
	if len(b.suffix) > len(suffix) {
		suffix = b.suffix
	}
	if !strings.HasPrefix(prefix, a.prefix) || !strings.HasPrefix(prefix, b.prefix) || !strings.HasSuffix(suffix, a.suffix) || !strings.HasSuffix(suffix, b.suffix) {
		return nil
	}
	out := globs{{prefix: prefix, suffix: suffix}}
	for n := 1; n <= min(len(prefix), len(suffix)); n++ { // shorter texts, in which the two overlap
		if text := prefix + suffix[n:]; strings.HasSuffix(prefix, suffix[:n]) && a.match(text) && b.match(text) {
			out = append(out, glob{prefix: text, exact: true})
		}
	}
	return out
}
