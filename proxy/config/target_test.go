package config

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var (
	allDialects  = [3]bool{true, true, true}
	openaiOnly   = [3]bool{true, true, false}
	messagesOnly = [3]bool{false, false, true}
)

func TestTarget(t *testing.T) {
	for _, c := range []struct {
		base     string
		dialects [3]bool
		agent    string
		want     string
	}{
		// The agent's base is http://trapgate/v1, or any other prefix; the upstream's is whole.
		{"/v1", allDialects, "/v1/chat/completions", "/v1/chat/completions"},
		{"/v1", allDialects, "/chat/completions", "/v1/chat/completions"},
		{"/v1", allDialects, "/api/v1/chat/completions?a=b%20c&d", "/v1/chat/completions?a=b%20c&d"},
		{"/v1", allDialects, "/v1/responses/resp_1/input_items?limit=1?", "/v1/responses/resp_1/input_items?limit=1?"},
		{"/v1", openaiOnly, "/v1/models/org%2Fmodel", "/v1/models/org%2Fmodel"},
		{"/v1", openaiOnly, "/models/v1", "/v1/models/v1"},
		{"/v1", openaiOnly, "/v1/files/file-1/content", "/v1/files/file-1/content"},
		{"/v1", openaiOnly, "/files?purpose=x", "/v1/files?purpose=x"},
		{"/v1", openaiOnly, "/v1/brand_new", "/v1/brand_new"},
		{"/v1", openaiOnly, "/v1", "/v1"},
		{"/v1", openaiOnly, "/v2/chat/completions", "/v1/chat/completions"},
		{"/api/v1", allDialects, "/v1/chat/completions", "/api/v1/chat/completions"},
		{"/api/v1", allDialects, "/api/v1/chat/completions", "/api/v1/chat/completions"},
		{"/api/v1", allDialects, "/v1/messages?beta=true", "/api/v1/messages?beta=true"},
		{"/openai", allDialects, "/v1/chat/completions", "/openai/chat/completions"},
		{"/v1beta/openai", openaiOnly, "/v1/chat/completions", "/v1beta/openai/chat/completions"},
		{"/openai/v1", openaiOnly, "/v1/chat/completions", "/openai/v1/chat/completions"},
		{"/inference", openaiOnly, "/chat/completions", "/inference/chat/completions"},
		// The upstream is a server's address: nothing changes.
		{"", allDialects, "/v1/chat/completions?x", "/v1/chat/completions?x"},
		{"", allDialects, "/chat/completions", "/chat/completions"},
		{"", allDialects, "/api/v1/responses", "/api/v1/responses"},
		{"", allDialects, "/props", "/props"},
		{"", allDialects, "/", "/"},
		{"", allDialects, "/api/v1/messages", "/api/v1/messages"},
		// Anthropic's SDKs add /v1 themselves.
		{"", messagesOnly, "/v1/messages?beta=true", "/v1/messages?beta=true"},
		{"", messagesOnly, "/v1/messages/count_tokens", "/v1/messages/count_tokens"},
		{"", messagesOnly, "/messages", "/v1/messages"},
		{"", allDialects, "/messages", "/v1/messages"},
		{"", messagesOnly, "/api/v1/messages", "/v1/messages"},
		{"", messagesOnly, "/v1/models", "/v1/models"},
		{"", messagesOnly, "/models", "/v1/models"},
		{"", messagesOnly, "/", "/"},
		{"/v1", messagesOnly, "/v1/messages", "/v1/messages"},
		{"/v1", messagesOnly, "/messages", "/v1/messages"},
		{"/anthropic", messagesOnly, "/v1/messages?beta=true", "/anthropic/v1/messages?beta=true"},
		{"/anthropic", messagesOnly, "/messages", "/anthropic/v1/messages"},
		{"/anthropic", messagesOnly, "/v1/files", "/anthropic/v1/files"},
		{"/anthropic", messagesOnly, "/", "/anthropic/"},
		{"/gw", allDialects, "/v1/messages", "/gw/v1/messages"},
		{"/gw", allDialects, "/v1/chat/completions", "/gw/chat/completions"},
		// Azure.
		{"", allDialects, "/openai/deployments/X/chat/completions?api-version=1", "/openai/deployments/X/chat/completions?api-version=1"},
		{"/openai", openaiOnly, "/openai/deployments/X/chat/completions?api-version=1", "/openai/deployments/X/chat/completions?api-version=1"},
		{"/gw/openai", openaiOnly, "/openai/deployments/X/chat/completions", "/gw/openai/deployments/X/chat/completions"},
		{"/gw", openaiOnly, "/openai/deployments/X/chat/completions", "/gw/openai/deployments/X/chat/completions"},
		{"/openai/deployments/Y", openaiOnly, "/v1/chat/completions", "/openai/deployments/Y/chat/completions"},
		{"/openai/deployments/Y", openaiOnly, "/openai/deployments/X/chat/completions?v=1", "/openai/deployments/Y/chat/completions?v=1"},
		{"/v1", openaiOnly, "/openai/deployments/X/chat/completions?api-version=1", "/v1/chat/completions?api-version=1"},
		{"/openai/v1", openaiOnly, "/openai/v1/responses", "/openai/v1/responses"},
		// Paths of no API.
		{"/v1", openaiOnly, "/health", "/health"},
		{"/v1", openaiOnly, "/", "/"},
		{"/gw/v1", openaiOnly, "/props", "/gw/props"},
		{"/gw", openaiOnly, "/props?x=1", "/gw/props?x=1"},
		{"/v1", openaiOnly, "*", "*"},
		{"/v1", openaiOnly, "", ""},
	} {
		u := &Upstream{BasePath: c.base, Dialects: c.dialects}
		if got := u.Target(c.agent); got != c.want {
			t.Errorf("base %q %v: %q became %q, want %q", c.base, c.dialects, c.agent, got, c.want)
		}
	}
}

