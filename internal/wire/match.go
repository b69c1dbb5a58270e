package wire

import (
	"net/url"
	"strings"
)

// Match says what a request is, from its method and its path without the query.
//
// The end of the path decides. Case, percent-escapes, doubled and trailing slashes and dot segments do not hide a path: an
// upstream may overlook them, and policy must see what the upstream will. Words that other APIs use as well are held
// to more:
//   - messages and models count only behind nothing, one segment, a version (v1, v1beta) or a provider's name, so that
//     /v1/threads/X/messages, /conversations/X/messages and the like are no model calls;
//   - messages/batches and whatever else stands under messages is Pass, in the messages dialect, because its upstream and its
//     error shape are that dialect's.
//
// A method that a model route does not have gives Pass, with the dialect: GET /responses is how an agent asks for a websocket.
// responses/compact is Count: it reads model and history, and what it gives back is no answer to a turn.
func Match(method, path string) Route {
	if unclean(path) {
		path = clean(path)
	}
	path = strings.Trim(path, "/")
	last, rest := cutLast(path)
	switch {
	case is(last, "completions"):
		return matchCompletions(method, rest)
	case is(last, "responses"):
		return matchOp(method, "POST", Route{Dialect: Responses, Op: Generate, Deployment: deployment(rest)})
	case is(last, "messages") && apiBase(rest):
		return matchOp(method, "POST", Route{Dialect: Messages, Op: Generate})
	case is(last, "embeddings"):
		if method == "POST" {
			return Route{Dialect: Embeddings, Op: Embed, Deployment: deployment(rest)}
		}
		return Route{}
	}
	if r, ok := matchUnder(method, last, rest); ok {
		return r
	}
	return matchModels(method, path)
}

// matchOp gives r for its own method, and the dialect alone for others.
func matchOp(method, own string, r Route) Route {
	if method != own {
		return Route{Dialect: r.Dialect}
	}
	return r
}

func matchCompletions(method, rest string) Route {
	if before, base := cutLast(rest); is(before, "chat") {
		return matchOp(method, "POST", Route{Dialect: Chat, Op: Generate, Deployment: deployment(base)})
	}
	if method == "POST" {
		return Route{Dialect: Completions, Op: Generate, Deployment: deployment(rest)}
	}
	return Route{}
}

// matchUnder matches what stands one or two segments under a model route.
func matchUnder(method, last, rest string) (Route, bool) {
	above, base := cutLast(rest)
	switch {
	case is(above, "responses"):
		if is(last, "input_tokens") || is(last, "compact") {
			return matchOp(method, "POST", Route{Dialect: Responses, Op: Count}), true
		}
		return matchStored(method, Responses, last), true
	case is(above, "completions") && endsWith(base, "chat"):
		return matchStored(method, Chat, last), true
	case is(above, "messages") && apiBase(base):
		if is(last, "count_tokens") {
			return matchOp(method, "POST", Route{Dialect: Messages, Op: Count}), true
		}
		return Route{Dialect: Messages}, true
	}
	parent, base := cutLast(base)
	switch {
	case is(parent, "responses") && is(last, "cancel"):
		return matchOp(method, "POST", Route{Dialect: Responses, Op: Cancel, ID: above}), true
	case is(parent, "responses") && is(last, "input_items"):
		return matchOp(method, "GET", Route{Dialect: Responses, Op: InputItems, ID: above}), true
	case is(parent, "completions") && endsWith(base, "chat") && is(last, "messages"):
		return matchOp(method, "GET", Route{Dialect: Chat, Op: InputItems, ID: above}), true
	}
	for p := rest; p != ""; { // deeper under messages: batches/ID/results
		var seg string
		if seg, p = cutLast(p); is(seg, "messages") && apiBase(p) {
			return Route{Dialect: Messages}, true
		}
	}
	return Route{}, false
}

func matchStored(method string, d Dialect, id string) Route {
	switch method {
	case "GET":
		return Route{Dialect: d, Op: Get, ID: id}
	case "DELETE":
		return Route{Dialect: d, Op: Delete, ID: id}
	}
	return Route{Dialect: d}
}

// matchModels matches GET models and models/ID. Ids may have slashes, so it is the first fitting "models" that counts.
func matchModels(method, path string) Route {
	if method != "GET" {
		return Route{}
	}
	for at := 0; at < len(path); {
		seg := path[at:]
		next := len(path)
		if i := strings.IndexByte(seg, '/'); i >= 0 {
			seg, next = seg[:i], at+i+1
		}
		if is(seg, "models") && apiBase(strings.TrimSuffix(path[:at], "/")) {
			if next == len(path) {
				return Route{Op: ListModels}
			}
			return Route{Op: GetModel, ID: path[next:]}
		}
		at = next
	}
	return Route{}
}

// apiBase reports whether a prefix is one under which an API stands, rather than a collection and an id of some other API.
func apiBase(prefix string) bool {
	last, rest := cutLast(prefix)
	collection, _ := cutLast(rest)
	switch {
	case is(last, "threads"), is(last, "conversations"), is(collection, "threads"), is(collection, "conversations"):
		return false
	case rest == "", version(last):
		return true
	}
	for _, name := range [...]string{"anthropic", "openai", "api", "compat", "inference"} {
		if is(last, name) {
			return true
		}
	}
	return false
}

// version matches v1, v4, v1beta.
func version(seg string) bool {
	return len(seg) >= 2 && len(seg) <= 12 && seg[0]|0x20 == 'v' && '0' <= seg[1] && seg[1] <= '9'
}

// deployment is X when the path ends in deployments/X (Azure) or engines/X (its elder).
func deployment(rest string) string {
	name, rest := cutLast(rest)
	if before, _ := cutLast(rest); is(before, "deployments") || is(before, "engines") {
		return name
	}
	return ""
}

func cutLast(path string) (last, rest string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[i+1:], path[:i]
	}
	return path, ""
}

func endsWith(path, word string) bool {
	last, _ := cutLast(path)
	return is(last, word)
}

// is compares with a lower-case word of letters and underscores, ignoring ASCII case.
func is(seg, lower string) bool {
	if len(seg) != len(lower) {
		return false
	}
	for i := range len(seg) {
		c := seg[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// unclean reports whether a path needs clean.
func unclean(path string) bool {
	for i := range len(path) {
		switch path[i] {
		case '%', '\\':
			return true
		case '/':
			if i+1 < len(path) && (path[i+1] == '/' || path[i+1] == '.') {
				return true
			}
		}
	}
	return false
}

// clean resolves escapes, doubled slashes and dot segments. A broken escape stays as it is.
func clean(path string) string {
	if p, err := url.PathUnescape(path); err == nil {
		path = p
	}
	var out []string
	for seg := range strings.SplitSeq(path, "/") {
		switch seg {
		case "", ".":
		case "..":
			out = out[:max(len(out)-1, 0)]
		default:
			out = append(out, seg)
		}
	}
	return strings.Join(out, "/")
}
