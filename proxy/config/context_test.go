package config

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trapgate/trapgate/ctxrewrite"
	"github.com/trapgate/trapgate/ctxrewrite/digest"
	"github.com/trapgate/trapgate/ctxrewrite/hygiene"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
)

// What the file says arrives in the engine's configuration.
func TestContextSnapshot(t *testing.T) {
	c := openFile(t, "good-context.yaml").Context
	var patterns []string
	for _, p := range c.Engine.Pins.Patterns {
		patterns = append(patterns, p.String())
	}
	if diff := cmp.Diff([]string{`(?i)\bticket [A-Z]+-\d+`, "^TODO"}, patterns); diff != "" {
		t.Errorf("patterns (-want +got):\n%s", diff)
	}
	got := c.Engine
	got.Pins.Patterns = nil
	if diff := cmp.Diff(ctxrewrite.Config{
		Mode: ctxrewrite.Observe, Windows: []tokens.Rule{{Model: "qwen*", Tokens: 32_768}, {Model: "gpt-4.1-mini", Tokens: 131_072}, {Model: "*", Tokens: 100_000}},
		Reserve: 8192, High: 0.75, Low: 0.4, Pins: ctxrewrite.Pins{Tools: []string{"todo_write", "plan"}, Budget: 0.1, Recent: 0.02},
	}, got); diff != "" {
		t.Errorf("engine (-want +got):\n%s", diff)
	}
	if want := (hygiene.Settings{CacheKey: true, Breakpoints: true, Volatile: hygiene.VolatileMove}); c.Hygiene != want {
		t.Errorf("hygiene: %+v", c.Hygiene)
	}
	if len(c.Rules) != 3 || c.Rules[0].Text != "Never push to main." || c.Rules[1].Text != "Ask before you delete files.\nAll of them.\n" {
		t.Fatalf("%+v", c.Rules)
	}
	for _, x := range []struct {
		agent, model string
		second       bool
	}{{"claude-code", "gpt-4.1", true}, {"codex_cli", "gpt-4.1", true}, {"codex", "qwen3", false}, {"zed", "gpt-4.1", false}, {"", "", false}} {
		if !c.Rules[0].Match(x.agent, x.model, "/v1/responses") || c.Rules[1].Match(x.agent, x.model, "/v1/responses") != x.second {
			t.Errorf("%+v", x)
		}
	}
	for path, third := range map[string]bool{
		"/team-a/v1/chat/completions": true, "/v1/messages": true, "/messages": true, "/team-b/v1/messages": true, // as /v1/messages
		"/v1/chat/completions": false, "/team-ab/v1/chat/completions": false, "/v1/messages/count_tokens": false, "": false,
	} {
		if !c.Rules[0].Match("codex", "m", path) || c.Rules[2].Match("codex", "m", path) != third {
			t.Errorf("%q: not %v", path, third)
		}
	}
}

func TestContextSwitch(t *testing.T) {
	for text, on := range map[string]bool{"": false, "context:": true, "context: {}": true, "context: {mode: on}": true, "context: {mode: observe}": true, "context: {mode: off}": false} {
		if s := good(t, text); (s.Context != nil) != on {
			t.Errorf("%q: on is %v", text, !on)
		}
	}
	for _, x := range []struct {
		text, flag string
		on         bool
		mode       ctxrewrite.Mode
	}{
		{"", "on", true, ctxrewrite.On},
		{"", "observe", true, ctxrewrite.Observe},
		{"", "off", false, 0},
		{"context: {mode: off, reserve: 7}", "on", true, ctxrewrite.On},
		{"context: {reserve: 7}", "observe", true, ctxrewrite.Observe},
		{"context: {reserve: 7}", "off", false, 0},
	} {
		s, problems := resolve(t, x.text, Overrides{Context: x.flag})
		if problems != nil || (s.Context != nil) != x.on {
			t.Errorf("%+v: %v", x, problems)
			continue
		}
		if c := s.Context; c != nil && (c.Engine.Mode != x.mode || strings.Contains(x.text, "reserve") != (c.Engine.Reserve == 7)) {
			t.Errorf("%+v: %+v", x, c.Engine)
		}
	}
}

