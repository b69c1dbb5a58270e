package telemetry

import (
	"regexp"
	"strings"
)

// maxMessage bounds the text of an error in logs and spans.
const maxMessage = 512

var (
	// A value after a word that announces a secret, however it is spelt.
	announced = regexp.MustCompile(`(?i)\b(bearer|basic|authorization|x-api-key|api[-_]?key|token|secret|password)(["']?\s*[:= ]\s*["']?)(?:(?:bearer|basic)\s+)?[^\s"',;&]{6,}`)
	// Keys that are known by their beginning.
	shaped = regexp.MustCompile(`\b(sk|pk|rk|gsk|xai|hf|ghp|AIza)[-_A-Za-z0-9]{12,}`)
	// User information in a URL, and its query.
	userinfo = regexp.MustCompile(`://[^/@\s"']+@`)
	query    = regexp.MustCompile(`(https?://[^\s"'?]+)\?[^\s"']*`)
)

// Redact takes out of a message what looks like a credential, and cuts it to a length fit for a log. It is the last
// fence, for messages of libraries: what is ours never puts a secret into a message.
func Redact(s string) string {
	if s == "" {
		return s
	}
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "..."
	}
	s = userinfo.ReplaceAllString(s, "://***@")
	s = query.ReplaceAllString(s, "$1?***")
	s = announced.ReplaceAllString(s, "$1$2***")
	return shaped.ReplaceAllString(s, "$1***")
}

// path is a request target without its query, which may hold a key.
func path(target string) string {
	if i := strings.IndexAny(target, "?#"); i >= 0 {
		target = target[:i]
	}
	if i := strings.Index(target, "://"); i >= 0 { // absolute form
		if j := strings.IndexByte(target[i+3:], '/'); j >= 0 {
			target = target[i+3+j:]
		} else {
			target = "/"
		}
	}
	if len(target) > maxMessage {
		target = target[:maxMessage]
	}
	return target
}
