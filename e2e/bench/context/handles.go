package main

import (
	"regexp"
	"strings"

	"github.com/trapgate/trapgate/e2e/engine/rig"
)

// A lookup returns what a gate keeps under a handle, raw JSON, and false for what it does not know.
type lookup func(handle string) (content string, ok bool)

// lookupIn is how contents of a gate are found; nil while there is no way, and then nothing is looked for.
var lookupIn func(g *rig.Gate) (lookup, error)

// handleForm is how handles stand in a text.
var handleForm = regexp.MustCompile(`ctx:[0-9a-f]{12}`)

// held counts the ids that a request's text says, or a content behind a handle in it, or one behind a handle in such a content.
func held(s *session, r *sent, find lookup) (n int) {
	var open []string
	seen := map[string]bool{}
	said := make([]bool, len(s.IDs))
	read := func(raw string) {
		plain, _ := unescape(raw)
		for i, d := range s.IDs {
			said[i] = said[i] || strings.Contains(plain, d.Code)
		}
		for _, h := range handleForm.FindAllString(plain, -1) {
			if !seen[h] {
				seen[h] = true
				open = append(open, h)
			}
		}
	}
	for _, m := range r.messages {
		read(m.raw)
	}
	for len(open) > 0 {
		h := open[0]
		open = open[1:]
		if content, ok := find(h); ok {
			read(content)
		}
	}
	for _, is := range said {
		n += count(is)
	}
	return n
}
