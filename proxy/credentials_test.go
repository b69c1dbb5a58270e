package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/proxy/config"
)

// An agent's credential goes to the one upstream that is marked, in all its forms, and to no other.
func TestAgentCredentialGoesToOneUpstream(t *testing.T) {
	t.Parallel()
	mine, keyed, engine := newFake(t, raw(failing("429 Slow"))), newFake(t, raw(failing("429 Slow"))), newFake(t, okAnswer)
	g := open(t, "upstreams:\n- {name: mine, base_url: "+mine.url()+", credential: agent}\n- {name: keyed, base_url: "+keyed.url()+", api_key: {env: KEY}, headers: {X-Org: {env: ORG}, User-Agent: ours}}\n- {name: engine, base_url: "+engine.url()+", credential: none}\n"+
		"routes: [{upstreams: [mine, keyed, engine]}]\n", with(map[string]string{"KEY": "sk-ours", "ORG": "org-ours"}))
	for _, tt := range []struct {
		path, line string // of the agent
		keyed      string // what the keyed upstream gets in its place
	}{
		{"/v1/chat/completions", "authorization: Bearer sk-agent", "authorization: Bearer sk-ours"},
		{"/v1/chat/completions", "AUTHORIZATION: Basic sk-agent", "AUTHORIZATION: Bearer sk-ours"},
		{"/v1/messages", "X-Api-Key: sk-agent", "X-Api-Key: sk-ours"},
		{"/openai/deployments/d/chat/completions?api-version=1", "api-key: sk-agent", "api-key: sk-ours"},
		{"/v1/messages", "Accept: a", ""},
		{"/v1/responses", "Accept: a", ""},
	} {
		m := g.do(t, post(tt.path, chatRequest, "A: 1", tt.line, "B: 2", "User-Agent: agent", "Proxy-Authorization: Basic sk-agent"))
		if m.status() != 200 {
			t.Fatalf("%s: %s", tt.line, m.Line)
		}
		if got := mine.last(); !slices.Contains(got.Fields, tt.line) || !slices.Contains(got.Fields, "User-Agent: agent") {
			t.Errorf("the marked upstream got %q", got.Fields)
		}
		got := keyed.last()
		if tt.keyed != "" {
			at := slices.Index(got.Fields, "A: 1")
			if at < 0 || got.Fields[at+1] != tt.keyed || got.Fields[at+2] != "B: 2" {
				t.Errorf("%s: not replaced in its place: %q", tt.line, got.Fields)
			}
		} else if want := map[bool]string{true: "x-api-key: sk-ours", false: "Authorization: Bearer sk-ours"}[strings.HasSuffix(tt.path, "messages")]; !slices.Contains(got.Fields, want) {
			t.Errorf("%s without a credential: %q", tt.path, got.Fields)
		}
		all := strings.Join(got.Fields, "\n")
		if strings.Contains(all, "sk-agent") || strings.Count(all, "sk-ours") != 1 || got.get("x-org") != "org-ours" || got.get("user-agent") != "ours" {
			t.Errorf("the keyed upstream got %q", got.Fields)
		}
		if all := strings.Join(engine.last().Fields, "\n"); strings.Contains(all, "sk-") {
			t.Errorf("the engine got %q", all)
		}
	}
	// Three at once are all replaced by one.
	g.do(t, post("/v1/chat/completions", chatRequest, "api-key: sk-agent", "authorization: Bearer sk-agent", "x-api-key: sk-agent"))
	if all := strings.Join(keyed.last().Fields, "\n"); strings.Contains(all, "sk-agent") || strings.Count(all, "sk-ours") != 1 {
		t.Errorf("the keyed upstream got %q", all)
	}
}

