package main

import (
	"fmt"
	"strings"

	"github.com/trapgate/trapgate/e2e/engine/rig"
)

// A setup is a configuration of Trapgate in the making: upstreams that need no credential, so that each key an agent shows makes it a
// tenant of its own, and a pool for each where it is given.
type setup struct {
	upstreams []upstream
	auth      []string // key names; the key is the name with "sk-" before it, and lies in the environment as KEY_n
	schedule  string   // more lines of the section, indented by two
	off       bool     // no schedule section at all
}

type upstream struct {
	name, base string
	models     []string
	pool       string // "concurrency: 8", say; empty: no entry
	more       string // of the upstream, indented by four
}

func (s *setup) yaml() string {
	var b strings.Builder
	b.WriteString("upstreams:\n")
	for _, u := range s.upstreams {
		fmt.Fprintf(&b, "  - name: %s\n    base_url: %s\n    credential: none\n    dialects: [chat]\n", u.name, u.base)
		if len(u.models) > 0 {
			fmt.Fprintf(&b, "    models: [%s]\n", strings.Join(u.models, ", "))
		}
		b.WriteString(u.more)
	}
	b.WriteString("telemetry: {log: {exchanges: false}}\n")
	if len(s.auth) > 0 {
		b.WriteString("auth:\n  keys:\n")
		for i, name := range s.auth {
			fmt.Fprintf(&b, "    - {name: %s, key: {env: KEY_%d}}\n", name, i)
		}
	}
	if s.off {
		return b.String()
	}
	b.WriteString("schedule:\n  policy: program\n" + s.schedule)
	pools := false
	for _, u := range s.upstreams {
		if u.pool == "" {
			continue
		}
		if !pools {
			b.WriteString("  pools:\n")
			pools = true
		}
		fmt.Fprintf(&b, "    - {upstream: %s, %s}\n", u.name, u.pool)
	}
	return b.String()
}

func (s *setup) start() (*rig.Gate, error) {
	env := make([]string, len(s.auth))
	for i, name := range s.auth {
		env[i] = fmt.Sprintf("KEY_%d=%s", i, keyOf(name))
	}
	g, err := rig.StartGate(s.yaml(), "", env...)
	if err != nil {
		return nil, fmt.Errorf("%w\nwith\n%s", err, s.yaml())
	}
	return g, nil
}

// keyOf is the credential of a key with a name.
func keyOf(name string) string { return "sk-turns-" + name }
