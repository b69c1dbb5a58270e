package main

import (
	"os/exec"
	"regexp"
	"strings"

	"github.com/trapgate/trapgate/e2e/engine/rig"
)

// A lookup returns what a gate keeps under a handle, and false for what it does not know.
type lookup func(handle string) (content string, ok bool)

// lookupIn asks a gate as its user would: trapgate context show HANDLE.
func lookupIn(g *rig.Gate) (lookup, error) {
	bin, err := rig.Binary()
	if err != nil {
		return nil, err
	}
	return func(handle string) (string, bool) {
		out, err := exec.Command(bin, "context", "show", "--data", g.Data, handle).Output()
		return string(out), err == nil
	}, nil
}

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
