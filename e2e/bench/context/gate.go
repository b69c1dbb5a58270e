package main

import (
	"fmt"
	"strings"

	"github.com/trapgate/trapgate/e2e/engine/rig"
)

// A setup is a configuration of Trapgate with one upstream that needs no credential.
type setup struct {
	base    string // with /v1
	model   string
	context []string // lines of the section context; none leave the section out
}

// section is the lines of a section that rewrites, or none with -without.
func (p *plan) section(lines ...string) []string {
	if p.without {
		return nil
	}
	return append([]string{"mode: on"}, lines...)
}

// window is the line of one model's window.
func window(model string, tokens int) string { return fmt.Sprintf("windows: {%q: %d}", model, tokens) }

func (s *setup) yaml() string {
	var b strings.Builder
	fmt.Fprintf(&b, "upstreams:\n  - name: bench\n    base_url: %s\n    credential: none\n    dialects: [chat]\n    models: [%s]\n", s.base, s.model)
	b.WriteString("telemetry: {log: {exchanges: false}}\n")
	if len(s.context) > 0 {
		b.WriteString("context:\n  " + strings.Join(s.context, "\n  ") + "\n")
	}
	return b.String()
}

func (s *setup) start() (*rig.Gate, error) {
	g, err := rig.StartGate(s.yaml(), "")
	if err != nil {
		return nil, fmt.Errorf("%w\nwith\n%s", err, s.yaml())
	}
	return g, nil
}
