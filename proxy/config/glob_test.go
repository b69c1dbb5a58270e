package config

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"gpt-4", "gpt-4", true},
		{"gpt-4", "gpt-4o", false},
		{"gpt-*", "gpt-", true},
		{"gpt-*", "GPT-4", false},
		{"*", "", true},
		{"*", "a/b", true},
		{"openai/*", "openai/org/gpt", true},
		{"*-mini", "gpt-4.1-mini", true},
		{"a*a", "a", false},
		{"a*b*c", "a-b-c", true},
		{"a*b*c", "a-c-b", false},
		{"a**c", "abc", true},
		{"?", "x", false},
		{"[x]", "[x]", true},
		{"", "", true},
		{"", "a", false},
	} {
		g := newGlob(c.pattern)
		if got := g.match(c.text); got != c.want {
			t.Errorf("%q on %q: %v", c.pattern, c.text, got)
		}
	}
}

func TestGlobAgreesWithRegexp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab*]{0,8}`).Draw(t, "pattern")
		text := rapid.StringMatching(`[ab]{0,10}`).Draw(t, "text")
		re := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$")
		g := newGlob(pattern)
		if got, want := g.match(text), re.MatchString(text); got != want {
			t.Fatalf("%q on %q: %v, want %v", pattern, text, got, want)
		}
	})
}

func TestRename(t *testing.T) {
	s := good(t, `
upstreams:
  - name: a
    base_url: http://h/v1
    models: [listed]
    rename: {fast: gpt-4.1-mini, "f*": first, "fa*": never, "openai/*": "*", "x-*-y": "<*>", same: same}
`)
	u := s.Upstreams[0]
	for model, want := range map[string]string{
		"fast": "gpt-4.1-mini", "fancy": "first", "openai/gpt": "gpt", "openai/a/b": "a/b", "x-1-y": "<1>", "same": "same", "listed": "listed",
	} {
		got, changed := u.Rename(model)
		if got != want || changed != (want != model) {
			t.Errorf("%s: %s, %v", model, got, changed)
		}
		if !u.Serves(model) {
			t.Errorf("%s is renamed but not served", model)
		}
	}
	if u.Serves("other") {
		t.Error("serves a model that is neither listed nor renamed")
	}
}
