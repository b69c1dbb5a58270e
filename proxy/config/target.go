package config

import "strings"

// Target returns the path and query to send to the upstream for a request target of an agent ("/v1/chat/completions?x=1").
// The query is kept byte for byte, and the path as far as possible:
//
// The agent's path has a prefix, which ends with its version (/v1, /api/v1, /openai/v1) or before the first name that the
// APIs know (/chat, /messages, /files), and a rest. A base URL follows the SDKs' conventions:
//
//  1. Without a path it is the server's own address, and the agent's path is sent as it is. Only the messages dialect, whose
//     SDKs always add /v1, gets it when the agent left it out.
//  2. With a path it is the whole prefix, as OpenAI's SDKs take it: base + rest. In the messages dialect (and for an upstream of
//     messages alone) /v1 comes between, unless the base ends with a version, as Anthropic's SDKs do.
//  3. An agent's path that begins with the base's path is sent as it is.
//  4. An Azure path (/openai/deployments/X/...) is put behind the base as a whole, a common /openai once, unless the base names
//     a version or a deployment itself.
//  5. A path with neither version nor known name (HEAD /, /health) is put behind the base without its version.
//
// In the usual cases the result is agentTarget itself and nothing is allocated.
func (u *Upstream) Target(agentTarget string) string {
	path, query := agentTarget, ""
	if i := strings.IndexByte(agentTarget, '?'); i >= 0 {
		path, query = agentTarget[:i], agentTarget[i:]
	}
	if path == "" || path[0] != '/' {
		return agentTarget
	}
	joined := u.joinPath(path)
	if joined == path {
		return agentTarget
	}
	return joined + query
}

func (u *Upstream) joinPath(path string) string {
	base := u.BasePath
	if base != "" && under(path, base) {
		return path
	}
	prefix, rest, kind := splitPath(path)
	anthropicOnly := u.Dialects == [3]bool{false, false, true}
	anthropic := anthropicOnly || under(rest, "/messages") || under(rest, "/complete")
	version := lastSegment(prefix)
	if !isVersion(version) {
		version = "v1"
	}
	switch {
	case base == "":
		if kind == apiPath && anthropic && (prefix == "" || anthropicOnly) {
			return unlessSame(path, prefix, "/"+version, rest)
		}
		return path
	case kind == unknownPath:
		if isVersion(lastSegment(base)) {
			base = base[:strings.LastIndexByte(base, '/')]
		}
		return base + path
	case kind == azurePath && !isVersion(lastSegment(base)) && !strings.Contains(base+"/", "/deployments/"):
		return overlap(base, prefix) + rest
	case anthropic && !isVersion(lastSegment(base)):
		return base + "/" + version + rest
	}
	return base + rest
}

// unlessSame returns prefix + rest, without a copy when path is just that.
func unlessSame(path, oldPrefix, prefix, rest string) string {
	if oldPrefix == prefix {
		return path
	}
	return prefix + rest
}

type pathKind uint8

const (
	unknownPath pathKind = iota // neither a version nor a known name
	apiPath                     // prefix ends with a version, or rest begins with a known name
	azurePath                   // prefix is .../deployments/X
)

// known are the first segments of the APIs' paths.
var known = map[string]bool{
	"chat": true, "completions": true, "responses": true, "messages": true, "complete": true, "embeddings": true, "models": true,
	"files": true, "uploads": true, "batches": true, "images": true, "audio": true, "videos": true, "moderations": true, "fine_tuning": true,
	"vector_stores": true, "assistants": true, "threads": true, "containers": true, "conversations": true, "evals": true, "realtime": true,
	"organization": true, "organizations": true, "skills": true, "rerank": true,
}

const maxPrefix = 8 // segments

// splitPath divides an agent's path into the API's prefix and the rest.
func splitPath(path string) (prefix, rest string, kind pathKind) {
	start := 0 // of the segment, its slash included
	for n := 0; n < maxPrefix && start < len(path); n++ {
		end := segmentEnd(path, start)
		switch seg := path[start+1 : end]; {
		case isVersion(seg):
			return path[:end], path[end:], apiPath
		case seg == "deployments" && end < len(path):
			end = segmentEnd(path, end)
			return path[:end], path[end:], azurePath
		case known[seg]:
			return path[:start], path[start:], apiPath
		}
		start = end
	}
	return "", path, unknownPath
}

// segmentEnd returns where the segment that begins with the slash at start ends.
func segmentEnd(path string, start int) int {
	if i := strings.IndexByte(path[start+1:], '/'); i >= 0 {
		return start + 1 + i
	}
	return len(path)
}

// isVersion accepts v1, v2, v1beta, v1alpha2.
func isVersion(seg string) bool {
	if len(seg) < 2 || len(seg) > 10 || seg[0] != 'v' || seg[1] < '0' || seg[1] > '9' {
		return false
	}
	for _, c := range []byte(seg[1:]) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

func lastSegment(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// under reports whether path is base or stands below it.
func under(path, base string) bool {
	return strings.HasPrefix(path, base) && (len(path) == len(base) || path[len(base)] == '/')
}

// overlap joins base and prefix; what ends the one and begins the other stands once.
func overlap(base, prefix string) string {
	for end := len(prefix); end > 0; end = strings.LastIndexByte(prefix[:end], '/') {
		if strings.HasSuffix(base, prefix[:end]) {
			return base + prefix[end:]
		}
	}
	return base + prefix
}

// canonicalPath writes an agent's path with /v1 as its prefix, whatever prefix the agent uses.
func canonicalPath(path string) string {
	prefix, rest, kind := splitPath(path)
	if kind != apiPath || prefix == "/v1" {
		return path
	}
	return "/v1" + rest
}

// SafePath reports whether all servers read a path alike: no dot segments, no doubled or encoded slashes, no encoded percent
// signs, backslashes or control characters. Only such paths may be sent with a key of ours where a rule looked at the path.
func SafePath(path string) bool {
	return strings.HasPrefix(path, "/") && !strings.Contains(path, "//") && plainPath(path)
}

func plainPath(path string) bool {
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c <= ' ' || c >= 0x7f || c == '\\' || c == '?' || c == '#':
			return false
		case c == '%':
			if i+2 >= len(path) {
				return false
			}
			switch strings.ToLower(path[i+1 : i+3]) {
			case "2e", "2f", "5c", "25", "00", "3f", "23":
				return false
			}
		case c == '/' && dotSegment(path[i+1:]):
			return false
		}
	}
	return true
}

// dotSegment reports whether s begins with a segment of one or two dots (what ';' adds to it does not count).
func dotSegment(s string) bool {
	seg := s
	if i := strings.IndexAny(s, "/;"); i >= 0 {
		seg = s[:i]
	}
	return seg == "." || seg == ".."
}
