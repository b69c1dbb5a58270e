package config

import (
	"errors"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/internal/wire"
)

func TestDefaults(t *testing.T) {
	s, err := Resolve(nil, fakeEnv(home, nil), Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Listen != (Addr{"tcp", "127.0.0.1:4000"}) || s.Admin != (Addr{"tcp", "127.0.0.1:4001"}) || s.Data != "/home/a/.local/state/trapgate" {
		t.Error(s.Listen, s.Admin, s.Data)
	}
	if l := s.Limits; l != (Limits{
		Body: 64 << 20, Headers: 64 << 10, Connections: 4096, Write: 5 * time.Minute, Idle: 5 * time.Minute,
		StreamIdle: 5 * time.Minute, Drain: 30 * time.Second, Retries: 2, RetryTotal: 10 * time.Second,
	}) {
		t.Errorf("%+v", l)
	}
	if !s.Telemetry.LogExchanges || s.Telemetry.Content || s.HasAuth() || s.TLS != nil || s.File != "" {
		t.Errorf("%+v", s.Telemetry)
	}
	for d, want := range map[wire.Dialect]string{
		wire.Messages: "https://api.anthropic.com", wire.Chat: "https://api.openai.com/v1", wire.Responses: "https://api.openai.com/v1",
		wire.Completions: "https://api.openai.com/v1", wire.Embeddings: "https://api.openai.com/v1", wire.Other: "https://api.openai.com/v1",
	} {
		groups := s.Candidates(d, "any")
		if len(groups) != 1 || len(groups[0]) != 1 || groups[0][0].BaseURL != want || groups[0][0].Credential != CredentialAgent {
			t.Errorf("%v: %v", d, groups)
		}
		if pass := s.Pass(d, "/v1/files"); len(pass) != 1 || pass[0][0].BaseURL != want {
			t.Errorf("%v passes to %v", d, pass)
		}
	}
}

// A file that says nothing of upstreams behaves as no file.
func TestEmptyFile(t *testing.T) {
	for _, text := range []string{"", "# remark\n", "---\n", "{}\n", "null\n", "upstreams:\n", "upstreams: []\n", "\ufeff", "limits:\r\n  body: 1MiB\r\n"} {
		if s := good(t, text); len(s.Upstreams) != 2 || s.Upstreams[0].Name != "anthropic" {
			t.Errorf("%q: %v", text, s.Upstreams)
		}
	}
}

func TestPrecedence(t *testing.T) {
	file := "listen: 127.0.0.1:1\nadmin: 127.0.0.1:2\ndata: /file\nupstreams: [{name: f, base_url: 'http://file/v1'}]\nroutes: [{upstreams: [f]}]\n"
	vars := maps.Clone(home)
	maps.Copy(vars, map[string]string{EnvListen: "127.0.0.1:11", EnvAdmin: "off", EnvData: "/env", EnvUpstream: "http://env/v1"})
	files := map[string]string{"/cfg/trapgate.yaml": file}
	for _, c := range []struct {
		name  string
		vars  map[string]string
		flags Overrides
		want  [4]string
	}{
		{"file", home, Overrides{}, [4]string{"127.0.0.1:1", "127.0.0.1:2", "/file", "http://file/v1"}},
		{"environment", vars, Overrides{}, [4]string{"127.0.0.1:11", "off", "/env", "http://env/v1"}},
		{"flags", vars, Overrides{Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", Data: "/flag", Upstream: "http://flag"}, [4]string{"127.0.0.1:0", "127.0.0.1:0", "/flag", "http://flag"}},
	} {
		s, err := Open("/cfg/trapgate.yaml", fakeEnv(c.vars, files), c.flags)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		u := s.Candidates(wire.Messages, "m")[0][0]
		if got := [4]string{s.Listen.String(), s.Admin.String(), s.Data, u.BaseURL}; got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		if len(s.Upstreams) != 1 || u.Credential != CredentialAgent {
			t.Errorf("%s: %v", c.name, s.Upstreams)
		}
	}
}

func TestOutsideProblems(t *testing.T) {
	vars := maps.Clone(home)
	maps.Copy(vars, map[string]string{EnvAdmin: "nowhere", EnvUpstream: "localhost:8080"})
	_, err := Resolve(nil, fakeEnv(vars, nil), Overrides{Listen: "0.0.0.0:4000"})
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 3 {
		t.Fatal(err)
	}
	mentions(t, problems, "--listen: 0.0.0.0:4000 can be reached", "$TRAPGATE_ADMIN: must be HOST:PORT", "$TRAPGATE_UPSTREAM: must be an absolute URL", "hint: write http://localhost:8080")
	if s, err := Resolve(nil, fakeEnv(nil, nil), Overrides{}); err != nil || s.Data != "" {
		t.Error(s, err) // without a home there is no directory for state, which is nothing to refuse for
	}
	if s, err := Resolve(nil, fakeEnv(map[string]string{"XDG_STATE_HOME": "/state", "HOME": "/h"}, nil), Overrides{}); err != nil || s.Data != "/state/trapgate" {
		t.Error(s, err)
	}
}

func TestSDKVariables(t *testing.T) {
	vars := maps.Clone(home)
	vars[EnvOpenAI], vars[EnvAnthropic] = "http://127.0.0.1:8080/v1", "http://127.0.0.1:9090/"
	s, err := Resolve(&Config{}, fakeEnv(vars, nil), Overrides{})
	if err != nil || s.Upstreams[0].BaseURL != "http://127.0.0.1:9090" || s.Upstreams[1].BasePath != "/v1" {
		t.Fatal(err, s)
	}
	vars[EnvOpenAI] = "http://localhost:4000/v1"
	_, err = Resolve(nil, fakeEnv(vars, nil), Overrides{})
	if err == nil || !strings.Contains(err.Error(), "$OPENAI_BASE_URL: upstream openai points at trapgate's own listener") || !strings.Contains(err.Error(), "hint: unset OPENAI_BASE_URL") {
		t.Error(err)
	}
	if _, err = Resolve(nil, fakeEnv(vars, nil), Overrides{Upstream: "http://h"}); err != nil {
		t.Error("a variable that does not hold was checked:", err)
	}
}

func TestUpstreamFields(t *testing.T) {
	s := good(t, `
limits: {stream_idle: 7m}
upstreams:
  - {name: a, base_url: "https://api.example.com:8443/v1/", api_key: {env: KEY_A}}
  - {name: b, base_url: "http://[::1]:8080", api_key: {env: KEY_B}, timeouts: {stream_idle: 1m, connect: 1s, response: 2s, idle: 3s}}
  - {name: c, base_url: "https://example.com", api_key: {env: KEY_C}}
  - {name: d, base_url: "http+unix://%2Frun%2Fe.sock/v1/", credential: none}
`)
	a, b, c, d := s.Upstreams[0], s.Upstreams[1], s.Upstreams[2], s.Upstreams[3]
	if !a.UseTLS || a.Address != "api.example.com:8443" || a.Host != "api.example.com:8443" || a.ServerName != "api.example.com" || a.BasePath != "/v1" ||
		a.BaseURL != "https://api.example.com:8443/v1" || a.APIKey.Reveal() != "secret-a" || a.Credential != CredentialKey || a.StreamIdle != 7*time.Minute {
		t.Errorf("%+v", a)
	}
	if b.UseTLS || b.Address != "[::1]:8080" || b.Host != "[::1]:8080" || b.BasePath != "" || b.StreamIdle != time.Minute || b.ConnectTimeout != time.Second ||
		b.ResponseTimeout != 2*time.Second || b.IdleConn != 3*time.Second || b.Index != 1 {
		t.Errorf("%+v", b)
	}
	if c.Address != "example.com:443" || c.Host != "example.com" {
		t.Errorf("%+v", c)
	}
	if d.Network != "unix" || d.Address != "/run/e.sock" || d.Host != "localhost" || d.BasePath != "/v1" || d.Credential != CredentialNone || d.BaseURL != "http+unix://%2Frun%2Fe.sock/v1" {
		t.Errorf("%+v", d)
	}
}

func TestBaseURLs(t *testing.T) {
	for base, want := range map[string]string{
		"http://h": "", "https://h:1/v1": "", "http://h/a%20b/v1": "", "http://127.0.0.1:8080/": "", "http+unix://%2Fs": "",
		"":                      `is missing or empty`,
		"h":                     "must be an absolute URL",
		"h:80":                  "must be an absolute URL",
		"/v1":                   "must be an absolute URL",
		"http:/h":               "must have a host name",
		"http://":               "must be an absolute URL",
		"http:h":                "must be an absolute URL",
		"ws://h":                "must begin with http://",
		"http://u@h":            "must not hold a user name",
		"http://h/?x":           "must end with its path",
		"http://h/#x":           "must end with its path",
		"http://h?":             "must end with its path",
		"http://h:0":            "must have a port",
		"http://h:99999":        "must have a port",
		"http://h_h:1x":         "must be an absolute URL",
		"http://a b":            "must be an absolute URL",
		"http://h/../x":         "has a path that is not plain",
		"http://h//x":           "has a path that is not plain",
		"http+unix://x":         "must name an absolute socket path",
		"http+unix://":          "must name an absolute socket path",
		"http+unix://%2Fs/v1?x": "must end with its path",
	} {
		_, problems := resolve(t, "upstreams: [{name: a, base_url: '"+base+"'}]", Overrides{})
		if base == "" {
			want = "must be an absolute URL"
		}
		switch {
		case want == "" && problems != nil:
			t.Errorf("%q: %v", base, problems)
		case want != "" && (len(problems) != 1 || !strings.Contains(problems[0].Msg, want) || problems[0].Key != "upstreams[0].base_url"):
			t.Errorf("%q: %v, want %q", base, problems, want)
		}
	}
}

func TestCredentialRules(t *testing.T) {
	const key = ", api_key: {env: KEY_A}"
	for _, c := range []struct {
		name string
		ups  []string // what follows the base URL
		auth bool
		want string // a part of the problem, "" when it holds
		cred string // what each upstream is sent
	}{
		{"one alone", []string{""}, false, "", "agent"},
		{"one with a key", []string{key}, false, "", "key"},
		{"one without a credential", []string{", credential: none"}, false, "", "none"},
		{"one alone, marked", []string{", credential: agent"}, false, "", "agent"},
		{"two for all", []string{"", key}, false, "upstreams[0]: needs an api_key", ""},
		{"two keyless", []string{"", ""}, false, "upstreams[1]: needs an api_key", ""},
		{"two, one marked", []string{", credential: agent", key}, false, "", "agent key"},
		{"two, both marked", []string{", credential: agent", ", credential: agent"}, false, "upstreams[1].credential: upstream u0 has credential: agent for chat too", ""},
		{"apart by dialect", []string{", dialects: [chat, responses]", ", dialects: [messages]"}, false, "", "agent agent"},
		{"marked apart by dialect", []string{", dialects: [chat], credential: agent", ", dialects: [messages, responses], credential: agent"}, false, "", "agent agent"},
		{"overlap in one dialect", []string{", dialects: [chat, responses]", ", dialects: [responses, messages]"}, false, "upstreams[0]: needs an api_key: upstream u1", ""},
		{"apart by models only", []string{", models: [a]", ", models: [b]" + key}, false, "upstreams[0]: needs an api_key", ""},
		{"beside one that needs none", []string{"", ", credential: none"}, false, "upstreams[0]: needs an api_key", ""},
		{"replicas that need none", []string{", credential: none", ", credential: none"}, false, "", "none none"},
		{"auth and alone", []string{""}, true, "upstreams[0]: needs an api_key: with auth", ""},
		{"auth and marked", []string{", credential: agent"}, true, "upstreams[0].credential: needs an api_key: with auth", ""},
		{"auth and keys", []string{key, key}, true, "", "key key"},
		{"auth and none", []string{", credential: none"}, true, "", "none"},
		{"both", []string{key + ", credential: agent"}, false, "cannot stand beside api_key", ""},
		{"both, none", []string{key + ", credential: none"}, false, "cannot stand beside api_key", ""},
	} {
		text := "upstreams:\n"
		for i, u := range c.ups {
			text += "  - {name: u" + string(rune('0'+i)) + ", base_url: 'http://h/v1'" + u + "}\n"
		}
		if c.auth {
			text += "auth: {keys: [{name: t, key: {env: KEY_B}}]}\n"
		}
		s, problems := resolve(t, text, Overrides{})
		if c.want != "" {
			if problems == nil {
				t.Errorf("%s: accepted", c.name)
			} else {
				mentions(t, problems, c.want)
			}
			continue
		}
		if problems != nil {
			t.Errorf("%s: %v", c.name, problems)
			continue
		}
		var got []string
		agents := [3]int{}
		for _, u := range s.Upstreams {
			got = append(got, u.Credential.String())
			for d := range agents {
				if u.Dialects[d] && u.Credential == CredentialAgent {
					agents[d]++
				}
			}
		}
		if strings.Join(got, " ") != c.cred || max(agents[0], agents[1], agents[2]) > 1 {
			t.Errorf("%s: %v, agents %v", c.name, got, agents)
		}
	}
}

func TestOverrideWithAuth(t *testing.T) {
	text := "auth: {keys: [{name: t, key: {env: KEY_B}}]}\nupstreams: [{name: a, base_url: 'http://h', api_key: {env: KEY_A}}]\n"
	_, problems := resolve(t, text, Overrides{Upstream: "http://other"})
	mentions(t, problems, "--upstream: has no api_key: with auth")
}

func TestProxies(t *testing.T) {
	vars := maps.Clone(home)
	maps.Copy(vars, map[string]string{"https_proxy": "http://user:hush@proxy:3128", "NO_PROXY": "internal.example.com"})
	text := `
upstreams:
  - {name: env, base_url: "https://example.com", api_key: {env: KEY_A}}
  - {name: exempt, base_url: "https://internal.example.com", api_key: {env: KEY_A}}
  - {name: plain, base_url: "http://example.com", api_key: {env: KEY_A}}
  - {name: direct, base_url: "https://example.com", api_key: {env: KEY_A}, proxy: direct}
  - {name: own, base_url: "https://example.com", api_key: {env: KEY_A}, proxy: "http://own:1"}
  - {name: local, base_url: "https://127.0.0.1:1", api_key: {env: KEY_A}}
`
	s, err := Open("/cfg/t.yaml", fakeEnv(vars, map[string]string{"/cfg/t.yaml": text}), Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"http://user:hush@proxy:3128", "", "", "", "http://own:1", ""} {
		got := s.Upstreams[i].Proxy.URL()
		if got == nil {
			got = &url.URL{}
		}
		if got.String() != want {
			t.Errorf("%s: %q, want %q", s.Upstreams[i].Name, got, want)
		}
	}
	vars["https_proxy"] = "socks5://user:hush@proxy"
	_, err = Open("/cfg/t.yaml", fakeEnv(vars, map[string]string{"/cfg/t.yaml": text}), Overrides{})
	if err == nil || !strings.Contains(err.Error(), "$HTTPS_PROXY: must be an http:// or https:// proxy") || strings.Contains(err.Error(), "hush") {
		t.Error(err)
	}
}