// Keys never show: not in logs at any level, not in errors, not in what the admin port shows, not in the config's problems.
func TestSecretsNeverShow(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "key"), []byte("tenant-secret\n"), 0o600)
	up := newFake(t, raw(failing("500 No")))
	var log lockedBuffer
	g := open(t, "upstreams:\n- {name: u, base_url: "+up.url()+", api_key: {env: KEY}, headers: {X-Extra: {env: EXTRA}}, timeouts: {response: 100ms}}\n- {name: dead, base_url: http://127.0.0.1:9, models: [dead], api_key: {env: KEY}, proxy: \"http://me:proxy-secret@127.0.0.1:9\"}\n"+
		"auth: {keys: [{name: team, key: {file: "+filepath.Join(dir, "key")+"}}]}\ntelemetry: {log: {level: debug}}\nlimits: {retry: {attempts: 0}}\n",
		with(map[string]string{"KEY": "sk-secret", "EXTRA": "extra-secret"}),
		func(o *gatewayOptions) { o.log, o.quiet, o.flags.Admin = &log, false, "127.0.0.1:0" })
	var shown strings.Builder
	for _, lines := range [][]string{{"Authorization: Bearer tenant-secret"}, {"Authorization: Bearer agent-secret"}, {"x-api-key: agent-secret"}} {
		for _, body := range []string{chatRequest, strings.Replace(chatRequest, `"m"`, `"dead"`, 1), "{bad-secret"} {
			for _, answer := range []func(*upConn, *message) bool{okAnswer, raw("junk\r\n\r\n"), func(*upConn, *message) bool { return false }} {
				up.answer(answer)
				m := g.do(t, post("/v1/chat/completions?key=query-secret", body, lines...))
				fmt.Fprintln(&shown, m.Line, m.Fields, m.Body)
			}
		}
	}
	for _, path := range []string{"/debug/state", "/metrics", "/readyz", "/debug/pprof/cmdline"} {
		token, err := os.ReadFile(filepath.Join(g.pipeline.current.Load().config.Data, "admin.token"))
		if err != nil {
			t.Fatal(err)
		}
		req, _ := http.NewRequest("GET", "http://"+g.admin.Addr().String()+path, nil)
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 200 {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
		resp.Write(&shown)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	fmt.Fprintf(&shown, "%+v %#v", g.pipeline.current.Load().config.Upstreams[0], g.pipeline.current.Load().config.Upstreams[1])
	g.flushLog()
	shown.WriteString(log.String())
	if !strings.Contains(log.String(), "exchange") {
		t.Errorf("nothing was logged: %s", log.String())
	}
	for line := range strings.Lines(shown.String()) {
		for _, secret := range []string{"sk-secret", "extra-secret", "tenant-secret", "agent-secret", "proxy-secret", "query-secret", "bad-secret"} {
			if strings.Contains(line, secret) {
				t.Errorf("%s shows in %.300q", secret, line)
			}
		}
	}
}

const twoTenants = "auth: {keys: [{name: a, key: {env: A}}, {name: b, key: {env: B}}, {name: a, key: {env: A2}}]}\n"

var tenantKeys = with(map[string]string{"A": "key-a", "A2": "key-a2", "B": "key-b", "KEY": "sk-ours"})

func bearer(key string) string { return "Authorization: Bearer " + key }

func TestAuth(t *testing.T) {
	t.Parallel()
	up := newFake(t, okAnswer)
	g := open(t, "upstreams: [{name: u, base_url: "+up.url()+", api_key: {env: KEY}}]\n"+twoTenants, tenantKeys)
	for _, p := range errorPaths {
		for line, ok := range map[string]bool{
			bearer("key-a"): true, "authorization: bearer key-b": true, "X-API-Key: key-a2": true, "Api-Key: key-a": true,
			bearer("key-c"): false, bearer(""): false, "X: 1": false, "Authorization: key-a": false, "Authorization: Basic key-a": false, bearer("KEY-A"): false, bearer("key-a "): true, "x-api-key: ": false, bearer("sk-ours"): false,
		} {
			n := up.requests()
			m := g.do(t, post(p.path, chatRequest, line))
			if (m.status() == 200) != ok || (up.requests() > n) != ok {
				t.Errorf("%s, %q: %s", p.name, line, m.Line)
			}
			if !ok {
				if m.status() != 401 || m.get("x-trapgate-error") != "invalid_api_key" {
					t.Errorf("%q: %s", line, m.Line)
				}
				shape(t, line, m.Body, "invalid_api_key", p.anthropic)
			}
		}
	}
	for _, request := range []string{get("/v1/models"), get("/v1/files"), get("/v1/responses/resp_1"), get("/"), "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n", get("/v1/responses", "Connection: Upgrade", "Upgrade: websocket")} {
		a := g.dial(t)
		a.send(request)
		if m := a.head(); m.status() != 401 {
			t.Errorf("%.30q: %s", request, m.Line)
		}
	}
	// Keys in two forms must not disagree about who calls.
	m := g.do(t, post("/v1/chat/completions", chatRequest, bearer("key-c"), "x-api-key: key-a"))
	if m.status() == 200 && strings.Contains(strings.Join(up.last().Fields, "\n"), "key-") {
		t.Errorf("the upstream got %q", up.last().Fields)
	}
}

// Two upstreams without a key of ours, or a keyless one with auth, are errors of the configuration.
func TestCredentialsThatCouldLeakAreConfigurationErrors(t *testing.T) {
	t.Parallel()
	for name, yaml := range map[string]string{
		"two without": "upstreams: [{name: a, base_url: http://a}, {name: b, base_url: http://b}]",
		"a fallback":  "upstreams: [{name: a, base_url: http://a, credential: agent}, {name: b, base_url: http://b}]\nroutes: [{upstreams: [a, b]}]",
		"two marked":  "upstreams: [{name: a, base_url: http://a, credential: agent}, {name: b, base_url: http://b, credential: agent}]",
		"with auth":   "upstreams: [{name: a, base_url: http://a}]\n" + twoTenants,
		"no upstream": twoTenants,
	} {
		c, problems := config.Parse("trapgate.yaml", []byte(yaml+"\n"), config.OSEnv())
		if len(problems) == 0 {
			if _, err := config.Resolve(c, config.Env{Lookup: func(string) (string, bool) { return "x" + name, true }}, config.Overrides{Data: t.TempDir()}); err == nil {
				t.Errorf("%s is accepted", name)
			}
		}
	}
}
