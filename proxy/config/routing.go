package config

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/trapgate/trapgate/internal/wire"
)

// routing answers which upstreams serve a call.
type routing struct {
	upstreams []*Upstream
	routes    []route
	byModel   bool // the answer depends on the model
	plain     [numDialects][][]*Upstream
	own       [numDialects][][]*Upstream // the one that gets the agent's credential
	cache     atomic.Pointer[map[routeKey][][]*Upstream]
}

type route struct {
	models globs // nil: all; empty: none
	groups [][]*Upstream
	paths  globs // of passthrough; never nil, so that none match by default
}

type routeKey struct {
	dialect wire.Dialect
	model   string
}

const (
	numDialects = int(wire.Embeddings) + 1
	// cached answers; agents choose the names, so the number must be bounded. Others are worked out each time.
	maxCached = 512
)

// stands lists, for the dialects that no upstream declares, those to ask instead.
var stands = [numDialects][]wire.Dialect{
	wire.Other:       {wire.Chat, wire.Responses, wire.Messages},
	wire.Chat:        {wire.Chat},
	wire.Responses:   {wire.Responses},
	wire.Messages:    {wire.Messages},
	wire.Completions: {wire.Chat, wire.Responses},
	wire.Embeddings:  {wire.Chat, wire.Responses},
}

func (r *routing) candidates(d wire.Dialect, model string) [][]*Upstream {
	if int(d) >= numDialects {
		return nil
	}
	if !r.byModel {
		return r.plain[d]
	}
	key := routeKey{d, model}
	known := r.cache.Load()
	if known != nil {
		if groups, ok := (*known)[key]; ok {
			return groups
		}
	}
	groups := r.find(d, model)
	r.remember(key, groups)
	return groups
}

// remember adds an answer to a copy of the cache; of two at once one is lost, and worked out again.
func (r *routing) remember(key routeKey, groups [][]*Upstream) {
	old := r.cache.Load()
	next := map[routeKey][][]*Upstream{}
	if old != nil {
		if len(*old) >= maxCached || len(key.model) > 256 {
			return
		}
		for k, v := range *old {
			next[k] = v
		}
	}
	key.model = strings.Clone(key.model)
	next[key] = groups
	r.cache.CompareAndSwap(old, &next)
}

func (r *routing) find(d wire.Dialect, model string) [][]*Upstream {
	for _, d := range stands[d] {
		if groups := r.findExactly(d, model); len(groups) > 0 {
			return groups
		}
	}
	return nil
}

// findExactly takes the first route for the model that has somebody left for the dialect. A model that some route names is
// never sent to others behind that route's back; only without a route all upstreams are one group. A model that is not known
// ("") is matched by routes for all models only.
func (r *routing) findExactly(d wire.Dialect, model string) [][]*Upstream {
	routed := false
	for i := range r.routes {
		rt := &r.routes[i]
		if !rt.models.match(model) {
			continue
		}
		routed = true
		if groups := filter(rt.groups, d, model); len(groups) > 0 {
			return groups
		}
	}
	if routed {
		return nil
	}
	return filter([][]*Upstream{r.upstreams}, d, model)
}

func filter(groups [][]*Upstream, d wire.Dialect, model string) [][]*Upstream {
	var out [][]*Upstream
	for _, g := range groups {
		var left []*Upstream
		for _, u := range g {
			if u.Speaks(d) && u.Serves(model) {
				left = append(left, u)
			}
		}
		if left != nil {
			out = append(out, left)
		}
	}
	return out
}

// Passthrough reports whether a route lists a path (no query), so that it may be forwarded with a key of ours. Paths that
// upstreams may read differently (dot segments, encoded slashes) are never listed.
func (s *Snapshot) Passthrough(path string) bool { return s.routing.listed(path) != nil }

func (r *routing) listed(path string) *route {
	if !SafePath(path) {
		return nil
	}
	canonical := canonicalPath(path)
	for i := range r.routes {
		if rt := &r.routes[i]; rt.paths.match(path) || rt.paths.match(canonical) {
			return rt
		}
	}
	return nil
}

// Pass returns the upstreams for a request that no piece reads, as Candidates does: those of the first route whose
// passthrough lists the path, else the one upstream that gets the agent's own credential. Empty: it must be refused. The
// dialect is what headers say about the request (anthropic-version: wire.Messages), wire.Other when they say nothing.
func (s *Snapshot) Pass(d wire.Dialect, path string) [][]*Upstream {
	if int(d) >= numDialects {
		return nil
	}
	if rt := s.routing.listed(path); rt != nil {
		for _, d := range stands[d] {
			if groups := filter(rt.groups, d, ""); len(groups) > 0 {
				return groups
			}
		}
	}
	return s.routing.own[d]
}

