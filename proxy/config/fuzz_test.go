package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/internal/wire"
)

// FuzzParse: no input panics; a problem has a place; what Parse accepts Resolve accepts too, or says why; and a snapshot answers.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.yaml")
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, s := range []string{
		"&a [*a]", "a: &a {<<: *a}", "<<: [[[{}]]]", "? - : x", "- - - - - -", strings.Repeat("[", 100), strings.Repeat("{a: ", 100), "upstreams: &x [*x]",
		"!!binary x", "%YAML 1.2\n---\na: b", "a: |\n  b\n c", "{a: b", "\"\\", "\x00", "\xff", "key: - x", "upstreams: [{<<: {name: a}}]", "? a\n: b", "*a: b", "&a a: *a",
	} {
		f.Add([]byte(s))
	}
	env := fakeEnv(home, map[string]string{"/run/key": "k"})
	f.Fuzz(func(t *testing.T, data []byte) {
		c, problems := Parse("t.yaml", data, env)
		for _, p := range problems {
			if p.File == "t.yaml" && (p.Line < 1 || p.Col < 1) || p.Msg == "" || p.File == "" && !strings.HasPrefix(p.Key, "$") {
				t.Fatalf("problem without a place: %+v", p)
			}
		}
		if len(problems) > 0 {
			return
		}
		s, err := Resolve(c, env, Overrides{})
		if err != nil {
			return
		}
		for _, d := range []wire.Dialect{wire.Chat, wire.Messages, wire.Other} {
			for _, g := range s.Candidates(d, "m") {
				for _, u := range g {
					if u.Address == "" || u.Name == "" {
						t.Fatalf("half an upstream: %+v", u)
					}
					_ = u.Target("/v1/chat/completions")
				}
			}
			_ = s.Pass(d, "/v1/files")
		}
	})
}
