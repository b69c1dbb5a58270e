package glob

import (
	"path"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"gpt-4", "gpt-4", true},
		{"gpt-4", "gpt-4o", false},
		{"gpt-*", "gpt-", true},
		{"gpt-*", "GPT-4", false},
		{"*", "", true},
		{"openai/*", "openai/org/gpt", true},
		{"a*a", "a", false},
		{"a*b*c", "a-c-b", false},
		{"[x]", "[x]", true},
		{"", "a", false},
		{"a*", "a*b", true}, // of patterns
		{"a*b", "a*", false},
		{"*", "*", true},
	} {
		if got := Match(c.pattern, c.text); got != c.want {
			t.Errorf("%q on %q: %v", c.pattern, c.text, got)
		}
	}
}

// A pattern of stars and plain letters matches what path.Match says, and nothing hangs.
func FuzzMatch(f *testing.F) {
	for _, s := range [][2]string{{"a*b", "axxb"}, {"*", ""}, {"**a", "ba"}, {"a*a", "a"}, {"*ab*ab", "abab"}, {"*mini*", "o4-mini-high"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if strings.ContainsAny(pattern, `?[]\/`) || strings.Contains(s, "/") || len(pattern) > 40 {
			_ = Match(pattern, s)
			return
		}
		if want, err := path.Match(pattern, s); err == nil && Match(pattern, s) != want {
			t.Errorf("Match(%q, %q) is not %t", pattern, s, want)
		}
	})
}

// Match agrees with a regular expression on names, and with what containment means on globs.
func TestMatchOfPatterns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("ab*")), 0, 6, -1)
		pattern, other := text.Draw(t, "pattern"), text.Draw(t, "other")
		parts := strings.Split(pattern, "*")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		re := regexp.MustCompile("^" + strings.Join(parts, ".*") + "$")
		got := Match(pattern, other)
		if !strings.Contains(other, "*") {
			if want := re.MatchString(other); got != want {
				t.Fatalf("%q matches %q: %v", pattern, other, got)
			}
			return
		}
		all := true // what a letter that neither names can stand for decides, with some others
		for _, fill := range []string{"", "z", "zz", "az", "zb", "abz"} {
			all = all && re.MatchString(strings.ReplaceAll(other, "*", fill))
		}
		if got != all {
			t.Fatalf("%q covers %q: %v, by examples %v", pattern, other, got, all)
		}
	})
}