func (b *builder) routes() {
	r := &b.snap.routing
	r.upstreams = b.snap.Upstreams
	for _, u := range b.snap.Upstreams {
		r.byModel = r.byModel || u.models != nil
	}
	byName := b.upstreamNames()
	for i := range b.cfg.Routes {
		if rt, ok := b.route(i, byName); ok && byName != nil {
			r.routes = append(r.routes, rt)
			r.byModel = true
		}
	}
	b.warnUnreached()
	for d := range r.plain {
		r.plain[d] = r.find(wire.Dialect(d), "")
		for _, stand := range stands[d] {
			if r.own[d] != nil {
				break
			}
			for _, u := range r.upstreams {
				if u.Credential == CredentialAgent && u.Speaks(stand) {
					r.own[d] = [][]*Upstream{{u}}
				}
			}
		}
	}
}

// upstreamNames returns the upstreams by name; nil when references are not to be looked up: some names are not known, or
// --upstream replaces the file's upstreams, and with them its routes and pools.
func (b *builder) upstreamNames() map[string]*Upstream {
	byName, whole := map[string]*Upstream{}, b.ok("upstreams")
	for i, u := range b.snap.Upstreams {
		byName[u.Name] = u
		whole = whole && b.ok(fmt.Sprintf("upstreams[%d]", i)) && b.ok(fmt.Sprintf("upstreams[%d].name", i))
	}
	if !whole || len(b.cfg.Upstreams) > 0 && b.snap.Upstreams[0].src.outside {
		return nil
	}
	return byName
}

// warnUnreached warns of upstreams that no route names where a route for all models leaves nothing to the others.
func (b *builder) warnUnreached() {
	used, all := map[*Upstream]bool{}, -1
	for i, rt := range b.snap.routing.routes {
		if all < 0 && rt.models.match("") {
			all = i
		}
		for _, g := range rt.groups {
			for _, u := range g {
				used[u] = true
			}
		}
	}
	for i, u := range b.snap.Upstreams {
		if all >= 0 && !used[u] {
			b.warnings = append(b.warnings, b.at(fmt.Sprintf("upstreams[%d]", i), "add it to a route, or remove it",
				"upstream %s is in no route, and a route for all models leaves none to it", u.Name))
		}
	}
}

// route checks one route. Without names (byName is nil) references are not looked up.
func (b *builder) route(i int, byName map[string]*Upstream) (route, bool) {
	key, c := fmt.Sprintf("routes[%d]", i), &b.cfg.Routes[i]
	if !b.ok(key) {
		return route{}, false
	}
	rt := route{models: newGlobs(c.Models), paths: append(globs{}, newGlobs(c.Passthrough)...)}
	for j, m := range c.Models {
		if m == "" {
			b.wrong(fmt.Sprintf("%s.models[%d]", key, j), "", "is empty")
		}
	}
	if c.Models != nil && len(c.Models) == 0 && len(c.Passthrough) == 0 {
		b.wrong(key+".models", "absent means all; an empty list is for a route of passthrough paths", "is empty, so the route is for nothing")
	}
	b.rooted(key+".passthrough", c.Passthrough, "write /v1/files*")
	if len(c.Upstreams) == 0 {
		b.wrong(key+".upstreams", "", "needs at least one name")
	}
	seen := map[string]bool{}
	for j, names := range c.Upstreams {
		var group []*Upstream
		for k, name := range names {
			at := fmt.Sprintf("%s.upstreams[%d]", key, j)
			if inner := fmt.Sprintf("%s[%d]", at, k); b.cfg.marks.at[inner] != (mark{}) {
				at = inner
			}
			if u := b.lookup(at, name, byName, seen); u != nil {
				group = append(group, u)
			}
		}
		if group != nil {
			rt.groups = append(rt.groups, group)
		}
	}
	return rt, true
}

// rooted reports whether all of some globs may match paths.
func (b *builder) rooted(key string, globs []string, hint string) bool {
	ok := true
	for i, p := range globs {
		if !strings.HasPrefix(p, "/") {
			ok = false
			b.wrong(fmt.Sprintf("%s[%d]", key, i), hint, "must begin with / (got %q)", shorten(p))
		}
	}
	return ok
}

func (b *builder) lookup(at, name string, byName map[string]*Upstream, seen map[string]bool) *Upstream {
	u := b.named(at, name, byName)
	if u == nil {
		return nil
	}
	if seen[name] {
		b.wrong(at, "", "upstream %s is in this route already", name)
		return nil
	}
	seen[name] = true
	return u
}

// named returns the upstream of that name; nil without one, which is a problem, and when byName is nil.
func (b *builder) named(at, name string, byName map[string]*Upstream) *Upstream {
	if byName == nil {
		return nil
	}
	u := byName[name]
	if u == nil {
		names := make([]string, 0, len(byName))
		for _, u := range b.snap.Upstreams {
			names = append(names, u.Name)
		}
		b.wrong(at, whichOf(name, names), "no upstream has this name (got %q)", shorten(name))
	}
	return u
}

// whichOf is a hint at the names there are.
func whichOf(name string, names []string) string {
	if near := nearest(name, names); near != "" {
		return "did you mean " + near + "?"
	}
	if len(names) <= 8 {
		return "there are " + strings.Join(names, ", ")
	}
	return ""
}
