package config

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/trapgate/trapgate/internal/wire"
)

const routed = `
upstreams:
  - {name: l1, base_url: "http://l1/v1", dialects: [chat], models: ["qwen*"], credential: none}
  - {name: l2, base_url: "http://l2/v1", dialects: [chat], models: ["qwen*"], credential: none}
  - {name: oa, base_url: "http://oa/v1", dialects: [chat, responses], api_key: {env: KEY_A}, rename: {"qwen*": gpt-4.1}}
  - {name: an, base_url: "http://an", dialects: [messages], credential: agent}
  - {name: or, base_url: "http://or/api/v1", models: ["vendor/*"], api_key: {env: KEY_B}}
routes:
  - {models: ["qwen-secret"], upstreams: [l1]}
  - {models: ["qwen*"], upstreams: [[l1, l2], oa]}
  - {models: ["claude*"], upstreams: [oa]}
  - {models: ["claude*"], upstreams: [an, or]}
  - {models: [], upstreams: [oa], passthrough: ["/v1/files*", "/gw/raw/*"]}
`

func names(groups [][]*Upstream) string {
	var out []string
	for _, g := range groups {
		var in []string
		for _, u := range g {
			in = append(in, u.Name)
		}
		out = append(out, strings.Join(in, "+"))
	}
	return strings.Join(out, " ")
}

func TestCandidates(t *testing.T) {
	s := good(t, routed)
	for _, c := range []struct {
		d     wire.Dialect
		model string
		want  string
	}{
		{wire.Chat, "qwen-3", "l1+l2 oa"},
		{wire.Chat, "qwen-secret", "l1"},
		{wire.Responses, "qwen-secret", "oa"}, // the second route is for it too
		{wire.Messages, "qwen-secret", ""},    // routed, so never to others
		{wire.Responses, "qwen-3", "oa"},
		{wire.Embeddings, "qwen-3", "l1+l2 oa"},
		{wire.Messages, "claude-4", "an"},
		{wire.Chat, "claude-4", "oa"},
		{wire.Chat, "gpt-4", "oa"},
		{wire.Chat, "vendor/x", "oa+or"},
		{wire.Messages, "vendor/x", "an+or"},
		{wire.Completions, "gpt-4", "oa"},
		{wire.Chat, "", "l1+l2+oa+or"},
		{wire.Messages, "", "an+or"},
		{wire.Dialect(99), "x", ""},
	} {
		for range 2 { // the second time from the cache
			if got := names(s.Candidates(c.d, c.model)); got != c.want {
				t.Errorf("%v %q: %q, want %q", c.d, c.model, got, c.want)
			}
		}
	}
}

// A model that is not known (a list, a stored response) is for the routes of all models.
func TestCandidatesWithoutModel(t *testing.T) {
	s := good(t, routed+"  - {upstreams: [or, an]}\n")
	for d, want := range map[wire.Dialect]string{wire.Chat: "or", wire.Responses: "or", wire.Messages: "or an"} {
		if got := names(s.Candidates(d, "")); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestCandidatesInOneGroupWithoutRoutes(t *testing.T) {
	s := good(t, `
upstreams:
  - {name: a, base_url: "http://a/v1", api_key: {env: KEY_A}, models: ["x*"]}
  - {name: b, base_url: "http://b/v1", api_key: {env: KEY_A}, dialects: [chat]}
  - {name: c, base_url: "http://c/v1", api_key: {env: KEY_A}}
`)
	for key, want := range map[routeKey]string{
		{wire.Chat, "x1"}: "a+b+c", {wire.Chat, "y"}: "b+c", {wire.Messages, "x1"}: "a+c", {wire.Messages, "y"}: "c", {wire.Responses, ""}: "a+c",
	} {
		if got := names(s.Candidates(key.dialect, key.model)); got != want {
			t.Errorf("%v: %q, want %q", key, got, want)
		}
	}
}

func TestPass(t *testing.T) {
	s := good(t, routed)
	for path, want := range map[string]bool{
		"/v1/files": true, "/v1/files/file-1/content": true, "/files/x": true, "/api/v1/files": true, "/gw/raw/x": true,
		"/v1/batches": false, "/v1/file": false, "/v1/files/../batches": false, "/v1/files/%2e%2e/batches": false, "/v1/files%2f..": false, "/v1//files": false, "": false,
	} {
		if got := s.Passthrough(path); got != want {
			t.Errorf("Passthrough(%q) = %v", path, got)
		}
	}
	for _, c := range []struct {
		d    wire.Dialect
		path string
		want string
	}{
		{wire.Other, "/v1/files", "oa"},
		{wire.Messages, "/v1/files", "an"}, // with anthropic-version, its own credential
		{wire.Messages, "/v1/skills", "an"},
		{wire.Other, "/v1/batches", "an"},
		{wire.Chat, "/v1/chat/completions", ""},
	} {
		if got := names(s.Pass(c.d, c.path)); got != c.want {
			t.Errorf("%v %s: %q, want %q", c.d, c.path, got, c.want)
		}
	}
	if s := good(t, `upstreams: [{name: a, base_url: "http://a", api_key: {env: KEY_A}}]`); s.Pass(wire.Other, "/v1/files") != nil {
		t.Error("our key is sent to a path that is not listed")
	}
}

func TestUnreachedUpstream(t *testing.T) {
	const ups = "upstreams:\n  - {name: a, base_url: 'http://a', credential: none}\n  - {name: b, base_url: 'http://b', credential: none}\n"
	s := good(t, ups+"routes: [{upstreams: [a]}]\n")
	if len(s.Warnings) != 1 || s.Warnings[0].Line != 3 {
		t.Error(s.Warnings)
	}
	if s := good(t, ups+"routes: [{models: ['x*'], upstreams: [a]}]\n"); len(s.Warnings) != 0 {
		t.Error(s.Warnings)
	}
}

func TestCandidatesAllocateNothing(t *testing.T) {
	one, many := good(t, ""), good(t, routed)
	for name, s := range map[string]*Snapshot{"one": one, "routed": many} {
		_ = s.Candidates(wire.Chat, "qwen-3")
		if n := testing.AllocsPerRun(100, func() { _ = s.Candidates(wire.Chat, "qwen-3") }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// Agents choose model names, so the cache must stay bounded, right, and free of races.
func TestCandidatesCache(t *testing.T) {
	s := good(t, routed)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 400 {
				if got := names(s.Candidates(wire.Chat, fmt.Sprintf("qwen-%d-%d", g, i))); got != "l1+l2 oa" {
					t.Errorf("got %q", got)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := len(*s.routing.cache.Load()); n > maxCached {
		t.Errorf("%d cached answers", n)
	}
	name := []byte("qwen-alias")
	_ = s.Candidates(wire.Chat, string(name))
}

func BenchmarkCandidates(b *testing.B) {
	s, err := Resolve(nil, fakeEnv(home, nil), Overrides{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		_ = s.Candidates(wire.Chat, "gpt-4.1")
	}
}
