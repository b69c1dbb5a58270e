package config

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/trapgate/trapgate/internal/wire"
)

// A text that two globs match is matched by one of those where they meet, and a glob without stars inside meets exactly.
func TestMeet(t *testing.T) {
	pattern := rapid.StringMatching(`[ab]{0,3}\*{0,2}[ab]{0,3}(\*[ab]{0,2})?`)
	text := rapid.StringMatching(`[ab]{0,7}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b, s := newGlob(pattern.Draw(t, "a")), newGlob(pattern.Draw(t, "b")), text.Draw(t, "text")
		both, met := a.match(s) && b.match(s), meet(a, b).matches(s)
		if both && !met {
			t.Fatalf("%s and %s both match %q, what they meet in does not: %v", &a, &b, s, meet(a, b))
		}
		if met && !both && len(a.middle)+len(b.middle) == 0 {
			t.Fatalf("%s and %s do not both match %q", &a, &b, s)
		}
		if again := newGlob(a.String()); again.match(s) != a.match(s) {
			t.Fatalf("%q is not %q", again.String(), a.String())
		}
	})
}

func (gs globs) matches(text string) bool { return len(gs) > 0 && gs.match(text) }

// Whatever an agent asks for, what its upstream is asked for is among what is reachable.
func TestReachableIsComplete(t *testing.T) {
	name := rapid.StringMatching(`[ab]{1,3}`)
	pattern := rapid.OneOf(name, rapid.StringMatching(`[ab]{0,2}\*[ab]{0,2}`))
	list := func(t *rapid.T, label string) string {
		return `["` + strings.Join(rapid.SliceOfNDistinct(pattern, 1, 3, rapid.ID[string]).Draw(t, label), `", "`) + `"]`
	}
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		text.WriteString("upstreams:\n")
		ups := rapid.IntRange(1, 3).Draw(t, "upstreams")
		for i := range ups {
			text.WriteString("  - {name: u" + string(rune('0'+i)) + ", base_url: 'http://h', credential: none")
			if rapid.Bool().Draw(t, "has models") {
				text.WriteString(", models: " + list(t, "models"))
			}
			text.WriteString(", rename: {")
			for _, from := range rapid.SliceOfNDistinct(pattern, 0, 3, rapid.ID[string]).Draw(t, "from") {
				to := name.Draw(t, "to")
				if strings.Contains(from, "*") && rapid.Bool().Draw(t, "star") {
					to += "*" + rapid.StringMatching(`[ab]{0,1}`).Draw(t, "after")
				}
				text.WriteString(`"` + from + `": "` + to + `", `)
			}
			text.WriteString("}}\n")
		}
		if n := rapid.IntRange(0, 3).Draw(t, "routes"); n > 0 {
			text.WriteString("routes:\n")
			for range n {
				text.WriteString("  - {upstreams: [u" + string(rune('0'+rapid.IntRange(0, ups-1).Draw(t, "upstream"))) + "]")
				if rapid.Bool().Draw(t, "for some") {
					text.WriteString(", models: " + list(t, "route"))
				}
				text.WriteString("}\n")
			}
		}
		c, problems := Parse("t", []byte(text.String()), fakeEnv(home, nil))
		if problems != nil {
			t.Fatalf("%v\n%s", problems, text.String())
		}
		b := builder{cfg: c, env: fakeEnv(home, nil), resolve: true}
		snap := b.snapshot()
		all := newGlobs(b.reachable())
		for range 20 {
			model := rapid.StringMatching(`[ab]{1,6}`).Draw(t, "model")
			for _, g := range snap.Candidates(wire.Chat, model) {
				for _, u := range g {
					if to, _ := u.Rename(model); !all.matches(to) {
						t.Fatalf("%s goes to %s as %s, which is not in %v\n%s", model, u.Name, to, b.reachable(), text.String())
					}
				}
			}
		}
	})
}

// What nobody can ask for needs no price.
func TestReachableIsNarrow(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", []string{"*"}},
		{"upstreams: [{name: u, base_url: 'http://h', models: [a, 'b-*']}]", []string{"a", "b-*"}},
		{"upstreams: [{name: u, base_url: 'http://h', models: [a], rename: {a: x, fast: y}}]", []string{"x", "y"}},
		{"upstreams: [{name: u, base_url: 'http://h', models: ['b-*'], rename: {'v/*': '*'}}]", []string{"*", "b-*"}},
		{"upstreams: [{name: u, base_url: 'http://h', models: [a], rename: {'v/*': '*'}}]\nroutes: [{models: ['v/b-*'], upstreams: [u]}, {models: ['v*'], upstreams: [u]}]", []string{"*", "a", "b-*"}},
		{"upstreams: [{name: u, base_url: 'http://h', models: [a], rename: {'v/b-*': 'b-*-x'}}]", []string{"a", "b-*-x"}},
		{"upstreams: [{name: u, base_url: 'http://h'}]\nroutes: [{models: ['gpt-*', o3], upstreams: [u]}, {models: ['*'], upstreams: [u]}]", []string{"*", "gpt-*", "o3"}},
		{"upstreams: [{name: u, base_url: 'http://h', models: ['*-mini']}]\nroutes: [{models: ['gpt-*'], upstreams: [u]}, {models: ['*-mini'], upstreams: [u]}]", []string{"*-mini", "gpt-*-mini", "gpt-mini"}},
		{"upstreams: [{name: u, base_url: 'http://h', credential: none, models: [a]}, {name: v, base_url: 'http://h', credential: none, models: [a], rename: {a: z}}]\nroutes: [{models: [a], upstreams: [v]}]", []string{"z"}},
	} {
		parsed, problems := Parse("t", []byte(c.text), fakeEnv(home, nil))
		if problems != nil {
			t.Fatal(problems)
		}
		b := builder{cfg: parsed, env: fakeEnv(home, nil), resolve: true}
		b.snapshot()
		if got := b.reachable(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.text, got, c.want)
		}
	}
}