// Whatever the path, the query's bytes stay, the result is a path below the base's host, and joining never panics.
func TestTargetKeepsQuery(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		segment := rapid.SampledFrom([]string{"v1", "v1beta", "api", "openai", "deployments", "x", "chat", "completions", "messages", "..", "", "%2e", "files"})
		path := "/" + strings.Join(rapid.SliceOfN(segment, 0, 12).Draw(t, "path"), "/")
		query := rapid.StringMatching(`(\?[a-z=&?%/]{0,12})?`).Draw(t, "query")
		u := &Upstream{
			BasePath: rapid.SampledFrom([]string{"", "/v1", "/api/v1", "/openai", "/gw/openai", "/anthropic"}).Draw(t, "base"),
			Dialects: rapid.SampledFrom([][3]bool{allDialects, openaiOnly, messagesOnly}).Draw(t, "dialects"),
		}
		got := u.Target(path + query)
		if !strings.HasPrefix(got, "/") || !strings.HasSuffix(got, query) || strings.Count(got, "?") != strings.Count(query, "?") {
			t.Fatalf("%q became %q", path+query, got)
		}
		if again := u.Target(got); strings.Count(again, "/") > strings.Count(got, "/")+strings.Count(u.BasePath, "/")+1 {
			t.Fatalf("%q grew to %q", got, again)
		}
	})
}

func TestTargetAllocatesNothing(t *testing.T) {
	for base, target := range map[string]string{"": "/v1/chat/completions?x=1", "/v1": "/v1/chat/completions", "/openai": "/openai/deployments/x/y"} {
		u := &Upstream{BasePath: base, Dialects: allDialects}
		if n := testing.AllocsPerRun(100, func() { _ = u.Target(target) }); n != 0 {
			t.Errorf("%s on %s: %v allocations", target, base, n)
		}
	}
}

func TestSafePath(t *testing.T) {
	for path, want := range map[string]bool{
		"/v1/files": true, "/v1/files/a.b/c..d": true, "/v1/files/%20x": true, "/v1/...": true,
		"v1/files": false, "": false, "/v1/../x": false, "/v1/..": false, "/v1/./x": false, "/v1//x": false, "/v1/%2e%2E/x": false,
		"/v1/a%2fb": false, "/v1/a%5Cb": false, `/v1\x`: false, "/v1/%252e": false, "/v1/%": false, "/v1/%2": false, "/v1/a b": false,
		"/v1/..;x/y": false, "/v1/é": false, "/v1/x?y": false, "/v1/\x00": false,
	} {
		if got := SafePath(path); got != want {
			t.Errorf("SafePath(%q) = %v", path, got)
		}
	}
}