// Defaults written out give the same as the empty section, and as the engine takes for a zero.
func TestContextDefaults(t *testing.T) {
	plain := good(t, "context: {}").Context
	said := good(t, "context: {mode: on, reserve: 4096, high: 0.8, low: 0.3, pins: {budget: 0.04, recent: 0.0025}, hygiene: {cache_key: false, breakpoints: false, volatile: report}}").Context
	if off := good(t, "context: {hygiene: {volatile: off}}").Context.Hygiene; off != (hygiene.Settings{Volatile: hygiene.VolatileOff}) || said.Hygiene != plain.Hygiene || plain.Hygiene != (hygiene.Settings{}) {
		t.Errorf("hygiene: %+v, %+v, %+v", off, said.Hygiene, plain.Hygiene)
	}
	if diff := cmp.Diff(plain.Engine, said.Engine); diff != "" {
		t.Errorf("the tags say other things than hold:\n%s", diff)
	}
	if e := plain.Engine; e.Reserve != ctxrewrite.DefaultReserve || e.High != ctxrewrite.DefaultHigh || e.Low != ctxrewrite.DefaultLow {
		t.Errorf("%+v", e)
	}
	const window = 1 << 20
	d := digest.ForWindow(window)
	if got := float64(d.PinBudget) / window; math.Abs(got-plain.Engine.Pins.Budget) > 1e-5 {
		t.Errorf("pins.budget is %v, but the digest takes %v", plain.Engine.Pins.Budget, got)
	}
	if got := float64(d.RecentUser) / window; math.Abs(got-plain.Engine.Pins.Recent) > 1e-5 {
		t.Errorf("pins.recent is %v, but the digest takes %v", plain.Engine.Pins.Recent, got)
	}
}

func TestContextBounds(t *testing.T) {
	list := func(n int, item string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.ReplaceAll(item, "N", fmt.Sprint(i)))
		}
		return b.String()
	}
	for text, want := range map[string]string{
		"{windows: {" + list(1000, "mN: 10000,") + "}}":                   "",
		"{windows: {" + list(1001, "mN: 10000,") + "}}":                   "context.windows: has more than 1000 entries",
		"{pins: {rules: [" + list(200, "{text: rule N},") + "]}}":         "",
		"{pins: {rules: [" + list(201, "{text: rule N},") + "]}}":         "context.pins.rules: are at most 200 rules",
		"{pins: {rules: [{text: '" + strings.Repeat("x", 16385) + "'}]}}": "context.pins.rules: are at most 200 rules of 16KiB",
		"{pins: {patterns: [" + list(100, "aN,") + "]}}":                  "",
		"{pins: {patterns: [" + list(101, "aN,") + "]}}":                  "context.pins.patterns: has more than 100 patterns",
		"{high: 0.65, low: 0.6}":                                          "",
		"{high: 0.65, low: 0.61}":                                         "context.low: low (0.61) must be at least 0.05 below high (0.65)",
		"{reserve: 100, windows: {m: 1024}}":                              "",
	} {
		_, problems := resolve(t, "context: "+text, Overrides{})
		switch {
		case want == "" && problems != nil:
			t.Errorf("%.60s: %v", text, problems)
		case want != "" && len(problems) != 1:
			t.Errorf("%.60s: %v, want %s", text, problems, want)
		case want != "":
			mentions(t, problems, want)
		}
	}
}

// What leaves a request is kept, so there must be a place for it.
func TestContextNeedsData(t *testing.T) {
	for file, flags := range map[string]Overrides{"context: {}": {}, "": {Context: "on"}} {
		_, err := Open("/t", fakeEnv(nil, map[string]string{"/t": file}), flags)
		if err == nil || !strings.Contains(err.Error(), "context: needs a directory") {
			t.Errorf("%q: %v", file, err)
		}
		flags.Data = "/d"
		if _, err := Open("/t", fakeEnv(nil, map[string]string{"/t": file}), flags); err != nil {
			t.Errorf("%q: %v", file, err)
		}
	}
}
